import assert from "node:assert/strict";
import { type KernelEntry, type KernelFiles, KernelRoot } from "../../../ffi/kernel_root.ts";
import { sendSignal } from "../../../ffi/task.ts";
import { directoriesOf, endProcesses, processesOf } from "../../../lib/container/processes.ts";
import type { Holding } from "../../../lib/plan/ledger.ts";
import { startTicksOf } from "../../../lib/plan/store.ts";
import { captured } from "../../captured.ts";

const kernel = new KernelRoot();
const selfTicks = BigInt(startTicksOf(kernel, Deno.pid)!);
// Signal 0 asks for nothing; the sanitizer of tests would take the library, loaded by the first signal, for a leak.
sendSignal(Deno.pid, selfTicks, 0);

function holdingOf(...directories: string[]): Holding {
  const steps = directories.map((what) => ({ kind: "cgroup", what, to: "", from: null, why: "a test" } as const));
  const file = { kind: "file", what: "/sys/fs/cgroup/nodeos-sim/cpuset.cpus", to: "1", from: null, why: "a test" } as const;
  return { name: "sim", owner: null, spec: {}, createdAtMs: 0, steps: [...steps, file] };
}

/** A cgroup of given processes, which it lists as long as they live; their numbers and start times are the real ones. */
class Jail implements KernelFiles {
  readonly base = "(a test)";
  readCount = 0;

  constructor(public pids: readonly number[], readonly startTicks?: string) {}

  read(path: string): string {
    return this.tryRead(path) ?? "";
  }

  tryRead(path: string): string | null {
    if (path.startsWith("/proc/")) {
      const stat = kernel.tryRead(path);
      if (stat === null || this.startTicks === undefined) return stat;
      const fields = stat.split(" ");
      return fields.with(fields.length - 52 + 21, this.startTicks).join(" ");
    }
    this.readCount++;
    return this.pids.filter((pid) => startTicksOf(kernel, pid) !== null).map((pid) => `${pid}\n`).join("");
  }

  list(): KernelEntry[] {
    return [];
  }

  link(): null {
    return null;
  }

  exists(): boolean {
    return true;
  }
}

const holding = holdingOf("/sys/fs/cgroup/nodeos-sim");

/** A process of ours that does nothing for a minute; it is killed at the end, come what may. */
async function sleeper(script = "exec sleep 60"): Promise<Deno.ChildProcess & AsyncDisposable> {
  const child = new Deno.Command("sh", { args: ["-c", script.replace("exec", "echo ready; exec")], stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return Object.assign(child, {
    async [Symbol.asyncDispose]() {
      if (startTicksOf(kernel, child.pid) !== null) child.kill("SIGKILL");
      await child.status;
    },
  });
}

Deno.test("directoriesOf() is the cgroups of a holding, and not its other steps", () => {
  assert.deepEqual(directoriesOf(holdingOf("/sys/fs/cgroup/a", "/sys/fs/cgroup/b")), ["/sys/fs/cgroup/a", "/sys/fs/cgroup/b"]);
});

Deno.test("processesOf() finds processes in all hierarchies and below, each once, ascending", () => {
  using machine = captured({
    "/sys/fs/cgroup/cpuset/nodeos-sim/cgroup.procs": "100\n30\n",
    "/sys/fs/cgroup/cpuset/nodeos-sim/job/step/cgroup.procs": "9\n",
    "/sys/fs/cgroup/cpuset/other/cgroup.procs": "1\n",
    "/sys/fs/cgroup/memory/nodeos-sim/cgroup.procs": "30\n101\n",
  });
  const both = holdingOf("/sys/fs/cgroup/cpuset/nodeos-sim", "/sys/fs/cgroup/memory/nodeos-sim", "/sys/fs/cgroup/pids/gone");
  assert.deepEqual(processesOf(machine, both), [9, 30, 100, 101]);
});

Deno.test("endProcesses() of an empty container returns at once", async () => {
  assert.equal(await endProcesses(new Jail([]), holding, 60_000), 0);
});

Deno.test("endProcesses() asks with SIGTERM, and goes on as soon as everybody is gone", async () => {
  await using first = await sleeper();
  await using second = await sleeper();
  assert.equal(await endProcesses(new Jail([first.pid, second.pid]), holding, 60_000), 2);
  assert.equal((await first.status).signal, "SIGTERM");
  assert.equal((await second.status).signal, "SIGTERM");
});

Deno.test("endProcesses() kills at once when it may not wait", async () => {
  await using child = await sleeper();
  assert.equal(await endProcesses(new Jail([child.pid]), holding, 0), 1);
  assert.equal((await child.status).signal, "SIGKILL");
});

Deno.test("endProcesses() kills whoever does not listen, and not before the time is over", async () => {
  await using child = await sleeper("trap '' TERM; exec sleep 60");
  const startMs = performance.now();
  await endProcesses(new Jail([child.pid]), holding, 150);
  assert.ok(performance.now() - startMs >= 149);
  assert.equal((await child.status).signal, "SIGKILL");
});

Deno.test("endProcesses() also kills whoever appears while it kills", async () => {
  await using first = await sleeper();
  await using second = await sleeper();
  const jail = new Jail([first.pid]);
  const read = jail.tryRead.bind(jail);
  jail.tryRead = (path) => {
    if (jail.readCount === 1 && !path.startsWith("/proc/")) jail.pids = [first.pid, second.pid];
    return read(path);
  };
  assert.equal(await endProcesses(jail, holding, 0), 1);
  assert.equal((await second.status).signal, "SIGKILL");
});

Deno.test("endProcesses() signals no process that has a dead one's number", async () => {
  await using child = await sleeper();
  const jail = new Jail([child.pid], "1");
  const read = jail.tryRead.bind(jail);
  jail.tryRead = (path) => {
    if (jail.readCount === 3) jail.pids = [];
    return read(path);
  };
  await endProcesses(jail, holding, 0);
  assert.ok(jail.readCount > 3);
  assert.notEqual(startTicksOf(kernel, child.pid), null, "it still lives");
});
