import assert from "node:assert/strict";
import { architectures, hostArchitecture } from "../../../lib/syscall/arch.ts";
import { type Policy, resolvePolicy } from "../../../lib/syscall/policy.ts";
import { has } from "../../../lib/syscall/rules.ts";
import { callNamed } from "../../../lib/syscall/table.ts";
import { compilers } from "./compilers.ts";
import { Filtered, filteredNote } from "./filtered.ts";
import { alone, ruleOf, words } from "./policies.ts";

/** The calls of Blue Gene/Q's kernel: what it did itself, */
const cnkLocal = `alarm brk clone exit exit_group futex getcwd getegid geteuid getgid getgroups getitimer getpid getrlimit
getrusage gettid gettimeofday getuid kill madvise mmap mprotect mremap munmap nanosleep prctl rt_sigaction rt_sigprocmask
rt_sigreturn sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getparam sched_getscheduler
sched_setaffinity sched_setparam sched_setscheduler sched_yield set_tid_address setgid setitimer setrlimit setuid sigaltstack
tgkill time times tkill umask uname`.split(/\s+/);
/** and what it sent to its I/O nodes; `socketcall` besides, which our architectures do not have. */
const cnkFiles = `access chdir chmod chown close creat dup dup2 fadvise64 fchmod fchown fcntl flock fstat fstatfs fsync
ftruncate getdents64 ioctl lchown link lseek lstat mkdir open poll pread64 pwrite64 read readv readlink rename rmdir select
stat statfs symlink truncate unlink utime write writev setxattr getxattr listxattr removexattr lsetxattr lgetxattr llistxattr
lremovexattr fsetxattr fgetxattr flistxattr fremovexattr`.split(/\s+/);
const socketcall = `socket bind connect listen accept getsockname getpeername socketpair sendto recvfrom shutdown setsockopt
getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg`.split(/\s+/);
const local = ["allow"];
const remote = ["forward, notified", "inject, notified"];

const resolve = (profile: string) => resolvePolicy({ profile }, "x86_64");

Deno.test("cnk-strict has the 105 calls of Blue Gene/Q: local ones are allowed, those of the file layer forwarded where they can be", () => {
  assert.equal(cnkLocal.length + cnkFiles.length + 1, 105);
  for (const profile of ["cnk-strict", "cnk"]) {
    const policy = resolve(profile);
    assert.deepEqual(words(policy, "setuid", "setgid"), ["deny:EPERM, notified", "deny:EPERM, notified"]);
    const allowed = [...cnkLocal.filter((name) => !/^set[ug]id$/.test(name)), ...socketcall];
    for (const name of allowed) assert.deepEqual(words(policy, name), local, name);
    for (const name of cnkFiles) {
      const [what] = words(policy, name);
      const group = callNamed(name)!.group;
      const isForwarded = group === "path" || group === "fd" && name !== "fadvise64";
      assert.ok((isForwarded ? remote : local).includes(what), `${name}: ${what}`);
    }
  }
});

Deno.test("cnk-strict has little else, and denies it as if there were no such call", () => {
  const policy = resolve("cnk-strict");
  const known = new Set([...cnkLocal, ...cnkFiles, ...socketcall]);
  const others = policy.rules.filter(({ call, action }) => action !== "deny" && !known.has(call.name)).map(({ call }) => call.name);
  const today = `clock_getres clock_gettime clock_nanosleep dup3 faccessat fchmodat fchownat linkat mkdirat newfstatat openat ppoll
prlimit64 pselect6 readlinkat renameat renameat2 symlinkat unlinkat utimensat`.split(/\s+/);
  const start = ["execve", "arch_prctl", "getrandom", "rseq", "set_robust_list"];
  const always = ["restart_syscall", "uprobe", "uretprobe"];
  assert.deepEqual(others.toSorted(), [...today, ...start, ...always].toSorted());
  for (const name of ["fork", "vfork", "clone3", "wait4", "pipe"]) assert.equal(ruleOf(policy, name).errno, "ENOSYS", name);
});

Deno.test("cnk allows processes, pipes and epoll, and does not let programs become somebody else", () => {
  const policy = resolve("cnk");
  for (const name of ["fork", "clone3", "wait4", "pipe2", "epoll_wait", "mlock", "shmget"]) assert.deepEqual(words(policy, name), local);
  for (const { call, action, errno } of policy.rules.filter(({ call }) => has(call, "identity"))) {
    assert.deepEqual([action, errno], ["deny", "EPERM"], call.name);
  }
  for (const name of ["ptrace", "mount", "bpf", "chroot", "unshare"]) {
    assert.deepEqual(words(policy, name), ["deny:ENOSYS, notified"], name);
  }
});

Deno.test("lean sends names to the ServiceOS, keeps data, and denies what disturbs a node", () => {
  const policy = resolve("lean");
  for (const { call, action, notified } of policy.rules) {
    if (call.group !== "path") continue;
    assert.equal(action !== "allow", has(call, "forwardable"), call.name);
    assert.ok(notified, call.name);
  }
  for (const name of ["read", "write", "fstat", "fsync", "mount", "perf_event_open"]) assert.deepEqual(words(policy, name), local, name);
  for (const name of ["kexec_load", "init_module", "reboot", "swapon", "bpf", "clock_settime"]) {
    assert.deepEqual(words(policy, name), ["deny:EPERM, notified"], name);
  }
});

Deno.test("full sends nothing to the ServiceOS", () => {
  for (const architecture of architectures) {
    assert.ok(resolvePolicy({ profile: "full" }, architecture).rules.every(({ notified }) => !notified));
  }
});

const host = hostArchitecture();

/** The ending of a test's name that says which of the programs is not there. */
function missing(...programs: string[]): string {
  const absent = programs.filter((program) =>
    !(Deno.env.get("PATH") ?? "").split(":").some((directory) => isFile(`${directory}/${program}`))
  );
  return host === null ? " [needs x86-64 or aarch64]" : filteredNote || (absent.length > 0 ? ` [needs ${absent.join(", ")}]` : "");
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** A program that runs under a profile as far as calls are denied: those for the ServiceOS it makes itself. */
function runs(profile: string, what: string, programs: string[], check: (filtered: Filtered, policy: Policy) => Promise<void>): void {
  const note = missing(...programs);
  Deno.test({
    name: `Under ${profile} runs ${what}${note}`,
    ignore: note !== "",
    async fn() {
      using filtered = await Filtered.compile();
      await check(filtered, alone(resolvePolicy({ profile }, host!)));
    },
  });
}

/** A shell's script that has to end well; what it wrote. */
async function script(filtered: Filtered, policy: Policy, text: string): Promise<string> {
  const { code, stdout, stderr } = await filtered.run(policy, "sh", "-ec", text);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

async function compile(filtered: Filtered, source: string, ...args: string[]): Promise<string> {
  const path = `${filtered.directory}/program`;
  await compilers[host!].compiler!.compile(source, "-D_GNU_SOURCE", "-o", path, ...args);
  return path;
}

const openMp = `#include <omp.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
        long sum = 0;
#pragma omp parallel for reduction(+ : sum) num_threads(3)
        for (int i = 0; i < 3000; i++) {
                sum += i;
                if (i % 1000 == 0)
                        usleep(1000);
        }
        printf("%ld\\n", sum);
        return 0;
}`;

for (const profile of ["cnk-strict", "cnk"]) {
  runs(profile, "a program with OpenMP threads", [], async (filtered, policy) => {
    const program = await compile(filtered, openMp, "-fopenmp");
    assert.deepEqual(await filtered.run(policy, program), { code: 0, stdout: "4498500\n", stderr: "" });
  });
}

runs("cnk-strict", "a static program", [], async (filtered, policy) => {
  const source = `#include <stdio.h>
int main(void) { FILE *file = fopen("text", "w+"); fputs("written", file); rewind(file); char text[9]; puts(fgets(text, 9, file)); }`;
  const program = await compile(filtered, source, "-static");
  assert.deepEqual(await filtered.run(policy, program), { code: 0, stdout: "written\n", stderr: "" });
});

Deno.test({
  name: `Under cnk-strict no second process is made by fork(2), and none waited for${filteredNote}`,
  ignore: filteredNote !== "" || host !== "x86_64",
  async fn() {
    using filtered = await Filtered.compile();
    const policy = alone(resolve("cnk-strict"));
    assert.deepEqual(await filtered.call(policy, 57, 58, 61), [-38, -38, -38]);
  },
});

runs("cnk", "a shell with pipes, jobs and traps", ["sh", "sort", "sed"], async (filtered, policy) => {
  const text =
    'trap "echo trapped" USR1; kill -USR1 $$; (echo b; echo a) | sort | sed s/a/A/; sleep 0.01 & wait $!; x=$(echo sub); echo $x';
  assert.deepEqual((await script(filtered, policy, text)).split("\n"), ["trapped", "A", "b", "sub"]);
});

runs("cnk", "git clone", ["git"], async (filtered, policy) => {
  const text = `export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
git init -q -b main one; cd one; echo text > file; git add file; git -c user.name=a -c user.email=a@b commit -qm first; cd ..
git clone -q file://$PWD/one two; git -C two log --format=%s; cat two/file`;
  assert.equal(await script(filtered, policy, text), "first\ntext");
});

runs("cnk", "tar and find", ["tar", "find", "gzip"], async (filtered, policy) => {
  const text = `mkdir -p a/b; for i in 1 2 3; do echo $i > a/b/$i; done; ln -s b a/c; tar czf a.tgz a; rm -r a; tar xzf a.tgz
find a | sort | tr '\\n' ' '; cat a/c/3`;
  assert.equal(await script(filtered, policy, text), "a a/b a/b/1 a/b/2 a/b/3 a/c 3");
});

runs("cnk", "Python with threads, processes, and a server that answers on a socket", ["python3"], async (filtered, policy) => {
  const text = `python3 - <<'END'
import asyncio, multiprocessing, os, subprocess, tempfile, threading, urllib.request, http.server
multiprocessing.set_start_method("fork")
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout, end="")
with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, -2]))
with tempfile.TemporaryDirectory() as directory: print(len(os.listdir(directory)))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b"answer")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever).start()
print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open("http://127.0.0.1:%d/" % server.server_port).read().decode())
server.shutdown()
async def main():
    process = await asyncio.create_subprocess_exec("true"); print(await process.wait())
asyncio.run(main())
END`;
  assert.deepEqual((await script(filtered, policy, text)).split("\n"), ["thread", "child", "[1, 2]", "0", "answer", "0"]);
});

/** A problem of 64 rows on two processes, line by line as the benchmark reads it. */
const hpccInput = `a\nb\nHPL.out\n8\n1\n64\n1\n16\n0\n1\n1\n2\n16.0\n1\n2\n1\n4\n1\n2\n1\n1\n1\n1\n1\n1\n2\n64\n0\n0\n1\n8\n`;

runs("cnk", "a program with OpenMPI", ["mpirun", "hpcc"], async (filtered, policy) => {
  Deno.writeTextFileSync(`${filtered.directory}/hpccinf.txt`, hpccInput);
  const text = `export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun --oversubscribe -np 2 hpcc; grep -E "^(CommWorldProcs|Success|HPL_N)=" hpccoutf.txt`;
  assert.deepEqual((await script(filtered, policy, text)).split("\n").toSorted(), ["CommWorldProcs=2", "HPL_N=64", "Success=1"]);
});
