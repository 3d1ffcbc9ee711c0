import assert from "node:assert/strict";
import { errno, errnoText } from "../../../ffi/errors.ts";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { LaunchError } from "../../../ffi/launch.ts";
import { getAffinity } from "../../../ffi/task.ts";
import { during } from "../../../scripts/power/span.ts";

const kernel = new KernelRoot();
// Listening to a signal starts a thread of Deno's that stays; within a test it would count as a leak.
Deno.addSignalListener("SIGHUP", ignore);
Deno.removeSignalListener("SIGHUP", ignore);

function ignore(): void {}

// The library opens when it is first used, and stays open.
errnoText(errno.ENOENT);
getAffinity(0);
await during(kernel, { argv: ["true"], periodSeconds: 1, holdsProgram: true }, () => {});

Deno.test("during() takes a step before the program starts and one after its end, and has its exit status", async () => {
  const path = Deno.makeTempFileSync();
  try {
    const seen: string[] = [];
    const argv = ["sh", "-c", `echo done > ${path}; exit 7`];
    const { code, by } = await during(kernel, { argv, periodSeconds: 3600 }, () => void seen.push(Deno.readTextFileSync(path)));
    assert.deepEqual({ code, by, seen }, { code: 7, by: "program", seen: ["", "done\n"] });
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("during() ends when the time is over, and waits for a program that goes on without steps", async () => {
  let count = 0;
  assert.deepEqual(await ended({ argv: [], seconds: 0.05, periodSeconds: 0.01 }, () => count++), { code: 0, by: "time" });
  assert.ok(count >= 2);
  assert.deepEqual(await ended({ argv: ["sh", "-c", "sleep 0.2; exit 3"], seconds: 0.01, periodSeconds: 0.005 }), { code: 3, by: "time" });
});

Deno.test("during() waits for a time that is longer than a timer's", async () => {
  const steps: number[] = [];
  const { by } = await during(kernel, {
    argv: ["sleep", "0.1"],
    seconds: 40 * 24 * 3600,
    periodSeconds: 0.02,
  }, () => void steps.push(1));
  assert.deepEqual([by, steps.length > 2], ["program", true]);
});

Deno.test("during() holds a program until it was told of, and lets it run also when that fails", async () => {
  const path = Deno.makeTempFileSync();
  try {
    const argv = ["sh", "-c", `echo done > ${path}`];
    const seen: unknown[] = [];
    const onStart = (pid: number, isHeld: boolean) => {
      const state = /^State:\t(.)/m.exec(kernel.read(`/proc/${pid}/status`))![1];
      seen.push(Deno.readTextFileSync(path) === "" || !isHeld, isHeld === (state === "t"));
    };
    assert.equal((await ended({ argv, periodSeconds: 1, holdsProgram: true, onStart })).code, 0);
    assert.deepEqual([seen, Deno.readTextFileSync(path)], [[true, true], "done\n"]);
    await assert.rejects(() => ended({ argv: ["true"], periodSeconds: 1, holdsProgram: true, onStart: thrown }), /at once/);
  } finally {
    Deno.removeSync(path);
  }
});

Deno.test("during() ends when nobody needs another step", async () => {
  let count = 0;
  await during(kernel, { argv: [], periodSeconds: 0.001, isOver: () => count >= 3 }, () => count++);
  assert.ok(count >= 3 && count <= 4, `${count}`);
});

Deno.test("during() starts no program that is not there, and passes variables on", async () => {
  let count = 0;
  await assert.rejects(
    () => during(kernel, { argv: ["no-such-program"], periodSeconds: 1 }, () => count++),
    (error) => error instanceof LaunchError && error.exitCode === 127,
  );
  assert.equal(count, 1);
  const { code } = await ended({ argv: ["sh", "-c", 'test "$P1" = here'], periodSeconds: 1, addEnv: { P1: "here" } });
  assert.equal(code, 0);
});

Deno.test("during() does nothing when somebody asked it to end before, and ends or passes it on when somebody asks meanwhile", async () => {
  let count = 0;
  const before = { asked: AbortSignal.abort(15), periodSeconds: 1 };
  assert.deepEqual(await ended({ argv: [], ...before }, () => count++), { code: 0, by: "signal" });
  assert.deepEqual(await ended({ argv: ["true"], ...before }, () => count++), { code: 143, by: "signal" });
  assert.equal(count, 0);
  const alone = new AbortController();
  const step = () => ++count === 2 && alone.abort(15);
  assert.deepEqual(await ended({ argv: [], asked: alone.signal, periodSeconds: 0.01 }, step), { code: 0, by: "signal" });
  const busy = new AbortController();
  const onStart = () => void setTimeout(() => busy.abort(15), 10);
  assert.deepEqual(await ended({ argv: ["sleep", "60"], asked: busy.signal, periodSeconds: 3600, onStart }), { code: 143, by: "program" });
});

Deno.test("during() throws what a step throws, and a program runs to its end first", async () => {
  const path = Deno.makeTempFileSync();
  try {
    let count = 0;
    const step = () => {
      if (++count === 2) throw new Error("the device is gone");
    };
    await assert.rejects(
      () => during(kernel, { argv: ["sh", "-c", `sleep 0.2; echo done > ${path}`], periodSeconds: 0.01 }, step),
      /the device is gone/,
    );
    assert.deepEqual([count, Deno.readTextFileSync(path)], [2, "done\n"]);
    await assert.rejects(() => during(kernel, { argv: [], periodSeconds: 0.001 }, thrown), /at once/);
  } finally {
    Deno.removeSync(path);
  }
});

function thrown(): void {
  throw new Error("at once");
}

async function ended(span: Parameters<typeof during>[1], step: () => unknown = () => {}) {
  const { code, by } = await during(kernel, span, () => void step());
  return { code, by };
}
