import { check, errno, SysError } from "./errors.ts";
import { KernelRoot } from "./kernel_root.ts";
import { launch, type LaunchRequest, wait } from "./launch.ts";
import { cstr, lazyLibrary, libraryPath } from "./library.ts";
import { struct } from "./struct.ts";
import { sendSignal, setAffinity } from "./task.ts";

const library = lazyLibrary({
  // int32_t nodeos_keeper_listen(const char *path);
  nodeos_keeper_listen: { parameters: ["buffer"], result: "i32" },
  // int32_t nodeos_keeper_file(const char *path, int32_t kind);
  nodeos_keeper_file: { parameters: ["buffer", "i32"], result: "i32" },
  // int32_t nodeos_keeper_call(const char *path, int32_t kind, int32_t send_fd, int32_t *ret_fd);
  nodeos_keeper_call: { parameters: ["buffer", "i32", "i32", "buffer"], result: "i32", nonblocking: true },
  // int32_t nodeos_socketpair(int32_t *ret_fds);
  nodeos_socketpair: { parameters: ["buffer"], result: "i32" },
  // int32_t nodeos_peer_uid(int32_t fd, uint32_t *ret_ids);
  nodeos_peer_uid: { parameters: ["i32", "buffer"], result: "i32" },
  // int32_t nodeos_send(int32_t fd, const uint8_t *data, int32_t size);
  nodeos_send: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int32_t nodeos_duplicate(int32_t fd);
  nodeos_duplicate: { parameters: ["i32"], result: "i32" },
  // int32_t nodeos_close(int32_t fd);
  nodeos_close: { parameters: ["i32"], result: "i32" },
});

const kernel = new KernelRoot();

/** `enum nodeos_control_kind`: what a keeper can be asked for. */
export const controlKinds = { listen: 1, stay: 2, stop: 3, peer: 4, handle: 5, sidecar: 6 } as const;

/** `struct nodeos_board`; its other counters are in between. */
const BoardHeadLayout = struct({
  magic: "u64",
  size: "u32",
  auditArch: "u32",
  keeperStartTicks: "u64",
  keeperPid: "i32",
  counters: "u32[7]",
  refusalCount: "u64",
  handlers: "u64",
});
const boardMagic = 0x3144524f4257464en;

const fileKinds = { board: 0, log: 1 } as const;
const sigkill = 9;
/** A keeper ends its children within 2 s, and itself at once. */
const endMsMax = 5000;
const lookEveryMs = 2;

/** A process, and what tells it from a later one of the same number. */
export interface KeeperProcess {
  /** Its process id. */
  readonly pid: number;
  /** Field 22 of its stat, as decimal text. */
  readonly startTicks: string;
}

/** A program that serves HTTP on a socket which it finds as its descriptor 0. */
export interface SidecarRequest {
  /** Program and arguments. It runs as we do, without any capability, with `NODEOS_FORWARD_DIR` in its environment. */
  readonly argv: readonly string[];
  /** The user who may connect to it. */
  readonly uid: number;
  /** That user's group. */
  readonly gid: number;
}

/** What to keep, and for whom. */
export interface KeeperRequest extends Pick<LaunchRequest, "cpus" | "cgroup" | "tasks" | "addEnv"> {
  /** Where its files are made; nothing else may be in it. */
  readonly directory: string;
  /** The whole board: `struct nodeos_board` and what follows it. */
  readonly board: Uint8Array<ArrayBuffer>;
  /** Further files to make in the directory, for root alone. */
  readonly files?: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
  /** The process that it lives as long as, until it is told to stay; without one it stays from the start. */
  readonly owner?: KeeperProcess;
  /** Started at the first connection to `sidecar.sock`, and again after it died. */
  readonly sidecar?: SidecarRequest;
  /** The file that recorded calls are appended to. */
  readonly record?: string;
}

/**
 * Starts the keeper of a container's system calls: it holds their listeners, forwards them, and outlives us if told so.
 * What a keeper that is not there any more left in the directory is replaced. Needs root.
 *
 * @returns Its process; it is nobody's child, and is not waited for.
 * @throws {Error} If a keeper lives there already, or cannot start; then nothing of it is left.
 */
export async function startKeeper(request: KeeperRequest): Promise<KeeperProcess> {
  const { directory, owner } = request;
  const living = keeperOf(directory);
  if (living !== null) throw new Error(`Cannot start a keeper in ${directory}: process ${living.pid} is one; stop it first`);
  clear(directory);
  try {
    makeFiles(request);
    // Nobody but us knows of it before it serves: until then it lives no longer than we do.
    const code = run(request, owner ?? { pid: Deno.pid, startTicks: statOf(Deno.pid)![19] });
    const keeper = keeperOf(directory);
    if (code !== 0 || keeper === null) throw new Error(`Cannot start the keeper of ${directory}: ${lastWords(directory, code)}`);
    if (owner === undefined) await controlKeeper(directory, "stay");
    return keeper;
  } catch (error) {
    await stopKeeper(directory);
    throw error;
  }
}

function makeFiles({ directory, board, files = {} }: KeeperRequest): void {
  Deno.mkdirSync(directory, { recursive: true });
  // Users pass through to the socket that is theirs, and see no other name.
  Deno.chmodSync(directory, 0o711);
  // The board first: by it clear() knows a directory that a killed command left half made.
  for (const [name, bytes] of Object.entries({ board, ...files })) {
    // It is there as a whole, and root's alone, or not at all.
    Deno.writeFileSync(`${directory}/${name}.new`, bytes, { mode: 0o600, createNew: true });
    Deno.renameSync(`${directory}/${name}.new`, `${directory}/${name}`);
  }
}

/** Why a keeper did not start, as it says at the end of its log. */
function lastWords(directory: string, code: number): string {
  const line = Deno.readTextFileSync(`${directory}/log`).trimEnd().split("\n").at(-1)!;
  return line.replace(/^\S+ nodeos-forwarder: /, "") || `it ended with status ${code}`;
}

/** Launches the program, and waits until the keeper that it leaves serves. */
function run({ directory, sidecar, record, ...place }: KeeperRequest, owner: KeeperProcess): number {
  const argv = [libraryPath().replace(/[^/]*$/, "nodeos-forwarder"), "--owner", `${owner.pid}:${owner.startTicks}`];
  if (record !== undefined) argv.push("--record", record);
  if (sidecar !== undefined) {
    argv.push("--sidecar-socket", `${directory}/sidecar.sock`, "--sidecar-owner", `${sidecar.uid}:${sidecar.gid}`, "--", ...sidecar.argv);
  }
  const { cpus, cgroup, tasks, addEnv } = place;
  const opened: number[] = [];
  const open = (what: string, fd: number): number => {
    opened.push(check(fd, () => `open ${directory}/${what}`));
    return fd;
  };
  try {
    const stdio = [
      open("control.sock", library().nodeos_keeper_listen(cstr(`${directory}/control.sock`))),
      open("board", library().nodeos_keeper_file(cstr(`${directory}/board`), fileKinds.board)),
      open("log", library().nodeos_keeper_file(cstr(`${directory}/log`), fileKinds.log)),
    ] as const;
    return wait(launch({ argv, stdio, cpus, cgroup, tasks, addEnv })).code;
  } finally {
    for (const fd of opened) library().nodeos_close(fd);
  }
}

/**
 * Asks a keeper for something.
 *
 * @param kind One of {@link controlKinds}.
 * @param fd A descriptor that goes with the question: for `listen`, `peer` and `handle`. It stays ours.
 * @returns For `peer` the agent's socket, for `listen` the number of the listener, for `sidecar` its process id, otherwise 0.
 * @throws {SysError} If it refuses, or if there is none (`ENOENT`, `ECONNREFUSED`).
 */
export async function controlKeeper(directory: string, kind: keyof typeof controlKinds, fd = -1): Promise<number> {
  const { result, receivedFd } = await call(directory, kind, fd);
  check(result, () => `ask the keeper in ${directory} for ${kind}`);
  return kind === "peer" ? receivedFd : result;
}

/** Buffers that another thread has: nothing else holds them meanwhile. */
const lent = new Set<Uint8Array>();

async function call(directory: string, kind: keyof typeof controlKinds, fd: number): Promise<{ result: number; receivedFd: number }> {
  const path = cstr(`${directory}/control.sock`);
  const received = new Int32Array(1);
  lent.add(path);
  try {
    return { result: await library().nodeos_keeper_call(path, controlKinds[kind], fd, received), receivedFd: received[0] };
  } finally {
    lent.delete(path);
  }
}

/**
 * Ends a keeper with all that belongs to it, and removes its directory. A keeper that does not answer is killed. Nothing
 * happens where there is none.
 */
export async function stopKeeper(directory: string): Promise<void> {
  const living = keeperOf(directory);
  if (living !== null) {
    const { result } = await call(directory, "stop", -1);
    if (result < 0) sendSignal(living.pid, BigInt(living.startTicks), sigkill);
    await ended(living);
  }
  clear(directory);
  try {
    Deno.removeSync(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Removes the directory of a keeper, which goes on for programs that it has, and ends with the last of them.
 *
 * @throws {Error} If there are other files in it.
 */
export function leaveKeeper(directory: string): void {
  clear(directory);
  Deno.removeSync(directory);
}

/**
 * Gives a keeper and all that it started other CPUs, thread by thread. Nothing happens where there is none.
 *
 * @throws {SysError} If the kernel refuses: `EINVAL` when its cgroup has none of the CPUs.
 */
export function placeKeeper(directory: string, cpus: readonly number[]): void {
  const keeper = keeperOf(directory);
  if (keeper === null) return;
  const placed = new Set<number>();
  // Threads that one starts before its turn have its former CPUs; those that it starts later have the new ones.
  for (let isNew = true; isNew;) {
    isNew = false;
    for (const tid of threadsBelow(keeper.pid)) {
      if (placed.has(tid)) continue;
      isNew = true;
      placed.add(tid);
      try {
        setAffinity(tid, cpus);
      } catch (error) {
        if (!(error instanceof SysError && error.errno === errno.ESRCH)) throw error;
      }
    }
  }
}

/** Threads of a process and of all that it started. */
function threadsBelow(pid: number): number[] {
  let threads: string[];
  try {
    threads = kernel.list(`/proc/${pid}/task`).map(({ name }) => name);
  } catch (error) {
    if (error instanceof SysError && (error.errno === errno.ENOENT || error.errno === errno.ESRCH)) return [];
    throw error;
  }
  const children = threads.flatMap((tid) =>
    (kernel.tryRead(`/proc/${pid}/task/${tid}/children`) ?? "").split(" ").filter((word) => word.trim())
  );
  return [...threads.map(Number), ...children.flatMap((child) => threadsBelow(Number(child)))];
}

async function ended({ pid, startTicks }: KeeperProcess): Promise<void> {
  for (const end = Date.now() + endMsMax; isKeeper(pid, startTicks);) {
    if (Date.now() > end) throw new SysError(`end the keeper, process ${pid}`, errno.EBUSY);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** The keeper that lives in a directory, or `null`. */
export function keeperOf(directory: string): KeeperProcess | null {
  const head = readHead(directory);
  if (head === null) return null;
  const { magic, keeperPid: pid, keeperStartTicks } = head;
  const startTicks = `${keeperStartTicks}`;
  return magic === boardMagic && pid > 0 && isKeeper(pid, startTicks) ? { pid, startTicks } : null;
}

/** How many TypeScript handlers are connected to the forwarder of a keeper; 0 where there is none. */
export function handlersConnected(directory: string): number {
  return Number(readHead(directory)?.handlers ?? 0);
}

function readHead(directory: string): ReturnType<typeof BoardHeadLayout.read> | null {
  const head = new Uint8Array(BoardHeadLayout.size);
  try {
    using file = Deno.openSync(`${directory}/board`);
    return file.readSync(head) === head.length ? BoardHeadLayout.read(head) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Whether a process is a keeper, started then, that has not ended. */
function isKeeper(pid: number, startTicks: string): boolean {
  const fields = statOf(pid);
  return fields !== null && fields[0] !== "Z" && fields[19] === startTicks && kernel.tryRead(`/proc/${pid}/comm`) === "nodeos-keeper\n";
}

/** The fields of a process's stat from the third on, the state; `null` when there is no such process. */
function statOf(pid: number): string[] | null {
  const stat = kernel.tryRead(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Removes the files of a keeper's directory; directories in it are none of its own, and stay. */
function clear(directory: string): void {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(directory)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  const isOurs = entries.length === 0 || entries.some(({ name }) => name === "board" || name === "control.sock" || name.endsWith(".new"));
  if (!isOurs) throw new Error(`Cannot keep system calls in ${directory}: there are other files in it`);
  // The board last: whoever is killed here leaves a directory that is known.
  const names = entries.filter(({ isDirectory }) => !isDirectory).map(({ name }) => name);
  for (const name of names.toSorted((a, b) => Number(a === "board") - Number(b === "board"))) Deno.removeSync(`${directory}/${name}`);
}

/**
 * Connects a TypeScript handler of calls to the forwarder.
 *
 * @returns A descriptor for `new net.Socket({ fd })`, which closes it.
 * @throws {SysError} If the keeper refuses, or if there is none.
 */
export async function connectHandler(directory: string): Promise<number> {
  const [theirs, ours] = socketPair();
  try {
    await controlKeeper(directory, "handle", theirs);
  } catch (error) {
    library().nodeos_close(ours);
    throw error;
  } finally {
    library().nodeos_close(theirs);
  }
  return ours;
}

/** Makes two connected stream sockets. Somebody has to close both descriptors. */
export function socketPair(): [number, number] {
  const pair = new Int32Array(2);
  check(library().nodeos_socketpair(pair), () => "make a pair of sockets");
  return [pair[0], pair[1]];
}

/** Who connected to a Unix socket. */
export function peerOf(fd: number): { uid: number; gid: number; pid: number } {
  const ids = new Uint32Array(3);
  check(library().nodeos_peer_uid(fd, ids), () => `read who is at the other end of descriptor ${fd}`);
  return { uid: ids[0], gid: ids[1], pid: ids[2] };
}

/**
 * Sends bytes on a socket without waiting, and without the machinery of a stream: for answers that have to be quick.
 *
 * @returns How many of the first `byteCount` bytes it took; 0 when it is full, or gone, which its stream will say.
 */
export function sendNow(fd: number, bytes: Uint8Array<ArrayBuffer>, byteCount: number): number {
  return Math.max(library().nodeos_send(fd, bytes, byteCount), 0);
}

/** Makes another descriptor of the same file; somebody has to close it. */
export function duplicate(fd: number): number {
  return check(library().nodeos_duplicate(fd), () => `duplicate descriptor ${fd}`);
}

/** Closes a descriptor that is nobody else's. */
export function closeDescriptor(fd: number): void {
  check(library().nodeos_close(fd), () => `close descriptor ${fd}`);
}
