import assert from "node:assert/strict";
import { launch, type Launched, release, wait } from "../../ffi/launch.ts";
import { kernel } from "./host.ts";
import { scratch } from "./programs.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
const first = launch({ argv: ["true"], isHeld: true });
/** Some containers do not let a process be traced. */
const isHeld = first.isHeld === true;
release(first);
wait(first);

const fieldOf = (pid: number, name: string) => new RegExp(`^${name}:\\t(.*)$`, "m").exec(kernel.read(`/proc/${pid}/status`))?.[1] ?? "";

function shell(script: string, isHeld = false): Launched {
  return launch({ argv: ["sh", "-c", script], isHeld });
}

function heldTest(name: string, fn: () => void): void {
  Deno.test({ name: `${name}${isHeld ? "" : " [needs ptrace]"}`, ignore: !isHeld, fn });
}

heldTest("launch() holds a program before its first instruction until it is released, and is as without then", () => {
  const path = `${scratch}/held-${Deno.pid}`;
  const program = shell(`grep -E '^(Sig[BI]|TracerPid)' /proc/self/status > ${path}; exit 5`, true);
  assert.equal(fieldOf(program.pid, "State"), "t (tracing stop)");
  assert.equal(fieldOf(program.pid, "Name"), "sh");
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  release(program);
  assert.equal(wait(program).code, 5);
  const held = Deno.readTextFileSync(path);
  assert.equal(wait(shell(`grep -E '^(Sig[BI]|TracerPid)' /proc/self/status > ${path}`)).code, 0);
  assert.equal(held, Deno.readTextFileSync(path));
  assert.match(held, /^TracerPid:\t0$/m);
  Deno.removeSync(path);
});

heldTest("a signal reaches a held program when it is released, and one that kills at once", () => {
  const asked = shell("sleep 60", true);
  Deno.kill(asked.pid, "SIGTERM");
  assert.equal(fieldOf(asked.pid, "State"), "t (tracing stop)");
  release(asked);
  assert.deepEqual(wait(asked), { code: 143, signal: 15 });
  const killed = shell("sleep 60", true);
  Deno.kill(killed.pid, "SIGKILL");
  // It may be gone, or about to.
  release(killed);
  assert.deepEqual(wait(killed), { code: 137, signal: 9 });
});

heldTest("launch() says what was refused as it does without holding, and leaves nothing", () => {
  assert.throws(() => launch({ argv: ["/none/such"], isHeld: true }), { exitCode: 127 });
  assert.throws(() => launch({ argv: ["/"], isHeld: true }), { exitCode: 126 });
  assert.throws(() => launch({ argv: ["true"], isHeld: true, ownMemory: true }), /read the request: EINVAL/);
  assert.equal(kernel.read(`/proc/${Deno.pid}/task/${Deno.pid}/children`).trim(), "");
});

Deno.test("release() of a program that is not held does nothing", () => {
  const program = launch({ argv: ["true"] });
  assert.equal(program.isHeld, undefined);
  release(program);
  assert.equal(wait(program).code, 0);
});
