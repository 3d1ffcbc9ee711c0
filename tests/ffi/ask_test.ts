import assert from "node:assert/strict";
import { ask } from "../../ffi/ask.ts";
import { hasOwnRun, outputInOwnRun } from "../fake_service.ts";

// The function is registered at its first use, which within a test would count as a leak.
ask("/run/irqbalance/nobody.sock", "");

for (
  const path of [
    "/run/nodeos/x.sock",
    "/run/irqbalance/",
    "/run/irqbalance",
    "/run/irqbalance/../dbus/system_bus_socket",
    "/run/irqbalance/a/b",
    "/run/irqbalancer/a",
    "irqbalance.sock",
    "",
  ]
) {
  Deno.test(`ask() refuses the path ${JSON.stringify(path)}`, () => {
    assert.throws(() => ask(path, "setup"), { name: "SysError", code: "EACCES" });
  });
}

Deno.test("ask() says null when nobody is there", () => {
  assert.equal(ask("/run/irqbalance/nobody.sock", "setup"), null);
  // A last part that is a directory is none either.
  assert.equal(ask("/run/irqbalance/..", "setup"), null);
});

const services = `
const { ask } = await import(checkout + "ffi/ask.ts");
const path = "/run/irqbalance/test.sock";
const answer = (request) => {
  try {
    return ask(path, request);
  } catch (error) {
    return error.code;
  }
};`;

/** A test of a module that sees \`ask\`, \`answer\`, \`path\` and \`serve\`, and prints one document. */
function serviceTest(name: string, script: string, expected: unknown): void {
  Deno.test({
    name: hasOwnRun ? name : `${name} [needs unshare -rm]`,
    ignore: !hasOwnRun,
    async fn() {
      assert.deepEqual(JSON.parse(await outputInOwnRun(services + script)), expected);
    },
  });
}

serviceTest(
  "ask() returns the whole answer, also one that comes in many pieces",
  `await serve(path, '(text) => text === "long" ? "ü".repeat(30000) : text + "!"');
   console.log(JSON.stringify([answer("setup"), answer("long") === "ü".repeat(30000), answer("")]));`,
  ["setup!", true, "ETIMEDOUT"],
);

serviceTest(
  "ask() tells an empty answer from a silent service, and that from one that ended",
  `const worker = await serve(path, '(text) => text === "wait" ? new Promise((resolve) => setTimeout(resolve, 3000)) : null');
   const begin = Date.now();
   const first = [answer("settings"), answer("wait")];
   const tookMs = Date.now() - begin;
   worker.terminate();
   for (let tries = 0; tries < 100 && answer("x") !== null; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
   console.log(JSON.stringify([...first, tookMs > 900 && tookMs < 2500, answer("x")]));`,
  ["", "ETIMEDOUT", true, null],
);

serviceTest(
  "ask() refuses an answer without an end",
  `await serve(path, '() => "x".repeat(70000)');
   console.log(JSON.stringify(answer("x")));`,
  "EFBIG",
);

serviceTest(
  "ask() goes through no link",
  `await serve("/run/other.sock", '() => "secret"');
   Deno.symlinkSync("/run/other.sock", path);
   console.log(JSON.stringify(answer("x")));`,
  null,
);

serviceTest(
  "ask() does not end the process when the service closes without reading",
  `await serve(path, '() => "ok"');
   console.log(JSON.stringify([answer("x".repeat(1000000)).length > 0, answer("x")]));`,
  [true, "ok"],
);
