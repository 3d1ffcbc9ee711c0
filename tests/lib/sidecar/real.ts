import { type ExitStatus, launch, type Launched, type LaunchRequest, stdioNull, waitAsync } from "../../../ffi/launch.ts";
import { forwarding } from "../../../lib/container/forwarding.ts";
import { forwardedBirth } from "../../../lib/container/forwarding_seat.ts";
import type { SyscallRequest } from "../../../lib/container/syscall_wish.ts";
import { Board } from "../../../lib/syscall/board.ts";
import { kernel, ownCpus } from "../../ffi/host.ts";
import { cannotKeep, nobody } from "../../ffi/keepers.ts";
import { descriptorOf, sanitizer, scratch } from "../../ffi/programs.ts";

export { nobody };

/** Why sidecars cannot be started here, or `null` when they can. */
export const cannotServe: string | null = cannotKeep;

/** A test of sidecars. */
export function sidecarTest(name: string, fn: () => Promise<void>, reason: string | null = null): void {
  const why = cannotServe ?? reason;
  Deno.test({ name: `${name}${why === null ? "" : ` [${why}]`}`, ignore: why !== null, fn });
}

let count = 0;

/** A path of these tests that nothing has yet; every user may pass through to it. */
export function newPath(name: string): string {
  return `${scratch}/sidecar-${count++}-${name}`;
}

/** The keeper and the sidecar of a container as `nodeos up` starts them, without the container's CPUs. Disposing stops them. */
export class RealSidecar implements AsyncDisposable {
  private constructor(readonly directory: string) {}

  /** Starts them; the sidecar comes at the first connection. Its socket is nobody's, unless `user` says another one. */
  static async start(request: Partial<SyscallRequest> = {}): Promise<RealSidecar> {
    const directory = newPath("seat");
    const stat = kernel.read("/proc/self/stat");
    const owner = { pid: Deno.pid, startTicks: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] };
    const syscalls = { profile: "lean", user: { uid: nobody, gid: nobody }, ...request };
    const seat = { cpus: ownCpus, owner, addEnv: sanitizer };
    await forwarding.start(directory, { name: "sim", cpus: [], features: {}, syscalls } as never, seat);
    return new RealSidecar(directory);
  }

  /** The sidecar's socket. */
  get socket(): string {
    return `${this.directory}/sidecar.sock`;
  }

  /** What keeper and sidecar said. */
  get log(): string {
    return Deno.readTextFileSync(`${this.directory}/log`);
  }

  /** What the board says. */
  get state(): ReturnType<Board["state"]> {
    using board = new Board(`${this.directory}/board`, { readOnly: true });
    return board.state();
  }

  /** What happened to calls. */
  get counters(): ReturnType<Board["counters"]> {
    using board = new Board(`${this.directory}/board`, { readOnly: true });
    return board.counters();
  }

  /** Starts a program under the filter, with the sidecar's path in its environment. */
  launch(request: LaunchRequest): Launched {
    const { variables, filter } = forwardedBirth(this.directory, request.credentials?.uid);
    return launch({ ...request, filter, addEnv: { ...variables, ...request.addEnv } });
  }

  /** Runs a program under the filter to its end, and returns what it wrote. */
  run(argv: readonly string[], request: Omit<LaunchRequest, "argv"> = {}): Promise<Output> {
    return outputOf((stdio) => this.launch({ stdio, ...request, argv }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await forwarding.stop(this.directory);
  }
}

/** How a program ended, and what it wrote. */
export interface Output extends ExitStatus {
  /** Standard output and standard error together. */
  readonly out: string;
}

/** Runs a program without any filter to its end, as somebody. */
export function runAs(uid: number, argv: readonly string[], request: Omit<LaunchRequest, "argv"> = {}): Promise<Output> {
  return outputOf((stdio) => launch({ stdio, credentials: { uid, gid: uid }, cwd: "/", ...request, argv }));
}

async function outputOf(start: (stdio: [number, number, number]) => Launched): Promise<Output> {
  const path = newPath("output");
  const launched = openFor(path, start);
  const status = await waitAsync(launched, scratch);
  const out = Deno.readTextFileSync(path);
  Deno.removeSync(path);
  return { ...status, out };
}

function openFor(path: string, start: (stdio: [number, number, number]) => Launched): Launched {
  using _file = Deno.openSync(path, { create: true, write: true, append: true });
  const fd = descriptorOf(path);
  return start([stdioNull, fd, fd]);
}
