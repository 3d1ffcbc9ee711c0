import { didYouMean, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { type Call, callNamed, calls, type Group } from "./table.ts";

/** The groups of system calls, and what is in each. */
export const groups: Readonly<Record<Group, string>> = {
  path: "Names in the file system: open, stat, rename, unlink, and attributes by path.",
  fd: "Open files: status, attributes, length, directory entries, and writing back to disk.",
  data: "Data of open files, pipes and sockets: read, write, splice, and their kin.",
  descriptors: "The caller's descriptors: close, duplicate, control, seek, lock, and make pipes and memory files.",
  events: "Waiting: poll, select, epoll, and descriptors that become ready on timers, signals and changes of files.",
  memory: "The caller's memory: map, protect, lock, place on NUMA nodes.",
  threads: "Between the threads of a program: futexes, and what the kernel keeps for each thread.",
  process: "Processes: start, execute, end, wait, limits, and the working directory.",
  signals: "Signals: send, handle, block, and wait for them.",
  time: "Clocks and timers, except those that set the machine's clock.",
  scheduling: "Who runs where and when: affinity, scheduling class, priorities.",
  identity: "Users, groups and capabilities of the caller.",
  namespace: "Root directory and namespaces of the caller.",
  ipc: "System V shared memory, semaphores and messages, and POSIX message queues.",
  network: "Sockets.",
  keys: "The kernel's key rings.",
  mount: "Mounted file systems.",
  asynchronous: "Queues of work for the kernel: io_uring and its predecessor.",
  tracing: "Other processes' memory and registers, performance counters, and programs in the kernel.",
  sandbox: "What a program forbids itself: seccomp, Landlock, and other security modules.",
  system: "Questions about the machine, and random numbers.",
  administration: "The machine as a whole: clock, host name, swap, modules, quotas, reboot.",
  obsolete: "Calls that nobody needs any more; most say ENOSYS.",
};

/** What programmers call them, where the kernel has another word. */
const kernelNames: Readonly<Record<string, string>> = {
  fstatat: "newfstatat",
  pread: "pread64",
  pwrite: "pwrite64",
  posix_fadvise: "fadvise64",
  posix_fallocate: "fallocate",
  prlimit: "prlimit64",
  recv: "recvfrom",
  send: "sendto",
  sendfile64: "sendfile",
  sigaction: "rt_sigaction",
  sigprocmask: "rt_sigprocmask",
  sigsuspend: "rt_sigsuspend",
  pselect: "pselect6",
  umount: "umount2",
  waitpid: "wait4",
};

/**
 * The calls that names mean: `openat` is one call, `@path` a group, `@all` every call. Each comes once, in the order of
 * first mention.
 *
 * @throws {UsageError} If there is no such call or group.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { expand } from "./groups.ts";
 *
 * assert.deepEqual(expand(["getpid", "@keys", "keyctl"]).map(({ name }) => name), ["getpid", "add_key", "request_key", "keyctl"]);
 * ```
 */
export function expand(names: readonly string[]): Call[] {
  return [...new Set(names.flatMap((name) => name.startsWith("@") ? callsOfGroup(name) : [callOrRefusal(name)]))];
}

function callsOfGroup(name: string): readonly Call[] {
  if (name === "@all") return calls;
  const group = name.slice(1);
  if (Object.hasOwn(groups, group)) return calls.filter((call) => call.group === group);
  const known = ["@all", ...Object.keys(groups).map((group) => `@${group}`)];
  throw new UsageError(`Cannot find the group of system calls ${quote(name)}${didYouMean(name, known)}`, {
    remedy: `The groups are ${known.join(" ")}`,
  });
}

function callOrRefusal(name: string): Call {
  const found = callNamed(name);
  if (found !== undefined) return found;
  if (Object.hasOwn(groups, name) || name === "all") {
    throw new UsageError(`Cannot find the system call ${quote(name)}; the group is "@${name}"`);
  }
  const hint = Object.hasOwn(kernelNames, name)
    ? `; the kernel calls it ${JSON.stringify(kernelNames[name])}`
    : didYouMean(name, calls.map((call) => call.name));
  throw new UsageError(`Cannot find the system call ${quote(name)}${hint}`, {
    remedy: "Write a call as the kernel names it, as in openat, or a group, as in @path",
  });
}
