import { KernelRoot } from "../ffi/kernel_root.ts";
import { hierarchyOf, readCgroupLayout } from "../lib/kernel/cgroup.ts";
import { readTasks } from "../lib/kernel/process.ts";
import { parseCpuList } from "../lib/kernel/cpulist.ts";
import { ownerSelf } from "../lib/plan/store.ts";

/** The checkout. */
export const checkout = new URL("..", import.meta.url).pathname;

const kernel = new KernelRoot();
const layout = readCgroupLayout(kernel);
const cpuset = hierarchyOf(layout, "cpuset");
const onlineCpus = parseCpuList(kernel.read("/sys/devices/system/cpu/online"));

/** The last CPU of this machine: the one that the tests carve out. */
export const lastCpu = onlineCpus[onlineCpus.length - 1];

/** Why containers cannot be made here, or `null` when they can. */
export const cannotIsolate: string | null = Deno.uid() !== 0
  ? "needs root"
  : cpuset === null
  ? "needs a cpuset controller"
  : !kernel.exists(cpuset.mount, "write")
  ? "needs a writable cgroup file system"
  : onlineCpus.length < 2
  ? "needs two CPUs"
  : null;

/** The ending of a test's name that says why it is skipped, if it is. */
export const isolationNote = cannotIsolate === null ? "" : ` [${cannotIsolate}]`;

/** Where temporary directories are made. */
const testRoot = Deno.env.get("TMPDIR") ?? "/tmp";

const tester = ownerSelf(kernel);

/** Where tests keep state, and how its directories are called: by the process that they belong to, so that one that was killed is known. */
export const statePlace = {
  directory: testRoot,
  prefix: `nodeos-test-${tester.pid}.${tester.startTicks}-`,
  pattern: /^nodeos-test-(\d+)\.(\d+)-/,
};

/** How a command ended, and what it said. */
export interface CommandResult {
  /** Exit status. */
  readonly code: number;
  /** Standard output as text. */
  readonly stdout: string;
  /** Standard error as text. */
  readonly stderr: string;
}

/** Arguments and environment of a `nodeos` command on the state in `directory`. */
function commandOn(directory: string, args: readonly string[]): { command: string; options: Deno.CommandOptions } {
  return {
    command: Deno.execPath(),
    options: {
      // With the rights that the command has for its users, and to write where tests do.
      args: ["run", "-q", "--no-prompt", "-P=admin", `--allow-write=${testRoot}`, `${checkout}scripts/nodeos.ts`, ...args],
      cwd: checkout,
      env: { NODEOS_STATE: directory },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    },
  };
}

async function run(directory: string, args: readonly string[], input?: string): Promise<CommandResult> {
  const { command, options } = commandOn(directory, args);
  const child = new Deno.Command(command, { ...options, stdin: input === undefined ? "null" : "piped" }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Takes down every container of the state in `directory`. */
export function takeDown(directory: string): Promise<CommandResult> {
  return run(directory, ["down", "--all", "--grace", "0"]);
}

/** A state directory of a test's own; disposing takes every container in it down and removes it. */
export class TestState implements AsyncDisposable {
  /** The directory. */
  readonly directory = Deno.makeTempDirSync({ dir: statePlace.directory, prefix: statePlace.prefix });

  /** Arguments and environment of a `nodeos` command on this state. */
  command(...args: string[]): { command: string; options: Deno.CommandOptions } {
    return commandOn(this.directory, args);
  }

  /** Starts a command. */
  spawn(...args: string[]): Deno.ChildProcess {
    const { command, options } = this.command(...args);
    return new Deno.Command(command, options).spawn();
  }

  /** Runs a command to its end, with `input` on its standard input. */
  nodeos(args: readonly string[], input?: string): Promise<CommandResult> {
    return run(this.directory, args, input);
  }

  /** A file of the test's own. */
  file(name: string, text: string): string {
    const path = `${this.directory}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Takes down what a failed test left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await takeDown(this.directory);
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Everything of the machine that a container could change, except threads that come and go. */
export function machineState(): Record<string, string> {
  const state: Record<string, string> = {};
  for (const { mount } of layout.hierarchies) {
    const names = kernel.list(mount).filter(({ kind }) => kind === "directory").map(({ name }) => name);
    state[`${mount}/`] = names.filter((name) => name.startsWith("nodeos")).join();
  }
  const files = [
    "cpuset/cpuset.sched_load_balance",
    "cpuset/cpuset.cpus",
    "cpuset/cpuset.effective_cpus",
    "cpu/cpu.rt_runtime_us",
    "cgroup.subtree_control",
    "cpuset.cpus.effective",
  ];
  for (const path of [...files.map((file) => `/sys/fs/cgroup/${file}`), "/proc/sys/kernel/sched_rt_runtime_us"]) {
    const value = kernel.tryRead(path);
    if (value !== null) state[path] = value.trim();
  }
  return state;
}

/** Affinity of every thread that is there, by id and start time. */
export function affinities(): Map<string, string> {
  return new Map(readTasks(kernel).map((task) => [`${task.tid}:${task.startTicks}:${task.name}`, task.allowedCpus.join()]));
}

/** Affinities that differ, of the threads that are in both. */
export function changedAffinities(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...before].flatMap(([key, cpus]) => after.has(key) && after.get(key) !== cpus ? [`${key}: ${cpus} -> ${after.get(key)}`] : []);
}
