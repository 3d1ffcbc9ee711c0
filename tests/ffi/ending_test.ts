import assert from "node:assert/strict";
import { waitAmong } from "../../ffi/ending.ts";
import { launch, wait } from "../../ffi/launch.ts";
import { checkout, denoProcess } from "./programs.ts";

// The functions are registered at their first use, which within a test would count as a leak.
await waitAmong(launch({ argv: ["true"] }));

const shell = (script: string) => launch({ argv: ["sh", "-c", script] });

Deno.test("waitAmong() tells of each program as it ends, and how", async () => {
  const order: number[] = [];
  const scripts = ["sleep 0.4; exit 3", "exit 0", "sleep 0.2; kill -KILL $$"];
  const statuses = await Promise.all(scripts.map(async (script, index) => {
    const status = await waitAmong(shell(script));
    order.push(index);
    return status;
  }));
  assert.deepEqual(statuses, [{ code: 3, signal: 0 }, { code: 0, signal: 0 }, { code: 137, signal: 9 }]);
  assert.deepEqual(order, [1, 2, 0]);
});

Deno.test("waitAmong() waits for more programs than Deno has threads for, and leaves it some", async () => {
  const programs = Array.from({ length: 100 }, () => shell("sleep 1"));
  let endedCount = 0;
  const all = Promise.all(programs.map((program) => waitAmong(program).finally(() => endedCount++)));
  await Deno.readTextFile("/proc/version");
  assert.ok(endedCount < programs.length, "the file was read only when they had ended");
  assert.equal((await all).length, 100);
});

Deno.test("waitAmong() takes one more program while it waits for others", async () => {
  const slow = waitAmong(shell("sleep 0.3"));
  assert.equal((await waitAmong(shell("exit 4"))).code, 4);
  assert.equal((await slow).code, 0);
});

Deno.test("waitAmong() for a program that was waited for already says EBADF", async () => {
  const program = launch({ argv: ["true"] });
  wait(program);
  await assert.rejects(waitAmong(program), {
    name: "SysError",
    code: "EBADF",
    message: new RegExp(`^Cannot wait for process ${program.pid}`),
  });
});

Deno.test("waitAmong() needs no permission but that for the library", async () => {
  const script = `
    const { launch } = await import(ffi + "launch.ts");
    const { waitAmong } = await import(ffi + "ending.ts");
    console.log((await waitAmong(launch({ argv: ["sh", "-c", "exit 6"] }))).code);`;
  const { stdout, stderr } = await denoProcess(script, {}, ["--allow-ffi", `--allow-read=${checkout}`]).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(new TextDecoder().decode(stdout), "6\n");
});
