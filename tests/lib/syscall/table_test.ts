import assert from "node:assert/strict";
import { architectures } from "../../../lib/syscall/arch.ts";
import {
  type Argument,
  bytesOf,
  type Call,
  callNamed,
  callNumbered,
  calls,
  callsByNumber,
  type Trait,
} from "../../../lib/syscall/table.ts";
import { compilers } from "./compilers.ts";

const has = (trait: Trait) => (call: Call) => call.traits.includes(trait);
const forwardable = calls.filter(has("forwardable"));
const kinds = (call: Call) => call.arguments.map(({ kind }) => kind);
const named = (names: string) => names.split(/\s+/).map((name) => callNamed(name) ?? assert.fail(`no call ${name}`));

/** The calls of which `allowed` is not true, by name. */
function except(some: readonly Call[], allowed: (call: Call) => boolean): string[] {
  return some.filter((call) => !allowed(call)).map(({ name }) => name);
}

Deno.test("callNamed() and callNumbered() find each call, and no other", () => {
  assert.equal(new Set(calls.map(({ name }) => name)).size, calls.length);
  for (const call of calls) {
    assert.equal(callNamed(call.name), call);
    assert(Object.keys(call.numbers).length > 0, call.name);
    for (const architecture of architectures) {
      const number = call.numbers[architecture];
      if (number !== undefined) assert.equal(callNumbered(architecture, number), call, `${architecture} ${number}`);
    }
  }
  assert.equal(callNamed("fstatat"), undefined);
  assert.equal(callNamed("toString"), undefined);
  assert.equal(callNumbered("aarch64", 244), undefined);
  assert.equal(callNumbered("x86_64", 0.5), undefined);
});

for (const architecture of architectures) {
  const { compiler, note } = compilers[architecture];

  Deno.test(`callsByNumber() has every call of ${architecture} once, by number, and each fits the board`, () => {
    const entries = [...callsByNumber(architecture)];
    const mine = calls.filter((call) => call.numbers[architecture] !== undefined);
    assert.equal(entries.length, mine.length);
    assert.deepEqual(new Set(entries.map(([, call]) => call)), new Set(mine));
    assert.deepEqual(entries.map(([number]) => number), entries.map(([number]) => number).toSorted((a, b) => a - b));
    assert(
      entries.every(([number, call]) => Number.isInteger(number) && number >= 0 && number < 512 && call.numbers[architecture] === number),
    );
  });

  Deno.test({
    name: `calls are the kernel's on ${architecture}: every name and number of its headers${note}`,
    ignore: compiler === null,
    async fn() {
      const macros = await compiler!.compile("#include <asm/unistd.h>\n", "-E", "-dM");
      const definitions = new Map([...macros.matchAll(/^#define (__NR\w+) (\w+)$/gm)].map(([, name, value]) => [name, value]));
      const header = new Map<string, number>();
      for (const [name, value] of definitions) {
        const number = Number(definitions.get(value) ?? value);
        // The last two are the end of the list, and where numbers of one architecture's own would begin.
        if (/^__NR_(?!syscalls$|arch_specific_syscall$)/.test(name)) header.set(name.slice("__NR_".length), number);
      }
      assert(header.size > 250, `${header.size} calls in the headers`);
      const last = Math.max(...callsByNumber(architecture).keys());
      for (const [name, number] of header) {
        if (number <= last) assert.equal(callNamed(name)?.numbers[architecture], number, name);
      }
      // What is newer than the headers is not in them; what is older is.
      const newest = Math.max(...header.values());
      const unknown = [...callsByNumber(architecture)].filter(([number, { name }]) => number <= newest && !header.has(name));
      assert.deepEqual(unknown.map(([, { name }]) => name).filter((name) => name !== "uretprobe" && name !== "uprobe"), []);
    },
  });
}

Deno.test("calls newer than many headers have the numbers that all architectures share, from 424 on", () => {
  const since424 = [...callsByNumber("aarch64")].filter(([number]) => number >= 424);
  assert.deepEqual(since424.map(([number]) => number), Array.from({ length: 471 - 424 + 1 }, (_, index) => 424 + index));
  assert.deepEqual(since424, [...callsByNumber("x86_64")].filter(([number]) => number >= 424));
  const names = `cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr
    lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
    listns rseq_slice_yield`;
  named(names).forEach((call, index) => assert.equal(call.numbers.x86_64, 451 + index, call.name));
});

Deno.test("every call has at most six arguments, each with its own name", () => {
  assert.deepEqual(
    except(calls, ({ arguments: list }) => list.length <= 6 && new Set(list.map(({ name }) => name)).size === list.length),
    [],
  );
});

/** The calls in which an argument of a kind is not followed by one of another. */
function without(kind: Argument["kind"], follower: Argument["kind"]): string[] {
  return except(calls, (call) => kinds(call).every((each, index) => each !== kind || kinds(call)[index + 1] === follower));
}

Deno.test("a dirfd is followed by its path, and sized data by its size", () => {
  assert.deepEqual(without("dirfd", "path"), []);
  assert.deepEqual(without("inSized", "integer"), []);
  assert.deepEqual(without("outSized", "integer"), []);
});

Deno.test("structures have a size that fits a row, and nothing else has one", () => {
  for (const architecture of architectures) {
    for (const { name, arguments: list } of calls) {
      for (const argument of list) {
        const bytes = bytesOf(argument, architecture);
        const fits = argument.kind === "in" || argument.kind === "out" ? bytes > 0 && bytes < 2 ** 16 : bytes === 0;
        assert(fits, `${name} ${argument.name}: ${bytes}`);
      }
    }
  }
});

Deno.test("a call is forwardable only if another process can use its arguments, and nothing breaks when it is notified", () => {
  assert.deepEqual(except(forwardable, (call) => !kinds(call).includes("pointer")), []);
  for (const trait of ["neverNotified", "namespace", "identity", "watches"] as const) {
    assert.deepEqual(forwardable.filter(has(trait)), [], trait);
  }
});

Deno.test("a forwardable call fills one argument at most, takes one descriptor at most, and that one first", () => {
  assert.deepEqual(except(forwardable, (call) => kinds(call).filter((kind) => kind === "out" || kind === "outSized").length <= 1), []);
  assert.deepEqual(except(forwardable, (call) => kinds(call).lastIndexOf("fd") <= 0), []);
});

Deno.test("a forwardable call that fills sized data says in its result how much", () => {
  const filling = forwardable.filter((call) => kinds(call).includes("outSized")).map(({ name }) => name);
  assert.deepEqual(
    filling.toSorted(),
    `fgetxattr flistxattr getdents getdents64 getxattr lgetxattr listxattr listxattrat llistxattr pread64 read readlink readlinkat`.split(
      " ",
    ),
  );
});

Deno.test("traits go together: what opens returns a descriptor, what is limited, moves data or may be repeated is forwardable", () => {
  assert.deepEqual(except(calls.filter(has("opens")), has("descriptor")), []);
  for (const trait of ["opens", "creates", "access", "limited", "data", "repeatable"] as const) {
    assert.deepEqual(except(calls.filter(has(trait)), has("forwardable")), [], trait);
  }
});

Deno.test("the forwarder finds flags where it looks: O_* of what opens, paths of what creates, the mode of access", () => {
  const byKind = calls.filter(has("opens")).map((call) => [call.name, kinds(call).indexOf("openFlags"), kinds(call).indexOf("inSized")]);
  assert.deepEqual(byKind, [["open", 1, -1], ["openat", 2, -1], ["openat2", -1, 2], ["creat", -1, -1]]);
  assert.deepEqual(except(calls.filter(has("creates")), (call) => kinds(call).includes("path")), []);
  assert.deepEqual(except(calls.filter(has("access")), (call) => kinds(call)[kinds(call).indexOf("path") + 1] === "integer"), []);
  assert.deepEqual(except(calls.filter(has("data")), (call) => kinds(call)[0] === "fd" && kinds(call)[1].endsWith("Sized")), []);
});

Deno.test("descriptors are made for somebody only where the caller's state does not count", () => {
  const makers = forwardable.filter(has("descriptor")).filter((call) => !has("opens")(call));
  assert.deepEqual(except(makers, (call) => kinds(call).every((kind) => kind === "integer" || kind === "text")), []);
  assert.deepEqual(
    new Set(makers),
    new Set(named(
      "socket memfd_create eventfd eventfd2 epoll_create epoll_create1 inotify_init inotify_init1 timerfd_create",
    )),
  );
});

Deno.test("only what opens without O_CREAT, and what has no effect the second time, is repeatable", () => {
  const changing = `creat mkdir mkdirat mknod mknodat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
    truncate ftruncate fallocate setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr removexattrat getdents getdents64
    read write pwrite64`;
  assert.deepEqual(new Set(except(forwardable, has("repeatable"))), new Set(named(changing).map(({ name }) => name)));
});

Deno.test("what the prototype forwarded through two suites of tests is forwardable", () => {
  const proven = `open openat openat2 creat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat
    readlink readlinkat chmod fchmodat fchmodat2 chown lchown fchownat access faccessat faccessat2 stat lstat newfstatat statx truncate utime
    utimes utimensat futimesat statfs mknod mknodat setxattr lsetxattr getxattr lgetxattr listxattr llistxattr removexattr lremovexattr fstat
    fchmod fchown ftruncate fsync fdatasync fstatfs getdents64 fallocate fsetxattr fgetxattr flistxattr fremovexattr read write pread64
    pwrite64`;
  assert.deepEqual(except(named(proven), has("forwardable")), []);
});

Deno.test("what changes or waits in the caller itself is never forwardable", () => {
  const local = `mmap munmap mprotect brk mremap madvise clone clone3 fork vfork execve execveat exit exit_group wait4 waitid futex
    futex_waitv rt_sigaction rt_sigprocmask kill tgkill setuid setresuid setgroups capset umask chdir fchdir chroot setns unshare close
    close_range dup dup2 dup3 fcntl pipe pipe2 epoll_ctl epoll_wait epoll_pwait poll ppoll select pselect6 accept accept4 flock ioctl ptrace
    prctl bind connect mount umount2 add_key keyctl lseek io_uring_setup readv writev sendmsg recvmsg nanosleep`;
  assert.deepEqual(named(local).filter(has("forwardable")).map(({ name }) => name), []);
});

Deno.test("who nobody calls again after EINTR, or who ends the program after ENOSYS, is never notified", () => {
  const never = `close close_range dup dup2 dup3 clone clone3 fork vfork execve execveat exit exit_group wait4 waitid rt_sigreturn
    restart_syscall rt_sigaction rt_sigprocmask rt_sigsuspend pause sigaltstack futex futex_waitv futex_wake futex_wait futex_requeue
    set_robust_list set_tid_address rseq rseq_slice_yield arch_prctl brk mmap munmap mprotect mremap uretprobe uprobe`;
  assert.deepEqual(new Set(calls.filter(has("neverNotified"))), new Set(named(never)));
});

Deno.test("what gives the caller other ids, capabilities, roots or namespaces can be watched", () => {
  assert.deepEqual(new Set(calls.filter(has("namespace"))), new Set(named("chroot pivot_root setns unshare")));
  assert.deepEqual(
    new Set(calls.filter(has("identity"))),
    new Set(named("setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset")),
  );
  assert.deepEqual(calls.filter(has("watches")), named("fanotify_init"));
  assert.deepEqual(calls.filter(has("namespace")).concat(calls.filter(has("identity"))).filter(has("neverNotified")), []);
});
