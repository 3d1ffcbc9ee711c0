import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ExitStatus,
  launch,
  LaunchedLayout,
  LaunchError,
  type LaunchFilter,
  LaunchLayout,
  type LaunchRequest,
  wait,
} from "../../ffi/launch.ts";
import { byValue, coreLibrary } from "../../ffi/library.ts";
import { policies, resetOnFork } from "../../ffi/task.ts";
import { hasCompiler, isRoot, kernel, until } from "./host.ts";
import { capture, checkout, denoProcess, descriptorOf, linesOf, sanitizer, scratch, shell } from "./programs.ts";

type Instruction = readonly [code: number, jt: number, jf: number, k: number];

const verdicts = { kill: 0, errno: 0x50000, notify: 0x7fc00000, allow: 0x7fff0000 } as const;
const [numbers, auditArch] = Deno.build.arch === "x86_64"
  ? [{ mkdir: [83, 258], getppid: [110], execve: [59], exit: [60] }, 0xc000003e]
  : [{ mkdir: [34], getppid: [173], execve: [221], exit: [93] }, 0xc00000b7];
const loadCall: Instruction = [0x20, 0, 0, 0];
const loadArch: Instruction = [0x20, 0, 0, 4];
const EDOM = 33;

function returns(verdict: number): Instruction {
  return [0x06, 0, 0, verdict];
}

function assemble(...instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  instructions.forEach(([code, jt, jf, k], index) => {
    view.setUint16(index * 8, code, true);
    bytes.set([jt, jf], index * 8 + 2);
    view.setUint32(index * 8 + 4, k, true);
  });
  return bytes;
}

/** A filter that gives a verdict on some calls of our own architecture, and allows all others. */
function judging(calls: Partial<Record<keyof typeof numbers, number>>): Uint8Array {
  const cases = Object.entries(calls).flatMap(([name, verdict]) =>
    numbers[name as keyof typeof numbers].flatMap((number): Instruction[] => [[0x15, 0, 1, number], returns(verdict)])
  );
  return assemble(loadArch, [0x15, 1, 0, auditArch], returns(verdicts.allow), loadCall, ...cases, returns(verdicts.allow));
}

const notifying = judging({ getppid: verdicts.notify });
const denying = judging({ mkdir: verdicts.errno + EDOM });

const libc = Deno.dlopen("libc.so.6", { close: { parameters: ["i32"], result: "i32" } }).symbols;

/** Where another user may look. */
const open = Deno.makeTempDirSync({ prefix: "nodeos-filter-" });
Deno.chmodSync(open, 0o755);
globalThis.addEventListener("unload", () => Deno.removeSync(open, { recursive: true }));

const keeper = `${open}/keeper`;
if (hasCompiler) {
  const source = `${checkout}tests/ffi/launch_filter_keeper.c`;
  assert(new Deno.Command("gcc", { args: ["-Wall", "-Wextra", "-Werror", "-pthread", "-o", keeper, source] }).outputSync().success);
}
const needsCompiler = hasCompiler ? {} : { ignore: true };
const compilerNote = hasCompiler ? "" : " [needs gcc]";

/** Runs a program under a filter whose calls another program serves, until both have ended. */
function served(request: LaunchRequest): ExitStatus & { readonly out: string } {
  const path = `${scratch}/served`;
  using _file = Deno.openSync(path, { create: true, write: true, truncate: true });
  const program = launch({ stdio: [-1, descriptorOf(path), -1], ...request });
  assert(program.listener !== undefined);
  const server = launch({ argv: [keeper], stdio: [program.listener, -1, -1] });
  libc.close(program.listener);
  const status = wait(program);
  assert.equal(wait(server).code, 0);
  return { ...status, out: Deno.readTextFileSync(path) };
}

let keeperCount = 0;

/** A keeper of the test's own, until it is disposed. */
async function startKeeper(how: string): Promise<AsyncDisposable & { path: string; lines: AsyncGenerator<string> }> {
  const path = `${open}/${how}-${keeperCount++}.sock`;
  const process = new Deno.Command(keeper, { args: [path, how], stdin: "null", stdout: "piped" }).spawn();
  const lines = linesOf(process.stdout);
  assert.equal((await lines.next()).value, "ready");
  return {
    path,
    lines,
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await lines.return(undefined);
      await process.stdout.cancel().catch(() => {});
      Deno.removeSync(path);
    },
  };
}

function statusOf(text: string, name: string): string {
  return new RegExp(`^${name}:\\t(.*)$`, "m").exec(text)?.[1] ?? "";
}

function parentOf(pid: string): number {
  const stat = kernel.tryRead(`/proc/${pid}/stat`) ?? "";
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function childrenOf(pid: number): string[] {
  return kernel.list("/proc").map(({ name }) => name).filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
}

/** Whether any thread of a process is left, the first one or another. */
function isRunning(pid: string): boolean {
  try {
    const threads = kernel.list(`/proc/${pid}/task`);
    return threads.some(({ name }) => !/^State:\t[ZX]/m.test(kernel.tryRead(`/proc/${pid}/task/${name}/status`) ?? "State:\tX"));
  } catch {
    return false;
  }
}

function ownState(): { descriptors: number; children: string[] } {
  return { descriptors: kernel.list("/proc/self/fd").length, children: childrenOf(Deno.pid) };
}

/** The refusal of a launch, after which nothing may be left of it. */
function refusalOf(request: LaunchRequest): { step: string; code: string; exitCode: number } {
  const before = ownState();
  try {
    launch(request);
  } catch (error) {
    assert(error instanceof LaunchError, `${error}`);
    assert.deepEqual(ownState(), before);
    return { step: error.step, code: error.code, exitCode: error.exitCode };
  }
  return assert.fail("it was launched");
}

const filterStep = "install the system-call filter";
const handoverStep = "hand the system calls to the forwarder";

Deno.test("launch() puts a filter on the program and on all that it starts, and on nobody else", () => {
  const directory = `${scratch}/denied`;
  const script = `mkdir ${directory} 2>&1; sh -c 'mkdir ${directory}' 2>&1; cat /proc/self/status`;
  const { out } = shell(script, { filter: { program: denying }, env: { PATH: Deno.env.get("PATH")!, LC_ALL: "C" } });
  assert.equal(out.match(/Numerical argument out of domain/g)?.length, 2);
  assert.equal(statusOf(out, "Seccomp"), "2");
  assert.equal(statusOf(kernel.read("/proc/self/status"), "Seccomp"), statusOf(shell("cat /proc/self/status").out, "Seccomp"));
  assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
});

Deno.test("launch() has no listener to give for a filter that notifies of nothing, and needs no keeper for it", () => {
  for (const filter of [{ program: denying }, { program: denying, control: "/none/such" }]) {
    const launched = launch({ argv: ["true"], filter });
    assert.equal("listener" in launched, false);
    assert.equal(wait(launched).code, 0);
  }
});

Deno.test("launch() looks a program up along the path under a filter, too", () => {
  const filter = { program: denying };
  assert.equal(wait(launch({ argv: ["true"], search: `/none:${scratch}:/usr/bin:/bin`, filter })).code, 0);
  assert.deepEqual(refusalOf({ argv: ["nodeos-no-such"], filter }), { step: "execute", code: "ENOENT", exitCode: 127 });
});

Deno.test({
  name: `launch() gives us the listener of a filter that notifies${compilerNote}`,
  ...needsCompiler,
  fn() {
    // The shell asks for its parent as it starts.
    assert.deepEqual(served({ argv: ["sh", "-c", "echo $PPID"], filter: { program: notifying } }), { code: 0, signal: 0, out: "4242\n" });
    const { listener, ...program } = launch({ argv: ["sh", "-c", "echo $PPID"], stdio: [-1, -2, -2], filter: { program: notifying } });
    assert.equal(kernel.link(`/proc/self/fd/${listener}`), "anon_inode:seccomp notify");
    assert(Number.parseInt(statusOf(kernel.read(`/proc/self/fdinfo/${listener}`), "flags"), 8) & 0o2000000, "close-on-exec");
    libc.close(listener!);
    assert.equal(wait(program).code, 0, "once nobody can answer, the call fails");
  },
});

Deno.test({
  name: `launch() lets no signal break into a call that was received${compilerNote}`,
  ...needsCompiler,
  fn() {
    assert.equal(served({ argv: [keeper, "ask"], filter: { program: notifying } }).out, "4242 1\n");
  },
});

Deno.test({
  name: `launch() hands the listener to the keeper before the first instruction${compilerNote}`,
  ...needsCompiler,
  async fn() {
    await using kept = await startKeeper("serve");
    const before = ownState();
    const filter = { program: notifying, control: kept.path };
    assert.deepEqual(capture({ argv: ["sh", "-c", "echo $PPID"], filter }), { code: 0, signal: 0, out: "4242\n" });
    const launched = launch({ argv: ["true"], filter });
    assert.equal("listener" in launched, false);
    wait(launched);
    assert.deepEqual(refusalOf({ argv: ["/none/such"], filter }), { step: "execute", code: "ENOENT", exitCode: 127 });
    assert.deepEqual(ownState(), before);
  },
});

Deno.test({
  name: `launch() needs no call that the filter might hold up${compilerNote}`,
  ...needsCompiler,
  async fn() {
    const program = assemble(
      loadCall,
      ...[...numbers.execve, ...numbers.exit].flatMap((number): Instruction[] => [[0x15, 0, 1, number], returns(verdicts.allow)]),
      returns(verdicts.notify),
    );
    assert.equal(served({ argv: ["sh", "-c", "echo $PPID"], filter: { program } }).out, "4242\n");
    await using kept = await startKeeper("serve");
    assert.equal(capture({ argv: ["sh", "-c", "echo $PPID"], filter: { program, control: kept.path } }).out, "4242\n");
  },
});

const nobody = { uid: 65534, gid: 65534 };

for (
  const [who, more, noNewPrivileges, filter] of [
    ["root keeps its privileges", {}, "0", { program: notifying }],
    ["root gives up new ones when it is told", {}, "1", { program: notifying, noNewPrivileges: true }],
    ["another user keeps the way to privileges", { credentials: nobody }, "0", { program: notifying }],
    ["another user gives up new ones when it is told", { credentials: nobody }, "1", { program: notifying, noNewPrivileges: true }],
    ["another user keeps it without a listener as well", { credentials: nobody }, "0", { program: denying }],
    ["a group alone changes nothing", { credentials: { uid: 0, gid: 65534 } }, "0", { program: notifying }],
  ] as [string, Partial<LaunchRequest>, string, LaunchFilter][]
) {
  Deno.test({
    name: `launch() leaves the program the capabilities that it has without a filter: ${who} [needs root${compilerNote && " and gcc"}]`,
    ignore: !isRoot || !hasCompiler,
    fn() {
      const request = { argv: ["cat", "/proc/self/status"], ...more };
      const { out: plain } = capture(request);
      const { out: filtered } = filter.program === notifying ? served({ ...request, filter }) : capture({ ...request, filter });
      for (const name of ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "SigBlk", "SigIgn", "SigCgt"]) {
        assert.equal(statusOf(filtered, name), statusOf(plain, name), name);
      }
      assert.notEqual(statusOf(plain, "CapBnd"), "");
      assert.equal(statusOf(filtered, "NoNewPrivs"), noNewPrivileges);
      assert.equal(statusOf(filtered, "Seccomp"), "2");
    },
  });
}

/** A copy of `id` that acts as its owner, and whether that works here. */
function setuidId(uid: number): { path: string; works: boolean } {
  const path = `${open}/id-${uid}`;
  Deno.copyFileSync("/usr/bin/id", path);
  Deno.chownSync(path, uid, uid);
  Deno.chmodSync(path, 0o4755);
  const credentials = uid === 0 ? nobody : undefined;
  return { path, works: capture({ argv: [path, "-u"], credentials }).out === `${uid}\n` };
}

const setuid = isRoot ? [setuidId(0), setuidId(65534)] : [];
const setuidWorks = setuid.length > 0 && setuid.every(({ works }) => works);

Deno.test({
  name: "launch() leaves setuid programs their effect under a filter, unless told otherwise [needs root and a file system with setuid]",
  ignore: !setuidWorks || !hasCompiler,
  fn() {
    const [asRoot, asNobody] = setuid.map(({ path }) => path);
    for (const run of [served, (request: LaunchRequest) => capture({ ...request, filter: { ...request.filter, program: denying } })]) {
      const uid = (path: string, credentials?: LaunchRequest["credentials"], noNewPrivileges?: boolean) =>
        run({ argv: ["sh", "-c", `exec ${path} -u`], credentials, filter: { program: notifying, noNewPrivileges } }).out;
      assert.equal(uid(asNobody), "65534\n");
      assert.equal(uid(asNobody, undefined, true), "0\n");
      assert.equal(uid(asRoot, nobody), "0\n");
      assert.equal(uid(asRoot, nobody, true), "65534\n");
    }
  },
});

const hasSetpriv = new Deno.Command("sh", { args: ["-c", "command -v setpriv"], stdout: "null" }).outputSync().success;

/** What a process of our own writes that runs a script, without some capabilities. */
function withoutCapability(name: string, script: string): string {
  const path = `${scratch}/without-${name}.ts`;
  Deno.writeTextFileSync(path, `import { launch, wait } from "${checkout}ffi/launch.ts";\n${script}`);
  const deno = [Deno.execPath(), "run", "-q", "--no-check", "-A", path];
  const argv = isRoot ? ["setpriv", `--bounding-set=-${name}`, `--inh-caps=-${name}`, ...deno] : deno;
  const { code, out } = capture({ argv, addEnv: sanitizer });
  assert.equal(code, 0, out);
  return out;
}

Deno.test({
  name: "launch() without CAP_SYS_ADMIN gives up new privileges, because the kernel asks for that [needs setpriv, or no root]",
  ignore: isRoot && !hasSetpriv,
  fn() {
    const users = isRoot ? [null, nobody] : [null];
    const programs = [notifying, denying].map((program) => [...program]);
    const out = withoutCapability(
      "sys_admin",
      `const argv = ["grep", "-E", "^(NoNewPrivs|Seccomp|CapPrm):", "/proc/self/status"];
      for (const user of ${JSON.stringify(users)}) {
        for (const program of ${JSON.stringify(programs)}) {
          wait(launch({ argv, credentials: user ?? undefined, filter: { program: new Uint8Array(program) } }));
        }
      }`,
    );
    const runs = users.length * programs.length;
    assert.equal(out.match(/^NoNewPrivs:\t1$/gm)?.length, runs);
    assert.equal(out.match(/^Seccomp:\t2$/gm)?.length, runs);
    if (isRoot) assert.equal(out.match(/^CapPrm:\t0+$/gm)?.length, programs.length);
  },
});

const garbage = new Uint8Array(64).fill(0xa5);
const noReturn = assemble(loadCall, loadCall);
const jumpsOut = assemble([0x05, 0, 0, 2 ** 32 - 1], returns(verdicts.allow));

for (
  const [what, program] of [
    ["no instructions", new Uint8Array(0)],
    ["5,000 instructions", assemble(...Array(4999).fill(loadCall), returns(verdicts.allow))],
    ["garbage", garbage],
    ["zeros", new Uint8Array(80)],
    ["a filter without an end", noReturn],
    ["a jump out of it", jumpsOut],
    ["an instruction for packets only", assemble([0x28, 0, 0, 12], returns(verdicts.allow))],
    ["an instruction for packets only, behind the end", assemble(returns(verdicts.allow), [0x28, 0, 0, 12], returns(verdicts.allow))],
    ["a load from beyond a call", assemble([0x20, 0, 0, 64], returns(verdicts.allow))],
    ["a filter that denies everything", assemble(returns(verdicts.errno + EDOM))],
    ["a filter that kills everything", assemble(returns(verdicts.kill))],
    ["a filter that denies execve", judging({ execve: verdicts.errno + EDOM })],
    ["a filter that notifies of execve", judging({ execve: verdicts.notify })],
    ["a filter that denies exit", judging({ exit: verdicts.errno + EDOM })],
    ["a filter that notifies of exit", judging({ exit: verdicts.notify })],
  ] as [string, Uint8Array][]
) {
  Deno.test(`launch() refuses ${what} as a filter`, () => {
    assert.deepEqual(refusalOf({ argv: ["true"], filter: { program } }), { step: filterStep, code: "EINVAL", exitCode: 125 });
  });
}

Deno.test("launch() refuses a filter that ends within an instruction", () => {
  for (const bytes of [1, 7, 9]) {
    assert.throws(() => launch({ argv: ["true"], filter: { program: denying.subarray(0, bytes) } }), {
      name: "RangeError",
      message: `Cannot install a system-call filter of ${bytes} bytes: an instruction has 8`,
    });
  }
});

for (
  const [step, errno, remedy] of [
    [filterStep, 95, "EOPNOTSUPP (operation not supported); forwarding needs Linux 5.19 or later"],
    [filterStep, 22, "EINVAL (invalid argument)"],
    [handoverStep, 2, "ENOENT (no such file or directory); its keeper does not run"],
    [handoverStep, 111, "ECONNREFUSED (connection refused); its keeper does not run"],
    [handoverStep, 104, "ECONNRESET (connection reset by peer)"],
    ["execute", 2, null],
  ] as const
) {
  Deno.test(`LaunchError says what would be right where that is known: ${step}, ${errno}`, () => {
    const message = remedy === null
      ? 'Cannot execute "true": ENOENT (no such file or directory)'
      : `Cannot start "true": cannot ${step}: ${remedy}`;
    assert.equal(new LaunchError(step, "true", errno).message, message);
  });
}

Deno.test({
  name: "launch() without CAP_SYS_PTRACE cannot take the listener of another user's program, and says so [needs root and setpriv]",
  ignore: !isRoot || !hasSetpriv,
  fn() {
    const out = withoutCapability(
      "sys_ptrace",
      `const filter = { program: new Uint8Array(${JSON.stringify([...notifying])}) };
      try { launch({ argv: ["true"], credentials: ${JSON.stringify(nobody)}, filter }); } catch (error) { console.log(error.message); }
      console.log(wait(launch({ argv: ["true"], credentials: { uid: 0, gid: 0 }, filter })).code);`,
    );
    const refusal = `Cannot start "true": cannot ${handoverStep}: EPERM (operation not permitted)`;
    assert.equal(out, `${refusal}; for another user's program it needs CAP_SYS_PTRACE\n0\n`);
  },
});

Deno.test({
  name: `launch() under a filter that notifies refuses a second one, and says why${compilerNote}`,
  ...needsCompiler,
  fn() {
    const path = `${scratch}/nested.ts`;
    Deno.writeTextFileSync(
      path,
      `import { launch } from "${checkout}ffi/launch.ts";
      const filter = { program: new Uint8Array(${JSON.stringify([...notifying])}) };
      try { launch({ argv: ["true"], filter }); } catch (error) { console.log(error.message); }`,
    );
    const argv = [Deno.execPath(), "run", "-q", "--no-check", "-A", path];
    assert.match(
      served({ argv, addEnv: sanitizer, filter: { program: notifying } }).out,
      /^Cannot start "true": cannot install the system-call filter: EBUSY \(.*\); this process is under a forwarding filter itself/,
    );
  },
});

// Each computes something from a constant, or from the call, and allows the call if that is as the kernel computes it.
const ax = (a: number, x: number): Instruction[] => [[0x01, 0, 0, x], [0x00, 0, 0, a]];
const computations: [string, Instruction[], number][] = [
  ["add", [[0x00, 0, 0, 2 ** 32 - 1], [0x04, 0, 0, 3]], 2],
  ["add x", [...ax(5, 2 ** 32 - 1), [0x0c, 0, 0, 0]], 4],
  ["sub", [[0x00, 0, 0, 2], [0x14, 0, 0, 3]], 2 ** 32 - 1],
  ["sub x", [...ax(9, 4), [0x1c, 0, 0, 0]], 5],
  ["mul", [[0x00, 0, 0, 2 ** 31], [0x24, 0, 0, 3]], 2 ** 31],
  ["mul x", [...ax(7, 6), [0x2c, 0, 0, 0]], 42],
  ["div", [[0x00, 0, 0, 2 ** 32 - 1], [0x34, 0, 0, 2]], 2 ** 31 - 1],
  ["div x", [...ax(43, 6), [0x3c, 0, 0, 0]], 7],
  ["or", [[0x00, 0, 0, 5], [0x44, 0, 0, 10]], 15],
  ["or x", [...ax(5, 10), [0x4c, 0, 0, 0]], 15],
  ["and", [[0x00, 0, 0, 7], [0x54, 0, 0, 14]], 6],
  ["and x", [...ax(7, 14), [0x5c, 0, 0, 0]], 6],
  ["lsh", [[0x00, 0, 0, 3], [0x64, 0, 0, 31]], 2 ** 31],
  ["lsh x", [...ax(3, 4), [0x6c, 0, 0, 0]], 48],
  ["rsh", [[0x00, 0, 0, 2 ** 32 - 1], [0x74, 0, 0, 31]], 1],
  ["rsh x", [...ax(48, 4), [0x7c, 0, 0, 0]], 3],
  ["neg", [[0x00, 0, 0, 1], [0x84, 0, 0, 0]], 2 ** 32 - 1],
  ["xor", [[0x00, 0, 0, 5], [0xa4, 0, 0, 6]], 3],
  ["xor x", [...ax(5, 6), [0xac, 0, 0, 0]], 3],
  ["tax and txa", [[0x00, 0, 0, 7], [0x07, 0, 0, 0], [0x00, 0, 0, 0], [0x87, 0, 0, 0]], 7],
  ["st and ldx", [[0x00, 0, 0, 7], [0x02, 0, 0, 15], [0x61, 0, 0, 15], [0x87, 0, 0, 0]], 7],
  ["stx and ld", [[0x01, 0, 0, 7], [0x03, 0, 0, 0], [0x60, 0, 0, 0]], 7],
  ["len", [[0x80, 0, 0, 0]], 64],
  ["ldx len", [[0x81, 0, 0, 0], [0x87, 0, 0, 0]], 64],
  ["arch", [loadArch], auditArch],
  ["ja", [[0x00, 0, 0, 1], [0x05, 0, 0, 1], [0x00, 0, 0, 2]], 1],
  ["jeq x", [...ax(5, 5), [0x1d, 0, 1, 0], [0x00, 0, 0, 1]], 1],
  ["jgt", [[0x00, 0, 0, 5], [0x25, 1, 0, 5], [0x00, 0, 0, 1]], 1],
  ["jgt x", [...ax(6, 5), [0x2d, 0, 1, 0], [0x00, 0, 0, 1]], 1],
  ["jge", [[0x00, 0, 0, 2 ** 31], [0x35, 0, 1, 2 ** 31], [0x00, 0, 0, 1]], 1],
  ["jge x", [...ax(4, 5), [0x3d, 1, 0, 0], [0x00, 0, 0, 1]], 1],
  ["jset", [[0x00, 0, 0, 6], [0x45, 0, 1, 3], [0x00, 0, 0, 1]], 1],
  ["jset x", [...ax(4, 3), [0x4d, 1, 0, 0], [0x00, 0, 0, 1]], 1],
];

for (const [name, instructions, result] of computations) {
  Deno.test(`launch() reads a filter as the kernel does: ${name}`, () => {
    const check = (expected: number) =>
      assemble(...instructions, [0x15, 0, 1, expected], returns(verdicts.allow), returns(verdicts.errno + EDOM));
    assert.equal(wait(launch({ argv: ["true"], filter: { program: check(result) } })).code, 0);
    assert.equal(refusalOf({ argv: ["true"], filter: { program: check((result ^ 1) >>> 0) } }).step, filterStep);
  });
}

Deno.test("launch() reads a filter as the kernel does: a verdict that was computed", () => {
  const computed = (verdict: number) => assemble([0x00, 0, 0, verdict], [0x16, 0, 0, 0]);
  assert.equal(wait(launch({ argv: ["true"], filter: { program: computed(verdicts.allow) } })).code, 0);
  assert.equal(refusalOf({ argv: ["true"], filter: { program: computed(verdicts.kill) } }).code, "EINVAL");
});

Deno.test("launch() with any instructions for a filter starts the program, or says what it refuses", () => {
  const codes = [0x20, 0x15, 0x25, 0x35, 0x45, 0x05, 0x06, 0x16, 0x54, 0x04, 0x07, 0x87, 0x60, 0x61, 0x02, 0x03, 0x00, 0x01, 0x80];
  const instruction = fc.tuple(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...codes) }, { weight: 1, arbitrary: fc.nat(0xffff) }),
    fc.nat(3),
    fc.nat(3),
    fc.oneof(fc.nat(70), fc.constantFrom(...Object.values(verdicts), numbers.execve[0], auditArch), fc.nat(2 ** 32 - 1)),
  );
  const before = ownState();
  fc.assert(
    fc.property(fc.array(instruction, { maxLength: 12 }), (instructions) => {
      try {
        const { listener, ...program } = launch({
          argv: ["true"],
          filter: { program: assemble(...instructions, returns(verdicts.allow)) },
        });
        if (listener !== undefined) libc.close(listener);
        wait(program);
      } catch (error) {
        assert(error instanceof LaunchError, `${error}`);
        assert.equal(error.step, filterStep);
      }
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(ownState(), before);
});

Deno.test("nodeos_launch() refuses a filter or a socket that is not inside the request", () => {
  const [name, path] = ["/none/such\0", "/none/sock\0"].map((text) => new TextEncoder().encode(text));
  const filterAt = LaunchLayout.size;
  const controlAt = filterAt + notifying.length;
  const argv = controlAt + path.length;
  const tell = (fields: Partial<Parameters<typeof LaunchLayout.write>[1]>) => {
    const bytes = new Uint8Array(argv + name.length);
    const valid = { filter: filterAt, filterCount: notifying.length / 8, control: controlAt };
    LaunchLayout.write(bytes, { size: LaunchLayout.size, stdio: [-1, -1, -1], argv, argc: 1, ...valid, ...fields });
    bytes.set(notifying, filterAt);
    bytes.set(path, controlAt);
    bytes.set(name, argv);
    const answer = new Uint8Array(LaunchedLayout.size);
    assert(coreLibrary().nodeos_launch(byValue(bytes.length), bytes, answer) < 0);
    const { step, error, pidfd, listener } = LaunchedLayout.read(answer);
    assert.deepEqual({ pidfd, listener }, { pidfd: -1, listener: -1 });
    return { step, error };
  };
  assert.deepEqual(tell({}), { step: 12, error: 2 }, "no keeper");
  assert.deepEqual(tell({ control: 0 }), { step: 13, error: 2 }, "no program");
  const outside = [
    { filter: 0 },
    { filter: 1 },
    { filter: filterAt + 4 },
    { filter: 2 ** 32 - 8 },
    { filter: 2 ** 31 },
    { filterCount: 2 ** 29 },
    { filterCount: 2 ** 32 - 1 },
    { filterCount: notifying.length / 8 + 3 },
    { control: argv + name.length },
    { control: 2 ** 32 - 1 },
    { filter: 0, filterCount: 0 },
  ];
  for (const fields of outside) assert.deepEqual(tell(fields), { step: 1, error: 22 }, JSON.stringify(fields));
});

Deno.test("launch() says of a keeper that is not there: hand over, before there is a process", () => {
  const file = `${scratch}/no-socket`;
  Deno.writeTextFileSync(file, "");
  const handover = (control: string) => refusalOf({ argv: ["true"], filter: { program: notifying, control } });
  const refused = (code: string) => ({ step: handoverStep, code, exitCode: 125 });
  assert.deepEqual(handover("/none/such"), refused("ENOENT"));
  assert.deepEqual(handover(file), refused("ECONNREFUSED"));
  assert.deepEqual(handover(`/${"x".repeat(107)}`), refused("ENAMETOOLONG"));
  assert.throws(() => launch({ argv: ["true"], filter: { program: notifying, control: "/a\0b" } }), TypeError);
  using _listener = Deno.listen({ transport: "unix", path: `${scratch}/stream.sock` });
  assert.deepEqual(handover(`${scratch}/stream.sock`), refused("EPROTOTYPE"));
});

for (
  const [how, code] of [["refuse", "EBUSY"], ["close", "ECONNRESET"], ["short", "EPROTO"], ["silent", "ETIMEDOUT"]]
) {
  Deno.test({
    name: `launch() starts nothing when the keeper answers like this: ${how}${compilerNote}`,
    ...needsCompiler,
    async fn() {
      await using kept = await startKeeper(how);
      const before = ownState();
      const request = { argv: ["touch", `${scratch}/started`], filter: { program: notifying, control: kept.path } };
      assert.deepEqual(refusalOf(request), { step: handoverStep, code, exitCode: 125 });
      assert.deepEqual(ownState(), before);
      assert.throws(() => Deno.statSync(`${scratch}/started`), Deno.errors.NotFound);
    },
  });
}

Deno.test({
  name: `launch() has the scheduling in force before the first instruction under a listener, and says when it may not${compilerNote}`,
  ...needsCompiler,
  fn() {
    const filter = { program: notifying };
    const scheduled = (scheduling: LaunchRequest["scheduling"]) => {
      const { out } = served({ argv: ["cat", "/proc/self/stat"], scheduling, filter });
      const fields = out.slice(out.lastIndexOf(")") + 2).split(" ");
      return { nice: Number(fields[16]), priority: Number(fields[37]), policy: Number(fields[38]) };
    };
    assert.deepEqual(scheduled({ policy: policies.batch, nice: 7 }), { nice: 7, priority: 0, policy: policies.batch });
    if (isRoot) {
      assert.deepEqual(scheduled({ policy: policies.fifo, priority: 9 }), { nice: 0, priority: 9, policy: policies.fifo });
      const asNobody = served({
        argv: ["cat", "/proc/self/stat"],
        scheduling: { policy: policies.fifo, priority: 9 },
        credentials: nobody,
        filter,
      });
      assert.match(asNobody.out, / 9 1 0 0 0 /);
      const [runtimeNs, periodNs] = [1_000_000n, 100_000_000n];
      const deadline = { policy: policies.deadline, flags: resetOnFork, runtimeNs, deadlineNs: periodNs, periodNs };
      assert.equal(scheduled(deadline).policy, policies.deadline);
    }
    assert.deepEqual(refusalOf({ argv: ["true"], scheduling: { policy: policies.fifo, priority: 100 }, filter }), {
      step: "set the scheduling",
      code: "EINVAL",
      exitCode: 125,
    });
  },
});

Deno.test({
  name: `launch() opens nothing more in the program for its filter${compilerNote}`,
  ...needsCompiler,
  async fn() {
    await using kept = await startKeeper("serve");
    const argv = ["ls", "-v", "/proc/self/fd"];
    const { out } = capture({ argv });
    assert.equal(capture({ argv, filter: { program: denying } }).out, out);
    assert.equal(served({ argv, filter: { program: notifying } }).out, out);
    assert.equal(capture({ argv, filter: { program: notifying, control: kept.path } }).out, out);
  },
});

Deno.test({
  name: `launch() leaves neither processes, descriptors nor threads behind in 200 launches with filters${compilerNote}`,
  ...needsCompiler,
  async fn() {
    await using serving = await startKeeper("serve");
    await using closing = await startKeeper("close");
    const threads = () => kernel.list("/proc/self/task").length;
    const before = { ...ownState(), threads: threads() };
    const requests: [LaunchRequest, string][] = [
      [{ argv: ["true"], filter: { program: notifying, control: serving.path } }, ""],
      [{ argv: ["true"], filter: { program: notifying, control: closing.path } }, handoverStep],
      [{ argv: ["true"], filter: { program: notifying, control: "/none/such" } }, handoverStep],
      [{ argv: ["/none/such"], filter: { program: notifying, control: serving.path } }, "execute"],
      [{ argv: ["/none/such"], filter: { program: notifying } }, "execute"],
      [{ argv: ["true"], cwd: "/none", filter: { program: notifying, control: serving.path } }, "enter the working directory"],
      [{ argv: ["true"], filter: { program: assemble(returns(verdicts.allow), [0x28, 0, 0, 0], returns(verdicts.notify)) } }, filterStep],
      [{ argv: ["true"], filter: { program: notifying } }, ""],
    ];
    for (let i = 0; i < 200; i++) {
      const [request, step] = requests[i % requests.length];
      if (step !== "") {
        assert.throws(() => launch(request), { name: "LaunchError", step });
        continue;
      }
      const { listener, ...program } = launch(request);
      if (listener !== undefined) libc.close(listener);
      assert.equal(wait(program).code, 0);
    }
    assert.deepEqual(ownState(), { descriptors: before.descriptors, children: before.children });
    // Deno makes some of its own when it likes.
    assert(threads() < before.threads + 20, `${before.threads} became ${threads()}`);
  },
});

Deno.test({
  name: `launch() leaves no process behind when we are killed while the keeper thinks${compilerNote}`,
  ...needsCompiler,
  async fn() {
    await using kept = await startKeeper("silent");
    const child = denoProcess(
      `const { launch } = await import(ffi + "launch.ts");
      launch({ argv: ["true"], filter: { program: new Uint8Array([${[...notifying]}]), control: ${JSON.stringify(kept.path)} } });`,
      { stdout: "null", stderr: "null" },
    );
    assert.equal((await kept.lines.next()).value, "taken");
    const [born, ...others] = childrenOf(child.pid);
    assert.deepEqual([typeof born, others], ["string", []]);
    child.kill("SIGKILL");
    await child.status;
    await until("the child ends", () => !isRunning(born));
  },
});

Deno.test({
  name: `launch() leaves no process behind when we are killed at any moment${compilerNote}`,
  ...needsCompiler,
  async fn() {
    await using kept = await startKeeper("serve");
    for (let run = 0; run < 25; run++) {
      const child = denoProcess(
        `const { launch, wait } = await import(ffi + "launch.ts");
        const filter = { program: new Uint8Array([${[...notifying]}]), control: ${JSON.stringify(kept.path)} };
        for (let first = true;; first = false) {
          wait(launch({ argv: ["true"], filter }));
          if (first) console.log("launched");
        }`,
        { stderr: "null" },
      );
      const reader = child.stdout.getReader();
      await reader.read();
      const born = new Set<string>();
      for (const end = performance.now() + Math.random() * 8; performance.now() < end;) {
        childrenOf(child.pid).forEach((pid) => born.add(pid));
      }
      childrenOf(child.pid).forEach((pid) => born.add(pid));
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
      await until("what it started ends", () => [...born].every((pid) => !isRunning(pid)));
    }
  },
});
