import assert from "node:assert/strict";
import { Node } from "../../lib/container/node.ts";
import { hpccInput } from "../../scripts/demo/program.ts";
import { checkout } from "../host.ts";
import { cgroups, delay, guestTest, kernel, nodeos, nodeosCommand, nodeosOutput, stateDirectory } from "./guest.ts";
import { expectedPicture } from "./insitu_picture.ts";

const programs = `${checkout}build/vm`;

/** A directory of a test's own. */
class Scratch implements Disposable {
  readonly path = Deno.makeTempDirSync();

  /** Writes a file into it, and returns its path. */
  file(name: string, text: string, mode = 0o644): string {
    Deno.writeTextFileSync(`${this.path}/${name}`, text, { mode });
    return `${this.path}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** What `insitu` prints when it has seen what it should. */
interface Partner {
  readonly role: string;
  readonly container: string;
  readonly pid: number;
  readonly peer: number;
  readonly frames: number;
  readonly checksum: number;
  readonly policy: number;
  readonly seen: readonly number[];
  readonly allowed: readonly number[];
}

guestTest(
  "a computation and its visualisation, in containers with different features, share memory, a socket, a pipe and signals",
  async () => {
    using scratch = new Scratch();
    const frames = 8;
    const spec = scratch.file(
      "job.yaml",
      `apiVersion: nodeos/v1
containers:
  - name: sim
    cpus: "2-3"
    memory: { limit: 256MiB, nodes: 1 }
    features: { scheduling: cooperative }
    command: [${programs}/insitu, compute, ${scratch.path}, "${frames}"]
  - name: viz
    cpus: "4-5"
    features: { loadBalancing: on }
    command: [${programs}/insitu, view, ${scratch.path}, "${frames}"]
`,
    );
    const lines = (await nodeosOutput("job", spec)).trimEnd().split("\n").sort();
    assert.deepEqual(lines.map((line) => line.slice(0, 6)), ["sim | ", "viz | "]);
    const [sim, viz] = lines.map((line) => JSON.parse(line.slice(6)) as Partner);
    assert.deepEqual([sim.role, sim.container, sim.policy, sim.allowed], ["compute", "sim", 1, [2, 3]]);
    assert.deepEqual([viz.role, viz.container, viz.policy, viz.allowed], ["view", "viz", 0, [4, 5]]);
    for (const { role, seen, allowed } of [sim, viz]) {
      assert.ok(seen.length > 0 && seen.every((cpu) => allowed.includes(cpu)), `${role} ran on CPUs ${seen}`);
    }
    // Each has talked to the other one, and both have seen the same last frame: the one that follows from the equations.
    assert.deepEqual([sim.peer, viz.peer, sim.frames, viz.frames], [viz.pid, sim.pid, frames, frames]);
    assert.equal(sim.checksum, viz.checksum);
    assert.equal(Deno.readTextFileSync(`${scratch.path}/last.pgm`), expectedPicture(frames));
  },
);

guestTest("a job ends when one of its programs fails, and tells of each", async () => {
  using scratch = new Scratch();
  const spec = scratch.file(
    "job.yaml",
    `apiVersion: nodeos/v1
service: { cpus: "0-1" }
containers:
  - { name: sim, cpus: "2-3", command: "trap 'exit 4' TERM; sleep 100 & wait" }
  - { name: viz, cpus: 4, command: "sleep 1; exit 9" }
  - { name: aux, cpus: 5 }
`,
  );
  const { code, out, err } = await nodeos("job", "--json", spec);
  assert.equal(code, 9);
  const { exitCode, results } = JSON.parse(out);
  assert.deepEqual([exitCode, results.map((result: { container: string; code: number }) => [result.container, result.code])], [
    9,
    [["sim", 4], ["viz", 9]],
  ]);
  assert.equal(err, "nodeos: the program of viz ended with status 9\nnodeos: the program of sim ended with status 4\n");
});

guestTest("kill -9 of nodeos job: its programs end, and the next command restores the node", async () => {
  using scratch = new Scratch();
  const started = (name: string) => `command: "touch ${scratch.path}/${name}; sleep 1000 & sleep 1000"`;
  const spec = scratch.file(
    "job.yaml",
    `apiVersion: nodeos/v1
containers:
  - { name: sim, cpus: "2-3", features: { scheduling: cooperative }, ${started("sim-is-up")} }
  - { name: viz, cpus: "4-5", memory: { limit: 256MiB }, ${started("viz-is-up")} }
`,
  );
  const job = nodeosCommand(["job", spec], "null").spawn();
  while (!["sim-is-up", "viz-is-up"].every((name) => isThere(`${scratch.path}/${name}`))) await delay(20);
  job.kill("SIGKILL");
  await job.status;
  const { removed, left } = await new Node(kernel, stateDirectory).recover();
  assert.deepEqual([removed.toSorted(), left], [["sim", "viz"], []]);
});

const hasMpi = ["/usr/bin/mpirun", "/usr/bin/hpcc"].every(isThere);
const mpiTest = hasMpi ? guestTest : (name: string) => Deno.test({ name: `${name} [needs hpcc and mpirun]`, ignore: true, fn() {} });

mpiTest("the ranks of an MPI program that nobody here wrote are spread over two containers, and compute the right result", async () => {
  using scratch = new Scratch();
  scratch.file("hpccinf.txt", hpccInput(128, 4));
  const command = `${Deno.execPath()} run -q --no-check --cached-only --config ${checkout}deno.json -P=admin ${checkout}scripts/nodeos.ts`;
  const nodeosPath = scratch.file("nodeos", `#!/bin/sh\nexec ${command} "$@"\n`, 0o755);
  const rank = scratch.file("rank", `#!/bin/sh\nexec env LD_PRELOAD=${programs}/pausing_yield.so hpcc\n`, 0o755);
  const ranks = ["sim", "viz"].map((name) => `-n 2 ${nodeosPath} exec ${name} -- ${rank}`).join(" : ");
  const flags = "--allow-run-as-root --oversubscribe --bind-to none --mca mpi_yield_when_idle 1";
  const launcher = scratch.file("launch", `#!/bin/sh\ncd ${scratch.path} && exec mpirun ${flags} ${ranks}\n`, 0o755);
  const spec = scratch.file(
    "job.yaml",
    `apiVersion: nodeos/v1
containers:
  - { name: sim, cpus: "2-3", features: { scheduling: cooperative } }
  - { name: viz, cpus: "4-5", memory: { limit: 1GiB }, features: { loadBalancing: on } }
  - { name: launch, cpus: 6, command: [${launcher}] }
`,
  );
  const job = nodeosCommand(["job", spec], "piped").spawn();
  const ended = job.output();
  let isRunning = true;
  ended.finally(() => isRunning = false);
  const seen = { sim: new Map<string, string>(), viz: new Map<string, string>() };
  while (isRunning && seen.sim.size + seen.viz.size < 4) {
    for (const name of ["sim", "viz"] as const) for (const [pid, cpus] of hpccIn(name)) seen[name].set(pid, cpus);
    await delay(100);
  }
  const { code, stdout, stderr } = await ended;
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, `${out}${err}`);
  assert.deepEqual([[...seen.sim.values()], [...seen.viz.values()]], [["2-3", "2-3"], ["4-5", "4-5"]]);
  const report = Deno.readTextFileSync(`${scratch.path}/hpccoutf.txt`);
  for (const line of [/^Success=1$/m, /^CommWorldProcs=4$/m, /^\|\|Ax-b\|\|.* PASSED$/m]) assert.match(report, line);
  assert.doesNotMatch(report, /FAILED/);
});

/** The ranks that run in a container now, and the CPUs that they may use. */
function hpccIn(container: string): [pid: string, cpus: string][] {
  const pids = (kernel.tryRead(`${cgroups}/nodeos-${container}/cgroup.procs`) ?? "").trim().split("\n").filter(Boolean);
  return pids.flatMap((pid) => {
    const status = kernel.tryRead(`/proc/${pid}/status`) ?? "";
    return status.startsWith("Name:\thpcc\n") ? [[pid, /^Cpus_allowed_list:\s*(.*)$/m.exec(status)![1]]] : [];
  });
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
