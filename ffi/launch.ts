import { check, errno, errnoText } from "./errors.ts";
import { byValue, coreLibrary, cstr, lazyLibrary } from "./library.ts";
import { struct } from "./struct.ts";
import { cpuWords, encodeScheduling, maskOf, nodeWords, type Scheduling } from "./task.ts";

const holdLibrary = lazyLibrary({
  // int32_t nodeos_launch_release(int32_t pid);
  nodeos_launch_release: { parameters: ["i32"], result: "i32" },
});

const asyncLibrary = lazyLibrary({
  // int32_t nodeos_wait_start(int32_t pidfd, const char *threads_path, const uint64_t *cpus, const char *socket_path);
  nodeos_wait_start: { parameters: ["i32", "buffer", "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_wait_stop(int32_t stop_fd);
  nodeos_wait_stop: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_wait_close(int32_t stop_fd);
  nodeos_wait_close: { parameters: ["i32"], result: "i32" },
});

/** `struct nodeos_launch` up to its `sched_attr`, which, like the two masks, follows as an array of words. */
export const LaunchLayout = struct({
  size: "u32",
  flags: "u32",
  stdio: "i32[3]",
  uid: "u32",
  gid: "u32",
  memoryMode: "i32",
  cgroup: "u32",
  tasks: "u32",
  taskCount: "u32",
  argv: "u32",
  argc: "u32",
  envp: "u32",
  envc: "u32",
  cwd: "u32",
  search: "u32",
  filter: "u32",
  filterCount: "u32",
  control: "u32",
  sched: "u64[7]",
  cpus: "u64[64]",
  nodes: "u64[16]",
  dataBytes: "u64",
});

/** `struct nodeos_launched`. */
export const LaunchedLayout = struct({ pid: "i32", pidfd: "i32", step: "i32", error: "i32", execNs: "i64", listener: "i32", held: "i32" });

const flagBits = {
  affinity: 1,
  sched: 2,
  mempolicy: 4,
  credentials: 8,
  dieWithParent: 16,
  forwardSignals: 32,
  addEnv: 64,
  noNewPrivileges: 128,
  ownMemory: 256,
  held: 512,
} as const;
const steps = [
  "",
  "read the request",
  "create the process",
  "join the cgroup",
  "set the affinity",
  "set the memory policy",
  "limit the memory",
  "set the scheduling",
  "connect standard input and output",
  "set user and group",
  "enter the working directory",
  "install the system-call filter",
  "hand the system calls to the forwarder",
  "execute",
] as const;
const stepExec = steps.indexOf("execute");

/** What would be right, by step and error. */
const remedies: Partial<Record<typeof steps[number], Readonly<Record<string, string>>>> = {
  "install the system-call filter": {
    EBUSY: "this process is under a forwarding filter itself, and the kernel allows one of them",
    EOPNOTSUPP: "forwarding needs Linux 5.19 or later",
  },
  "hand the system calls to the forwarder": {
    ECONNREFUSED: "its keeper does not run",
    ENOENT: "its keeper does not run",
    EPERM: "for another user's program it needs CAP_SYS_PTRACE",
  },
};

/** `sizeof(struct sock_filter)`. */
const instructionBytes = 8;

/** In `stdio` of a {@link LaunchRequest}: `/dev/null`, instead of a descriptor of ours. */
export const stdioNull = -2;

/** What to start, and where. What is not given is inherited from this process. */
export interface LaunchRequest {
  /** Program and arguments; a program without a slash is looked up in `search`. */
  readonly argv: readonly string[];
  /** The whole environment, instead of our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Variables besides our own environment, or besides `env`; they win over one of the same name there. */
  readonly addEnv?: Readonly<Record<string, string>>;
  /** Working directory. */
  readonly cwd?: string;
  /** Directories to look the program up in, separated by colons; our own `PATH` when absent. */
  readonly search?: string;
  /** Directory of the cgroup v2 to be born in. */
  readonly cgroup?: string;
  /** `tasks` files of cgroups v1 to join before the program is executed; at most eight. */
  readonly tasks?: readonly string[];
  /** CPUs that the program may run on. */
  readonly cpus?: readonly number[];
  /** Scheduling policy, in force for the whole process before its first instruction. */
  readonly scheduling?: Scheduling;
  /** Memory policy: one of `memoryModes` and the NUMA nodes that it is about. */
  readonly memory?: { readonly mode: number; readonly nodes: readonly number[] };
  /** The most private memory that the program may ask for, in bytes (RLIMIT_DATA): more is refused with ENOMEM. */
  readonly dataBytes?: number;
  /**
   * A small process starts the program for us (`nodeos-helper`), and it is our child all the same; costs a millisecond. For a
   * cgroup with other NUMA nodes than ours: from Linux 7 on, if not before, memory that the child shares with us moves there.
   */
  readonly ownMemory?: boolean;
  /** User and group to become; supplementary groups become the one group. */
  readonly credentials?: { readonly uid: number; readonly gid: number };
  /** Descriptors of ours to become 0, 1 and 2; -1 keeps, {@link stdioNull} is `/dev/null`. */
  readonly stdio?: readonly [number, number, number];
  /** Kills the program (SIGKILL) when the thread that started it dies; that is the main thread. */
  readonly dieWithParent?: boolean;
  /**
   * Passes on to the program what other processes signal to us, until {@link wait} has seen its end. For commands that
   * stand for their program; one program at a time.
   */
  readonly forwardSignals?: boolean;
  /** Filter of the program's system calls, and of all that it starts. */
  readonly filter?: LaunchFilter;
  /**
   * Stops the program before its first instruction, until {@link release}. It is traced until then: setuid is without effect
   * unless we have CAP_SYS_PTRACE. Where tracing is not permitted it runs at once. Not with `ownMemory`.
   */
  readonly isHeld?: boolean;
}

/** A seccomp filter, in force from the program's first instruction until the last process under it has ended. */
export interface LaunchFilter {
  /** Instructions as an array of `struct sock_filter`; they have to let execve and exit through. */
  readonly program: Uint8Array;
  /**
   * Control socket of the keeper (`native/board.h`), which gets the listener of a filter that notifies. Somebody serves the
   * calls then from the first one on. Without it the listener is in {@link Launched}.
   */
  readonly control?: string;
  /**
   * Executing a program gives nobody more privileges any more: setuid is without effect. Without CAP_SYS_ADMIN of ours the
   * kernel allows no filter otherwise, and it is so in any case.
   */
  readonly noNewPrivileges?: boolean;
}

/** A running program. `pidfd` is consumed by {@link wait} or {@link waitAsync}. */
export interface Launched {
  /** Process id. */
  readonly pid: number;
  /** Descriptor that stands for the process. */
  readonly pidfd: number;
  /** From the clone call to the successful exec, in nanoseconds. */
  readonly execNs: number;
  /**
   * Descriptor of the filter's listener, close-on-exec; only when the filter notifies and no keeper has it. Notified calls
   * wait until somebody serves it, and fail with ENOSYS once it is closed.
   */
  readonly listener?: number;
  /** Whether it waits for {@link release}; absent when it does not. */
  readonly isHeld?: true;
}

/** The kernel refused one step on the way to the program; no process is left. */
export class LaunchError extends Error {
  /** Always `LaunchError`. */
  override readonly name = "LaunchError";
  /** Symbolic name of the error, such as `ENOENT`. */
  readonly code: string;
  /** As shells say it: 127 the program does not exist, 126 it cannot be executed, 125 we failed before. */
  readonly exitCode: 125 | 126 | 127;

  /**
   * A refusal of one step.
   *
   * @param step What was being done, in words.
   * @param program The program that was asked for.
   * @param errno The kernel's error number.
   */
  constructor(readonly step: string, readonly program: string, readonly errno: number) {
    const { code, words } = errnoText(errno);
    const remedy = remedies[step as typeof steps[number]]?.[code];
    super(
      `Cannot ${step === "execute" ? "execute" : `start ${JSON.stringify(program)}: cannot ${step}`}${
        step === "execute" ? ` ${JSON.stringify(program)}` : ""
      }: ${code} (${words.toLowerCase()})${remedy === undefined ? "" : `; ${remedy}`}`,
    );
    this.code = code;
    this.exitCode = step !== "execute" ? 125 : code === "ENOENT" ? 127 : 126;
  }
}

/**
 * Starts a program. It is born in its cgroup, with its affinity, scheduling, memory policy and credentials.
 *
 * @throws {LaunchError} If a step is refused; then no process is left.
 * @throws {TypeError} If an argument holds a NUL byte.
 * @throws {RangeError} If a filter is no whole number of instructions.
 */
export function launch(request: LaunchRequest): Launched {
  const bytes = encode(request);
  const answer = new Uint8Array(LaunchedLayout.size);
  coreLibrary().nodeos_launch(byValue(bytes.length), bytes, answer);
  const [pid, pidfd, step, error, , , listener, held] = new Int32Array(answer.buffer);
  if (error !== 0) throw new LaunchError(steps[step === 0 ? stepExec : step], request.argv[0], error);
  const launched: Launched = { pid, pidfd, execNs: Number(new BigInt64Array(answer.buffer)[2]), ...held === 1 ? { isHeld: true } : {} };
  return listener < 0 ? launched : { ...launched, listener };
}

/** Lets a program run that is held; others run already. On the main thread, as {@link launch}. */
export function release({ pid, isHeld }: Launched): void {
  if (isHeld) check(holdLibrary().nodeos_launch_release(pid), () => `let process ${pid} run`);
}

function encode(request: LaunchRequest): Uint8Array<ArrayBuffer> {
  const strings: Uint8Array[] = [];
  let end = LaunchLayout.size;
  const put = (...texts: readonly string[]): number => {
    const start = end;
    for (const text of texts) {
      const bytes = cstr(text);
      strings.push(bytes);
      end += bytes.length;
    }
    return start;
  };
  // First of all, where it is aligned.
  const filter = request.filter === undefined ? 0 : end;
  if (request.filter) {
    strings.push(request.filter.program);
    end += request.filter.program.length;
  }
  const variables = request.env === undefined ? request.addEnv : { ...request.env, ...request.addEnv };
  const environment = variables && Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  // The words before `sched`, in the order of LaunchLayout: one assignment costs a tenth of twenty named ones.
  const words = [
    LaunchLayout.size,
    flagsOf(request),
    ...request.stdio ?? [-1, -1, -1],
    request.credentials?.uid ?? 0,
    request.credentials?.gid ?? 0,
    request.memory?.mode ?? 0,
    request.cgroup === undefined ? 0 : put(request.cgroup),
    request.tasks?.length ? put(...request.tasks) : 0,
    request.tasks?.length ?? 0,
    put(...request.argv),
    request.argv.length,
    // An empty environment still needs an offset: 0 would mean "ours".
    environment === undefined ? 0 : environment.length > 0 ? put(...environment) : put(""),
    environment?.length ?? 0,
    request.cwd === undefined ? 0 : put(request.cwd),
    request.search === undefined ? 0 : put(request.search),
    filter,
    filter === 0 ? 0 : instructionCount(request.filter!.program),
    request.filter?.control === undefined ? 0 : put(request.filter.control),
  ];
  const bytes = new Uint8Array(end);
  new Int32Array(bytes.buffer, 0, words.length).set(words);
  if (request.scheduling) bytes.set(encodeScheduling(request.scheduling), LaunchLayout.offsets.sched);
  bytes.set(new Uint8Array(maskOf(request.cpus ?? [], cpuWords).buffer), LaunchLayout.offsets.cpus);
  bytes.set(new Uint8Array(maskOf(request.memory?.nodes ?? [], nodeWords).buffer), LaunchLayout.offsets.nodes);
  new DataView(bytes.buffer).setBigUint64(LaunchLayout.offsets.dataBytes, BigInt(request.dataBytes ?? 0), true);
  let at = LaunchLayout.size;
  for (const text of strings) {
    bytes.set(text, at);
    at += text.length;
  }
  return bytes;
}

function instructionCount(program: Uint8Array): number {
  if (program.length % instructionBytes === 0) return program.length / instructionBytes;
  throw new RangeError(`Cannot install a system-call filter of ${program.length} bytes: an instruction has ${instructionBytes}`);
}

function flagsOf(request: LaunchRequest): number {
  const { cpus, scheduling, memory, credentials, dieWithParent, forwardSignals, env, addEnv, filter, ownMemory, isHeld } = request;
  return (cpus ? flagBits.affinity : 0) | (scheduling ? flagBits.sched : 0) | (memory ? flagBits.mempolicy : 0) |
    (credentials ? flagBits.credentials : 0) | (dieWithParent ? flagBits.dieWithParent : 0) |
    (forwardSignals ? flagBits.forwardSignals : 0) | (env === undefined && addEnv !== undefined ? flagBits.addEnv : 0) |
    (filter?.noNewPrivileges ? flagBits.noNewPrivileges : 0) | (ownMemory ? flagBits.ownMemory : 0) |
    (isHeld ? flagBits.held : 0);
}

/** Where the threads of a program are placed while it is waited for: one CPU each, since nothing balances them. */
export interface Placement {
  /** The file that lists the threads of the cgroup: `cgroup.threads`, or `tasks` on v1. */
  readonly threadsPath: string;
  /** The CPUs to place them on; where the cgroup is a cpuset, those that it gets later count from then on. */
  readonly cpus: readonly number[];
}

/** How a program ended. */
export interface ExitStatus {
  /** Its exit code, or 128 + the signal. */
  readonly code: number;
  /** The signal that ended it, or 0. */
  readonly signal: number;
}

/** Waits for a program and does nothing else meanwhile. For commands. */
export function wait(launched: Launched, placement?: Placement): ExitStatus {
  const result = coreLibrary().nodeos_wait(
    byValue(launched.pidfd, -1),
    cstr(placement?.threadsPath ?? ""),
    maskOf(placement?.cpus ?? [], cpuWords),
  );
  return statusOf(check(result, () => `wait for process ${launched.pid}`));
}

/**
 * Waits for a program without holding a thread of Deno's: a native thread waits, places, and reports over a Unix socket.
 *
 * @param socketDirectory Where the socket may be made for a moment; needs `net: ["unix:..."]`, read and write there.
 * @param signal Ends the wait, not the program: the promise rejects with the signal's reason.
 */
export async function waitAsync(
  launched: Launched,
  socketDirectory: string,
  placement?: Placement,
  signal?: AbortSignal,
): Promise<ExitStatus> {
  const path = `${socketDirectory}/wait-${launched.pid}-${launched.pidfd}.sock`;
  using listener = Deno.listen({ transport: "unix", path });
  const threads = cstr(placement?.threadsPath ?? "");
  const stopFd = check(
    asyncLibrary().nodeos_wait_start(launched.pidfd, threads, maskOf(placement?.cpus ?? [], cpuWords), cstr(path)),
    () => `wait for process ${launched.pid}`,
  );
  const stop = () => asyncLibrary().nodeos_wait_stop(stopFd);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  try {
    using connection = await listener.accept();
    const answer = new Uint8Array(4);
    await connection.read(answer);
    const result = new DataView(answer.buffer).getInt32(0, true);
    if (result === -errno.ECANCELED) throw signal?.reason;
    return statusOf(check(result, () => `wait for process ${launched.pid}`));
  } finally {
    signal?.removeEventListener("abort", stop);
    asyncLibrary().nodeos_wait_close(stopFd);
  }
}

/** How a program ended, from the library's number for it. */
export function statusOf(result: number): ExitStatus {
  return result < 256 ? { code: result, signal: 0 } : { code: 128 + result - 256, signal: result - 256 };
}
