import assert from "node:assert/strict";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { forwardingDirectory } from "../../lib/container/forwarding_seat.ts";
import { formatCpuList, parseCpuList } from "../../lib/kernel/cpulist.ts";
import { Board } from "../../lib/syscall/board.ts";
import { checkout } from "../host.ts";
import { hasThreadPidfds } from "../scripts/forward/kernel.ts";
import { cgroups, delay, guestTest, isGuest, nodeosOutput, read, stateDirectory } from "./guest.ts";
import { expectedPicture } from "./insitu_picture.ts";

const kernel = new KernelRoot();
const programs = `${checkout}build/vm`;
const sources = `${checkout}tests/scripts/forward`;

/** A directory of a test's own, and a program that is compiled into it. */
class Scratch implements Disposable {
  readonly path = Deno.makeTempDirSync();

  compile(name: string): string {
    const args = ["-O0", "-pthread", `${sources}/${name}.c`, "-o", `${this.path}/${name}`];
    const { success, stderr } = new Deno.Command("gcc", { args, stdout: "null", stderr: "piped" }).outputSync();
    assert.ok(success, new TextDecoder().decode(stderr));
    return `${this.path}/${name}`;
  }

  directory(name: string): string {
    Deno.mkdirSync(`${this.path}/${name}`);
    return `${this.path}/${name}`;
  }

  file(name: string, text: string): string {
    Deno.writeTextFileSync(`${this.path}/${name}`, text);
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function boardOf(container: string): ReturnType<Board["state"]> {
  using board = new Board(`${forwardingDirectory(stateDirectory, container)}/board`, { readOnly: true });
  return board.state();
}

/** How many calls had an outcome: all, or those of one name. */
function callsOf(container: string, outcome: "forwarded" | "allowed" = "forwarded", name?: string): number {
  using board = new Board(`${forwardingDirectory(stateDirectory, container)}/board`, { readOnly: true });
  const counters = Object.entries(board.counters()).filter(([call]) => name === undefined || call === name);
  return counters.reduce((sum, [, counter]) => sum + counter[outcome], 0);
}

/** Asserts what is true in a while: a guest is slow. */
async function eventually(what: string, isSo: () => boolean): Promise<void> {
  for (let triesLeft = 1200; !isSo(); triesLeft--) {
    assert.ok(triesLeft > 0, `${what} did not come about`);
    await delay(50);
  }
}

/** CPUs that the threads of a process may run on, and those where they ran last. */
function placeOf(pid: number): { allowed: string; last: number[]; cgroup: string } {
  const tids = kernel.list(`/proc/${pid}/task`).map(({ name }) => name);
  const texts = tids.map((tid) => [read(`/proc/${pid}/task/${tid}/status`), read(`/proc/${pid}/task/${tid}/stat`)]);
  const allowed = new Set(texts.flatMap(([status]) => parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1])));
  const last = texts.map(([, stat]) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[36]));
  return { allowed: formatCpuList([...allowed]), last: [...new Set(last)], cgroup: read(`/proc/${pid}/cgroup`) };
}

/** A program that makes calls, or asks the sidecar for them, until it is told to stop; then it says what it saw. */
class Threads {
  readonly #stop: string;
  readonly #output: Promise<string>;

  constructor(container: string, program: string, directory: string, threads: number, ...more: string[]) {
    this.#stop = `${directory}.stop`;
    const script = `(echo; until [ -e ${this.#stop} ]; do sleep 1; done; echo; echo) | "$@" | tail -1`;
    this.#output = nodeosOutput("exec", container, "--", "sh", "-c", script, "sh", program, directory, `${threads}`, ...more);
    // A test that fails before it asks for the output says why; this is a consequence then.
    this.#output.catch(() => {});
  }

  async end(): Promise<string> {
    Deno.writeTextFileSync(this.#stop, "");
    return await this.#output;
  }
}

function entriesOf(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

const assertRight = (line: string, ioErrors: number) => {
  const { calls, ioErrors: seen, ...found } = JSON.parse(line);
  assert.deepEqual(found, { wrong: 0, which: 0, error: 0 });
  assert.ok(calls > 0 && seen <= ioErrors, line);
};

/** Kills forwarders; each has to execute calls before. */
async function killForwarders(container: string, count: number): Promise<void> {
  for (let deaths = 0, last: number | null = null; deaths < count; deaths++) {
    await eventually("another forwarder", () => ![null, last].includes(boardOf(container).forwarderPid));
    last = boardOf(container).forwarderPid!;
    const calls = callsOf(container);
    await eventually("calls", () => callsOf(container) > calls + 20);
    Deno.kill(last, "SIGKILL");
  }
}

/** System calls that are forwarded, on this kernel. */
export function forwardCallTests(): void {
  guestTest("forwarding: threads get right answers under cnk, also when their forwarder dies", async () => {
    using scratch = new Scratch();
    await nodeosOutput("up", scratch.file("spec.yaml", specOf({ name: "sim", cpus: "4-5", syscalls: "cnk" })));
    const threads = new Threads("sim", scratch.compile("modelled"), scratch.directory("files"), 3);
    await killForwarders("sim", 3);
    assertRight(await threads.end(), 9);
    // A kernel before 6.11 does not wake those who wait for calls of programs that have ended.
    await eventually("the end of the filter", () => boardOf("sim").listeners === 0);
    await eventually("the end of its threads", () => boardOf("sim").threads === 0);
    await nodeosOutput("down", "sim");
    assert.deepEqual(entriesOf(`${stateDirectory}/forward`), []);
  });

  guestTest("forwarding: under lean calls are switched while programs make them, and the sidecar answers, also after deaths", async () => {
    using scratch = new Scratch();
    await nodeosOutput("up", scratch.file("spec.yaml", specOf({ name: "sim", cpus: "4-5", syscalls: "lean" })));
    const [modelled, asking] = ["modelled", "asking"].map((name) => scratch.compile(name));
    const asked = scratch.directory("asked");
    const apart = hasThreadPidfds() ? ["apart"] : [];
    const callers = new Threads("sim", modelled, scratch.directory("files"), 3, ...apart);
    const askers = new Threads("sim", asking, asked, 2);
    await killForwarders("sim", 3);
    await nodeosOutput("syscalls", "sim", "@path=allow");
    const allowed = callsOf("sim", "allowed");
    await eventually("calls that the programs execute", () => callsOf("sim", "allowed") > allowed + 100);
    await nodeosOutput("syscalls", "sim", "@path=forward");
    await killForwarders("sim", 1);
    assertRight(await callers.end(), 12);
    await eventually("answers over HTTP", () => callsOf("sim", "forwarded", "close") > 10);
    const { answers, ...wrong } = JSON.parse(await askers.end());
    assert.deepEqual([answers > 0, wrong], [true, { lost: 0, died: 0, wrong: 0 }]);
    assert.deepEqual(entriesOf(asked), []);
    const { keeperPid, forwarderPid, sidecarPid } = boardOf("sim");
    await nodeosOutput("down", "sim");
    assert.deepEqual([keeperPid, forwarderPid, sidecarPid].filter((pid) => kernel.exists(`/proc/${pid}`)), []);
    assert.deepEqual(entriesOf(`${stateDirectory}/forward`), []);
  });

  guestTest("forwarding: two programs in containers of different profiles share memory, a socket, a pipe and signals", async () => {
    using scratch = new Scratch();
    const frames = 4;
    const container = (name: string, cpus: string, syscalls: string, part: string) => ({
      name,
      cpus,
      syscalls,
      command: [`${programs}/insitu`, part, scratch.path, `${frames}`],
    });
    const spec = scratch.file(
      "job.yaml",
      specOf(
        { ...container("sim", "2-3", "cnk", "compute"), features: { scheduling: "cooperative" } },
        container("viz", "4-5", "lean", "view"),
      ),
    );
    const lines = (await nodeosOutput("job", spec)).trimEnd().split("\n").sort();
    const [sim, viz] = lines.map((line) => JSON.parse(line.slice(6)));
    assert.deepEqual([sim.container, viz.container, sim.frames, viz.frames], ["sim", "viz", frames, frames]);
    assert.equal(sim.checksum, viz.checksum);
    assert.equal(Deno.readTextFileSync(`${scratch.path}/last.pgm`), expectedPicture(frames));
  });
}

/** Where they are executed, with these cgroups. */
export function forwardPlaceTests(): void {
  guestTest("forwarding: a quiet container's calls are executed on the ServiceOS's CPUs only, and resizing leaves them be", async () => {
    using scratch = new Scratch();
    const container = { name: "sim", cpus: "4-5", syscalls: "lean", features: { tasks: "away", irqs: "away" } };
    const service = { cpus: "0-1" };
    await nodeosOutput("up", scratch.file("spec.yaml", specOf(container).replace("{", `{ "service": ${JSON.stringify(service)}, `)));
    const callers = new Threads("sim", scratch.compile("modelled"), scratch.directory("files"), 3);
    await eventually("calls", () => callsOf("sim") > 100);

    const { keeperPid, forwarderPid, threads, forwarderStarts } = boardOf("sim");
    assert.ok(threads > 0);
    for (let look = 0; look < 10; look++) {
      for (const pid of [keeperPid, forwarderPid!]) {
        const { allowed, last, cgroup } = placeOf(pid);
        assert.equal(allowed, "0-1");
        assert.ok(last.every((cpu) => cpu <= 1), `process ${pid} ran on ${last}`);
        assert.match(cgroup, /\/nodeos-service$/m);
      }
      await delay(100);
    }

    for (const cpus of ["4-6", "5-6"]) {
      await nodeosOutput("resize", "sim", "--cpus", cpus);
      const before = callsOf("sim");
      await eventually("a call after it was resized", () => callsOf("sim") > before);
    }
    await nodeosOutput("resize", "service", "--cpus", "0-2");
    await eventually("the forwarder on the new CPUs", () => placeOf(forwarderPid!).allowed === "0-2");
    assert.deepEqual([boardOf("sim").forwarderPid, boardOf("sim").forwarderStarts], [forwarderPid, forwarderStarts]);
    await nodeosOutput("verify");
    assertRight(await callers.end(), 0);
    await nodeosOutput("down", "--all");
    assert.ok(!kernel.exists(`/proc/${keeperPid}`) && !kernel.exists(`/proc/${forwarderPid}`));
    assert.ok(!kernel.exists(`${cgroups}/nodeos-service`));
  });
}

function specOf(...containers: object[]): string {
  return JSON.stringify({ apiVersion: "nodeos/v1", containers });
}

// Before the tests: what a test loads, it has to unload.
if (isGuest) assert.throws(() => boardOf("none"));
