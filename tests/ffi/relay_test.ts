import assert from "node:assert/strict";
import { launch, wait } from "../../ffi/launch.ts";
import { LineRelay } from "../../ffi/relay.ts";
import { descriptorOf, scratch } from "./programs.ts";

// The functions are registered at their first use, which within a test would count as a leak.
await new LineRelay(2, "")[Symbol.asyncDispose]();

let fileCount = 0;

/** Gives relays into one file to `use`, and returns what came out. */
async function relayed(prefixes: readonly string[], use: (fds: readonly number[]) => Promise<void> | void): Promise<string> {
  const path = `${scratch}/relay-${fileCount++}`;
  using _file = Deno.openSync(path, { create: true, append: true });
  const relays = prefixes.map((prefix) => new LineRelay(descriptorOf(path), prefix));
  await use(relays.map(({ fd }) => fd));
  for (const relay of relays) await relay[Symbol.asyncDispose]();
  return Deno.readTextFileSync(path);
}

function run(fd: number, ...argv: readonly string[]): number {
  return wait(launch({ argv, stdio: [-1, fd, -1] })).code;
}

Deno.test("LineRelay begins each line with the prefix, and ends the last one", async () => {
  const out = await relayed(["sim | "], ([fd]) => void run(fd, "printf", "one\\n\\nthree\\nno newline"));
  assert.equal(out, "sim | one\nsim | \nsim | three\nsim | no newline\n");
  assert.equal(await relayed(["sim | "], ([fd]) => void run(fd, "true")), "");
});

Deno.test("LineRelay passes bytes on as they are", async () => {
  const out = await relayed([""], ([fd]) => void run(fd, "printf", "\\377\\001\\t\\n"));
  assert.equal(out, "\ufffd\u0001\t\n");
});

Deno.test("LineRelay cuts a line of more than 64 KiB, and loses nothing of it", async () => {
  const out = await relayed(["> "], ([fd]) => void run(fd, "sh", "-c", "head -c 150000 /dev/zero | tr '\\0' x; echo"));
  const lines = out.split("\n");
  assert.deepEqual(lines.map(({ length }) => length), [65538, 65538, 150000 - 2 * 65536 + 2, 0]);
  assert.match(lines.join(""), /^(?:> x+){3}$/);
});

Deno.test("LineRelays into one file never mix two lines", async () => {
  const names = ["a", "b", "c"];
  const out = await relayed(names.map((name) => `${name}: `), async (fds) => {
    const programs = names.map((name, index) =>
      launch({ argv: ["sh", "-c", `for i in $(seq 2000); do printf ${name}; printf '%s\\n' ${name}; done`], stdio: [-1, fds[index], -1] })
    );
    for (const program of programs) await Promise.resolve(wait(program));
  });
  const counts = Map.groupBy(out.trimEnd().split("\n"), (line) => line);
  assert.deepEqual([...counts].map(([line, { length }]) => [line, length]).sort(), [["a: aa", 2000], ["b: bb", 2000], ["c: cc", 2000]]);
});

Deno.test("LineRelay passes a line on while the program goes on, and does not wait for who has the pipe open", async () => {
  const path = `${scratch}/relay-early`;
  using _file = Deno.openSync(path, { create: true, append: true });
  const relay = new LineRelay(descriptorOf(path), "");
  const program = launch({ argv: ["sh", "-c", "echo early; exec sleep 100"], stdio: [-1, relay.fd, -1] });
  while (Deno.readTextFileSync(path) !== "early\n") await new Promise((resolve) => setTimeout(resolve, 5));
  await relay[Symbol.asyncDispose]();
  await relay[Symbol.asyncDispose]();
  run(-1, "kill", `${program.pid}`);
  assert.equal(wait(program).signal, 15);
});

Deno.test("LineRelay says that its lines found no room, and what writes to it sees a broken pipe", async () => {
  using _full = Deno.openSync("/dev/full", { write: true });
  const full = new LineRelay(descriptorOf("/dev/full"), "x");
  assert.equal(run(full.fd, "yes"), 128 + 13);
  // That pipe has no reader any more, as when somebody leaves `nodeos job | head`: no error of ours.
  const behind = new LineRelay(full.fd, "x");
  assert.equal(run(behind.fd, "yes"), 128 + 13);
  await behind[Symbol.asyncDispose]();
  await assert.rejects(full[Symbol.asyncDispose](), { name: "SysError", code: "ENOSPC", message: /^Cannot pass lines on to descriptor/ });
});

Deno.test("LineRelay refuses a prefix that is longer than a line", () => {
  assert.throws(() => new LineRelay(1, "x".repeat(65536)), { name: "SysError", code: "EINVAL" });
});
