import assert from "node:assert/strict";
import { launch, type LaunchRequest, wait, waitAsync } from "../../ffi/launch.ts";
import { sendSignal } from "../../ffi/task.ts";
import { cpusetMount, kernel, ownCpus, startTicksOf, TestCgroup, unifiedMount, until } from "./host.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { capture, checkout, denoProcess, linesOf, sanitizer, scratch, shell } from "./programs.ts";

// The one of version 2 shares no CPUs that a container here may have for itself.
const mount = unifiedMount ?? cpusetMount;

/** Ends a process that we, or a child of ours, started. */
function end(pid: number): void {
  if (isRunning(pid)) sendSignal(pid, BigInt(startTicksOf(pid)), 9);
}

function isRunning(pid: number): boolean {
  const stat = kernel.tryRead(`/proc/${pid}/stat`);
  return stat !== null && !/\) [ZX] /.test(stat);
}

/** A cgroup, how a program gets into it, and where its threads are listed. */
function groupOf(name: string): { group: TestCgroup; seat: Partial<LaunchRequest>; threadsPath: string } {
  const group = new TestCgroup(mount!, name);
  if (unifiedMount !== null) return { group, seat: { cgroup: group.path }, threadsPath: `${group.path}/cgroup.threads` };
  try {
    kernel.write(`${group.path}/cpuset.cpus`, ownCpus.slice(0, 2).join());
    kernel.write(`${group.path}/cpuset.mems`, "0");
  } catch (error) {
    group[Symbol.dispose]();
    throw error;
  }
  return { group, seat: { tasks: [`${group.path}/tasks`] }, threadsPath: `${group.path}/tasks` };
}

Deno.test("wait() has the program's exit code", () => {
  for (const code of [0, 1, 2, 125, 127, 128, 255]) {
    assert.deepEqual(wait(launch({ argv: ["sh", "-c", `exit ${code}`] })), { code, signal: 0 });
  }
});

Deno.test("wait() says 128 and the signal for a program that a signal ended", () => {
  for (const [name, signal] of [["TERM", 15], ["KILL", 9], ["HUP", 1], ["INT", 2], ["PIPE", 13], ["USR1", 10]] as const) {
    assert.deepEqual(wait(launch({ argv: ["sh", "-c", `kill -${name} $$`] })), { code: 128 + signal, signal });
  }
  const { code, signal } = shell("ulimit -c 0; kill -ABRT $$");
  assert.deepEqual({ code, signal }, { code: 134, signal: 6 });
});

Deno.test("wait() for a program that was waited for already says EBADF", () => {
  const program = launch({ argv: ["true"] });
  wait(program);
  assert.throws(() => wait(program), {
    name: "SysError",
    code: "EBADF",
    message: new RegExp(`^Cannot wait for process ${program.pid}`),
  });
});

/** A process that waits for a program which says when it is there and what signals it gets, and ends with 7 at USR2. */
function waiter(request: Partial<LaunchRequest>, options: Deno.CommandOptions = {}): Deno.ChildProcess {
  const script = 'trap "echo term" TERM; trap "echo hup" HUP; trap "exit 7" USR2; echo $$; while :; do sleep 0.02; done';
  return denoProcess(
    `
    const { launch, wait } = await import(ffi + "launch.ts");
    Deno.exitCode = wait(launch({ argv: ["sh", "-c", ${JSON.stringify(script)}], ...${JSON.stringify(request)} })).code;`,
    options,
  );
}

/** The first line of a child's output, as a number; the rest of it is thrown away. */
async function firstNumber(child: Deno.ChildProcess): Promise<number> {
  for await (const line of linesOf(child.stdout)) return Number(line);
  throw new Error("the process said nothing");
}

Deno.test("wait() passes on what another process signals to us only", async () => {
  const child = waiter({ forwardSignals: true });
  const lines = linesOf(child.stdout);
  const pid = Number((await lines.next()).value);
  try {
    child.kill("SIGTERM");
    child.kill("SIGHUP");
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert(isRunning(child.pid), "it took a signal for itself");
    child.kill("SIGUSR2");
    assert.equal((await child.status).code, 7);
    assert.deepEqual([(await lines.next()).value, (await lines.next()).value].sort(), ["hup", "term"]);
    assert.equal((await lines.next()).done, true);
  } finally {
    end(pid);
    await child.stderr.cancel();
  }
});

Deno.test("wait() without forwardSignals leaves signals to do what they do", async () => {
  const child = waiter({});
  const pid = await firstNumber(child);
  child.kill("SIGTERM");
  assert.equal((await child.status).signal, "SIGTERM");
  assert(isRunning(pid));
  end(pid);
  await child.stderr.cancel();
});

Deno.test("launch() with forwardSignals loses no signal that comes before the program is executed", async () => {
  // The first program signals us as soon as we catch USR1; the second one's search path is so long that it is then
  // still on its way.
  const isCaught = `
    c=0
    while [ $((0x$c & 0x200)) -eq 0 ]; do
      while read name value; do case $name in SigCgt:) c=$value;; esac; done </proc/$PPID/status
    done
    kill -USR1 $PPID`;
  const child = denoProcess(`
    const { launch, wait } = await import(ffi + "launch.ts");
    const codes = [];
    let execMs = 0;
    for (let i = 0; i < 5; i++) {
      const first = launch({ argv: ["sh", "-c", ${JSON.stringify(isCaught)}] });
      const program = launch({ argv: ["sleep", "5"], search: "/none:".repeat(80_000) + "/usr/bin:/bin", forwardSignals: true });
      execMs = Math.max(execMs, program.execNs / 1e6);
      codes.push(wait(program).code);
      wait(first);
    }
    console.log(JSON.stringify({ codes, isLong: execMs > 10 }));`);
  const { stdout } = await child.output();
  assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), { codes: Array(5).fill(128 + 10), isLong: true });
});

Deno.test("launch() with forwardSignals loses no signal that the program provokes with its first breath", async () => {
  const child = denoProcess(`
    const { launch, wait } = await import(ffi + "launch.ts");
    const start = () => launch({ argv: ["sh", "-c", "kill -USR1 $PPID; exec sleep 5"], forwardSignals: true });
    console.log(Array.from({ length: 100 }, () => wait(start()).code).join(" "));`);
  const { stdout } = await child.output();
  assert.equal(new TextDecoder().decode(stdout), `${Array(100).fill(128 + 10).join(" ")}\n`);
});

Deno.test("launch() with forwardSignals puts the actions of signals back, when the program ends and when it never began", async () => {
  const child = denoProcess(`
    const { launch, wait } = await import(ffi + "launch.ts");
    const caught = () => /SigCgt:\\s*(\\S+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1];
    const before = caught();
    wait(launch({ argv: ["true"], forwardSignals: true }));
    const after = caught();
    try { launch({ argv: ["/none/such"], forwardSignals: true }); } catch {}
    const failed = caught();
    const program = launch({ argv: ["sleep", "0.1"], forwardSignals: true });
    const during = caught();
    let second = "";
    try { launch({ argv: ["true"], forwardSignals: true }); } catch (error) { second = error.code; }
    try { launch({ argv: ["/none/such"] }); } catch {}
    const still = caught();
    wait(program);
    console.log(JSON.stringify([before === after, before === failed, before !== during, second, during === still, caught() === before]));`);
  const { stdout } = await child.output();
  assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), [true, true, true, "EBUSY", true, true]);
});

Deno.test("a signal that was ignored when we started stays ignored, by us and by the program", () => {
  const path = `${scratch}/ignored.ts`;
  Deno.writeTextFileSync(
    path,
    `const { launch, wait } = await import("file://${checkout}ffi/launch.ts");
    Deno.exitCode = wait(launch({ argv: ["sh", "-c", "kill -HUP $$; echo alive; kill -HUP $PPID; sleep 0.05; exit 5"], forwardSignals: true })).code;`,
  );
  const inner = `trap "" HUP; exec "$0" run -q --no-check -A ${path}`;
  const { code, out } = capture({ argv: ["sh", "-c", inner, Deno.execPath()], env: { ...Deno.env.toObject(), ...sanitizer } });
  assert.deepEqual({ code, out }, { code: 5, out: "alive\n" });
});

Deno.test("waitAsync() resolves with how the program ended", async () => {
  assert.deepEqual(await waitAsync(launch({ argv: ["sh", "-c", "exit 42"] }), scratch), { code: 42, signal: 0 });
  assert.deepEqual(await waitAsync(launch({ argv: ["sh", "-c", "kill -TERM $$"] }), scratch), { code: 143, signal: 15 });
});

Deno.test("waitAsync() waits for many programs at once, and leaves nothing behind", async () => {
  const open = () => kernel.list("/proc/self/fd").length;
  const before = open();
  const programs = Array.from({ length: 60 }, (_, index) => launch({ argv: ["sh", "-c", `sleep 0.0${index % 10}; exit ${index}`] }));
  const codes = await Promise.all(programs.map((program) => waitAsync(program, scratch).then(({ code }) => code)));
  assert.deepEqual(codes, programs.map((_, index) => index));
  assert.deepEqual([...Deno.readDirSync(scratch)].filter(({ name }) => name.endsWith(".sock")), []);
  // The native threads close their ends a moment after they have told us.
  await until("all descriptors are closed", () => open() <= before);
});

Deno.test("waitAsync() lets Deno go on meanwhile", async () => {
  const program = launch({ argv: ["sleep", "0.1"] });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  await waitAsync(program, scratch);
  clearInterval(timer);
  assert(ticks >= 3);
});

Deno.test("waitAsync() rejects with the reason when it is aborted, and the program lives on", async () => {
  const open = () => kernel.list("/proc/self/fd").length;
  const before = open();
  const program = launch({ argv: ["sleep", "60"] });
  const abort = new AbortController();
  const ended = waitAsync(program, scratch, undefined, abort.signal);
  setTimeout(() => abort.abort(new Error("enough")), 20);
  await assert.rejects(ended, { message: "enough" });
  assert(isRunning(program.pid));
  end(program.pid);
  await until("all descriptors are closed", () => open() <= before);
});

Deno.test("waitAsync() that is aborted before it begins rejects at once", async () => {
  const program = launch({ argv: ["sleep", "60"] });
  await assert.rejects(waitAsync(program, scratch, undefined, AbortSignal.abort(new Error("never"))), { message: "never" });
  end(program.pid);
});

Deno.test("waitAsync() does not mind an abort after the end", async () => {
  const abort = new AbortController();
  assert.equal((await waitAsync(launch({ argv: ["true"] }), scratch, undefined, abort.signal)).code, 0);
  abort.abort();
});

Deno.test("waitAsync() says where its socket cannot be", async () => {
  const program = launch({ argv: ["true"] });
  await assert.rejects(waitAsync(program, `${scratch}/none`));
  assert.equal(wait(program).code, 0);
});

for (const dieWithParent of [true, false]) {
  Deno.test(`a program with dieWithParent ${dieWithParent} ${dieWithParent ? "dies with" : "survives"} the process that is killed`, async () => {
    const child = waiter({ dieWithParent });
    const pid = await firstNumber(child);
    try {
      child.kill("SIGKILL");
      await child.status;
      if (dieWithParent) await until("the program is gone", () => !isRunning(pid));
      else {
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert(isRunning(pid));
      }
    } finally {
      end(pid);
      await child.stderr.cancel();
    }
  });
}

const loads = `${checkout}build/nodeos-helper`;

Deno.test({
  name: "wait() places threads and leaves each its whole mask [needs root, cgroups and two CPUs]",
  ignore: mount === null || ownCpus.length < 2,
  async fn() {
    const { group, seat, threadsPath } = groupOf("placement");
    using _group = group;
    const cpus = ownCpus.slice(0, 2);
    const program = launch({ argv: [loads, "load", "--threads=4", "--seconds=2"], cpus, ...seat });
    const ended = waitAsync(program, scratch, { threadsPath, cpus });
    const threads = () => kernel.list(`/proc/${program.pid}/task`).map(({ name }) => name);
    await until("all threads are there", () => threads().length >= 4);
    const maskOf = (tid: string) => /^Cpus_allowed_list:\t(.*)$/m.exec(kernel.read(`/proc/${program.pid}/task/${tid}/status`))?.[1];
    // Long after they were placed, unless the machine is busy.
    await new Promise((resolve) => setTimeout(resolve, 250));
    await until("each has its whole mask", () => threads().every((tid) => maskOf(tid) === formatCpuList(cpus)));
    assert.equal((await ended).code, 0);
  },
});

Deno.test({
  name: "wait() leaves a thread alone that chose its CPU itself [needs root, cgroups, two CPUs and taskset]",
  ignore: mount === null || ownCpus.length < 2 || shell("taskset -V").code !== 0,
  fn() {
    const { group, seat, threadsPath } = groupOf("chosen");
    using _group = group;
    const cpus = ownCpus.slice(0, 2);
    const path = `${scratch}/chosen`;
    const script = `exec >${path}; taskset -cp ${cpus[1]} $$ >/dev/null; sleep 0.2; grep Cpus_allowed_list /proc/$$/status`;
    assert.equal(wait(launch({ argv: ["sh", "-c", script], cpus, ...seat }), { threadsPath, cpus }).code, 0);
    assert.equal(Deno.readTextFileSync(path), `Cpus_allowed_list:\t${cpus[1]}\n`);
  },
});

Deno.test("wait() with a placement survives a list that is none, and one that is not there", () => {
  for (const threadsPath of ["/proc/version", "/proc/none"]) {
    assert.equal(wait(launch({ argv: ["sleep", "0.02"] }), { threadsPath, cpus: ownCpus }).code, 0);
  }
});
