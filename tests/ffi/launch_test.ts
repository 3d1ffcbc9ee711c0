import assert from "node:assert/strict";
import fc from "fast-check";
import { launch, LaunchError, type LaunchRequest, stdioNull, wait } from "../../ffi/launch.ts";
import { getScheduling, memoryModes, policies, resetOnFork } from "../../ffi/task.ts";
import { childrenOf } from "./keepers.ts";
import { cpusetMount, isRoot, kernel, ownCpus, TestCgroup, unifiedMount } from "./host.ts";
import { capture, denoProcess, descriptorOf, scratch, shell } from "./programs.ts";

/** A file in our scratch directory. */
function file(name: string, text: string, mode: number): string {
  const path = `${scratch}/${name}`;
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, text);
  Deno.chmodSync(path, mode);
  return path;
}

function statusOf(text: string, name: string): string {
  return new RegExp(`^${name}:\\t(.*)$`, "m").exec(text)?.[1] ?? "";
}

/** What a program sees of where it comes from, but for its own numbers. */
const birthplace =
  `pwd -P; echo "PPid: $PPID"; grep -E "^(Uid|Groups|Umask|Sig[BIC]|Shd|Cap|NoNewPrivs|Seccomp|Cpus_allowed)" /proc/self/status
  cut -d" " -f5-7 /proc/self/stat; cat /proc/self/limits /proc/self/cgroup; ls -l /proc/self/fd | grep -vE "/proc/|/out-" | cut -d">" -f2 | cut -d"[" -f1 | sort; env | grep -v ^PWD= | sort`;

Deno.test("launch() with memory of its own gives a program the same birth in everything", () => {
  const scheduling = { policy: policies.batch, nice: 5 };
  const requests: Omit<LaunchRequest, "argv">[] = [
    {},
    { addEnv: { A: "1" }, cwd: "/", cpus: [ownCpus[0]], scheduling, dieWithParent: true, dataBytes: 2 ** 30 },
    { env: { PATH: Deno.env.get("PATH")! }, forwardSignals: true, memory: { mode: memoryModes.preferred, nodes: [0] } },
    ...(isRoot ? [{ credentials: { uid: 1234, gid: 1234 }, dieWithParent: true }] : []),
  ];
  for (const request of requests) {
    const [own, apart] = [false, true].map((ownMemory) => capture({ argv: ["sh", "-c", birthplace], ...request, ownMemory }));
    assert.match(own.out, /^PPid:/m);
    assert.deepEqual(apart, own);
  }
});

Deno.test("launch() with memory of its own tells what was refused as it does without, and leaves nothing", () => {
  const requests: LaunchRequest[] = [
    { argv: ["/none/such"] },
    { argv: ["none-such"], search: "/usr:/bin" },
    { argv: ["/bin/true"], cwd: "/none/such" },
    { argv: ["/bin/true"], stdio: [-1, 9999, -1] },
    { argv: ["/bin/true"], cgroup: "/sys/fs/cgroup/none/such" },
    { argv: ["/bin/true"], cpus: [4095] },
  ];
  const refusal = (request: LaunchRequest) => {
    try {
      launch(request);
    } catch (error) {
      if (error instanceof LaunchError) return [error.message, error.exitCode];
      throw error;
    }
  };
  const state = () => [kernel.list("/proc/self/fd").length, childrenOf(Deno.pid)];
  const before = state();
  for (const request of requests) {
    const own = refusal(request);
    assert.match(`${own?.[0]}`, /^Cannot /);
    assert.deepEqual(refusal({ ...request, ownMemory: true }), own);
  }
  assert.deepEqual(state(), before);
});

Deno.test("launch() with memory of its own passes signals on, and is the program's parent", () => {
  const argv = ["sh", "-c", "trap 'exit 7' USR1; kill -USR1 $PPID; while :; do sleep 0.01; done"];
  const program = launch({ argv, ownMemory: true, forwardSignals: true });
  assert.deepEqual([wait(program).code, wait(launch({ argv: ["sh", "-c", "exit 3"], ownMemory: true })).code], [7, 3]);
});

Deno.test("launch() passes arguments on byte for byte", () => {
  // A lone surrogate has no UTF-8, and a NUL no place in an argument.
  const argument = fc.string({ unit: "binary", maxLength: 20 }).filter((text) => !text.includes("\0") && text.isWellFormed());
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 6 }), (args) => {
      const echoed = capture({ argv: ["sh", "-c", 'for a in "$@"; do printf "%s\\0" "$a"; done', "sh", ...args] });
      assert.deepEqual(echoed.out, args.map((text) => `${text}\0`).join(""));
    }),
    { numRuns: 40 },
  );
});

Deno.test("launch() gives the program the environment that it is told, all of it, or ours", () => {
  assert.equal(capture({ argv: ["env", "-0"], env: { A: "1 2", "É": "ü=\n", EMPTY: "" } }).out, "A=1 2\0É=ü=\n\0EMPTY=\0");
  assert.equal(capture({ argv: ["env", "-0"], env: {} }).out, "");
  assert.equal(shell('printf %s "$PATH"').out, Deno.env.get("PATH"));
});

Deno.test("launch() adds variables to our environment, or to the one it is told", () => {
  const path = Deno.env.get("PATH");
  const { out } = capture({ argv: ["env", "-0"], addEnv: { NODEOS_ADDED: "1", HOME: "/nowhere" } });
  const variables = out.split("\0").filter(Boolean);
  assert.deepEqual(variables.filter((line) => /^(?:NODEOS_ADDED|HOME|PATH)=/.test(line)).sort(), [
    "HOME=/nowhere",
    "NODEOS_ADDED=1",
    `PATH=${path}`,
  ]);
  assert.equal(new Set(variables.map((line) => line.split("=")[0])).size, variables.length);
  assert.equal(capture({ argv: ["env", "-0"], env: { A: "1", B: "2" }, addEnv: { B: "3" } }).out, "A=1\0B=3\0");
  assert.equal(capture({ argv: ["sh", "-c", 'printf %s "$PATH"'], addEnv: {} }).out, path);
});

Deno.test("launch() starts the program in its working directory, and ours stays", () => {
  const before = Deno.cwd();
  assert.equal(capture({ argv: ["/bin/pwd"], cwd: "/proc/sys/kernel", env: {} }).out, "/proc/sys/kernel\n");
  assert.equal(Deno.cwd(), before);
  assert.equal(capture({ argv: ["/bin/pwd"], env: {} }).out, `${before}\n`);
});

Deno.test("launch() looks a program up as shells do", () => {
  file("first/nodeos-found", "#!/bin/sh\necho first $0\n", 0o755);
  file("second/nodeos-found", "#!/bin/sh\necho second\n", 0o755);
  file("denied/nodeos-found", "#!/bin/sh\necho denied\n", 0o644);
  const argv = ["nodeos-found"];
  const found = (search: string, more: Partial<LaunchRequest> = {}) => capture({ argv, search, ...more }).out;
  assert.equal(found(`${scratch}/none:${scratch}/first:${scratch}/second`), `first ${scratch}/first/nodeos-found\n`);
  assert.equal(found(`${scratch}/second:${scratch}/first`), "second\n");
  assert.equal(found(`/proc/version:${scratch}/denied:${scratch}/second`), "second\n");
  // An empty name stands for the working directory, which is the program's.
  assert.equal(found(`${scratch}/none:`, { cwd: `${scratch}/second` }), "second\n");
  assert.equal(found(":/none", { cwd: `${scratch}/second` }), "second\n");
  assert.equal(found("/none", { argv: [`${scratch}/second/nodeos-found`] }), "second\n");
  assert.throws(() => launch({ argv, search: `${scratch}/denied:/none` }), { name: "LaunchError", code: "EACCES", exitCode: 126 });
  assert.throws(() => launch({ argv, search: "" }), { name: "LaunchError", code: "ENOENT", exitCode: 127 });
  assert.throws(() => launch({ argv, search: `/${"x".repeat(5000)}` }), { name: "LaunchError", code: "ENOENT", exitCode: 127 });
});

const script = file("no-interpreter", "#!/none/such\n", 0o755);
const text = file("plain-text", "nothing that a kernel executes\n", 0o755);
const notExecutable = file("not-executable", "#!/bin/sh\n", 0o644);

const refusals: [string, LaunchRequest, string, string, 125 | 126 | 127][] = [
  ["no program at all", { argv: [] }, "read the request", "EINVAL", 125],
  ["more arguments than there is room for", { argv: Array(70_000).fill("x") }, "read the request", "E2BIG", 125],
  ["a ninth cgroup", { argv: ["true"], tasks: Array(9).fill("/proc/none") }, "join the cgroup", "E2BIG", 125],
  ["a cgroup that is not there", { argv: ["true"], cgroup: "/sys/fs/cgroup/none" }, "join the cgroup", "ENOENT", 125],
  ["a cgroup outside the kernel's trees", { argv: ["true"], cgroup: "/tmp" }, "join the cgroup", "EACCES", 125],
  ["a cgroup that is none", { argv: ["true"], cgroup: "/sys/kernel" }, "join the cgroup", "EBADF", 125],
  ["a tasks file that is not there", { argv: ["true"], tasks: ["/sys/fs/cgroup/none/tasks"] }, "join the cgroup", "ENOENT", 125],
  ["a tasks file that may not be written", { argv: ["true"], tasks: ["/proc/version"] }, "join the cgroup", "EACCES", 125],
  ["CPUs that are not there", { argv: ["true"], cpus: [4095] }, "set the affinity", "EINVAL", 125],
  [
    "memory nodes that are not there",
    { argv: ["true"], memory: { mode: memoryModes.bind, nodes: [1023] } },
    "set the memory policy",
    "EINVAL",
    125,
  ],
  [
    "a priority that is none",
    { argv: ["true"], scheduling: { policy: policies.fifo, priority: 100 } },
    "set the scheduling",
    "EINVAL",
    125,
  ],
  ["descriptors that are not open", { argv: ["true"], stdio: [-1, 99_999, -1] }, "connect standard input and output", "EBADF", 125],
  [
    "credentials that are none",
    { argv: ["true"], credentials: { uid: 1, gid: 2 ** 32 - 1 } },
    "set user and group",
    isRoot ? "EINVAL" : "EPERM",
    125,
  ],
  ["a working directory that is not there", { argv: ["true"], cwd: "/none" }, "enter the working directory", "ENOENT", 125],
  ["a working directory that is a file", { argv: ["true"], cwd: "/proc/version" }, "enter the working directory", "ENOTDIR", 125],
  ["a program that is not there", { argv: ["/none/such"] }, "execute", "ENOENT", 127],
  ["a program that is on no path", { argv: ["nodeos-no-such-program"] }, "execute", "ENOENT", 127],
  ["an empty name", { argv: [""] }, "execute", "ENOENT", 127],
  ["a program without an interpreter", { argv: [script] }, "execute", "ENOENT", 127],
  ["a file that may not be executed", { argv: [notExecutable] }, "execute", "EACCES", 126],
  ["a directory", { argv: ["/proc"] }, "execute", "EACCES", 126],
  ["a text", { argv: [text] }, "execute", "ENOEXEC", 126],
  ["an argument that is too long", { argv: ["true", "x".repeat(200_000)] }, "execute", "E2BIG", 126],
];

for (const [what, request, step, code, exitCode] of refusals) {
  Deno.test(`launch() says of ${what}: ${step}, ${code}, ${exitCode}`, () => {
    assert.throws(() => launch(request), (error) => {
      assert(error instanceof LaunchError);
      assert.deepEqual([error.step, error.code, error.exitCode], [step, code, exitCode]);
      assert.match(error.message, step === "execute" ? /^Cannot execute ".*": E/ : new RegExp(`^Cannot start .*: cannot ${step}: ${code}`));
      return true;
    });
  });
}

Deno.test("launch() refuses a NUL in any text", () => {
  for (
    const request of [{ argv: ["tr\0ue"] }, { argv: ["true"], env: { A: "\0" } }, { argv: ["true"], cwd: "/\0" }, {
      argv: ["true"],
      search: "/bin\0",
    }]
  ) {
    assert.throws(() => launch(request), TypeError);
  }
});

Deno.test("launch() leaves neither processes nor descriptors behind in 1,000 launches", () => {
  const open = () => kernel.list("/proc/self/fd").map(({ name }) => name);
  const isOurs = (pid: string) => kernel.tryRead(`/proc/${pid}/stat`)?.includes(`) Z ${Deno.pid} `);
  // Another file's tests, in the same process, may have left some on purpose.
  const zombies = () => kernel.list("/proc").map(({ name }) => name).filter((name) => /^\d+$/.test(name) && isOurs(name));
  const [before, zombiesBefore] = [open(), zombies()];
  for (let i = 0; i < 1000; i++) {
    switch (i % 4) {
      case 0:
        assert.throws(() => launch({ argv: ["/none/such"] }), LaunchError);
        break;
      case 1:
        assert.throws(() => launch({ argv: ["true"], cgroup: "/sys/kernel", tasks: ["/sys/fs/cgroup/none/tasks"] }), LaunchError);
        break;
      default:
        assert.equal(wait(launch({ argv: ["true"] })).code, 0);
    }
  }
  assert.equal(open().length, before.length);
  assert.deepEqual(zombies(), zombiesBefore);
});

Deno.test("launch() opens nothing in the program but its standard streams, and what we got open ourselves", () => {
  const closeOnExec = 0o2000000;
  const isInherited = (name: string) => {
    const flags = /^flags:\t(\d+)/m.exec(kernel.tryRead(`/proc/self/fdinfo/${name}`) ?? "")?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & closeOnExec) === 0;
  };
  const inherited = kernel.list("/proc/self/fd").map(({ name }) => name).filter(isInherited);
  assert(inherited.length < kernel.list("/proc/self/fd").length);
  const names = capture({ argv: ["ls", "-v", "/proc/self/fd"] }).out.trim().split("\n");
  assert.equal(names.length, new Set([...inherited, "0", "1", "2"]).size + 1, "ls itself opens one");
  assert(inherited.every((name) => names.includes(name)));
});

Deno.test("launch() gives the program /dev/null for any stream", () => {
  const path = file("null", "", 0o644);
  using _file = Deno.openSync(path, { write: true });
  const fd = descriptorOf(path);
  const outer = { argv: ["sh", "-c", "readlink /proc/self/fd/0 /proc/self/fd/2; cat"], stdio: [stdioNull, fd, stdioNull] } as const;
  assert.equal(wait(launch(outer)).code, 0);
  assert.equal(Deno.readTextFileSync(path), "/dev/null\n/dev/null\n");
});

Deno.test("launch() connects any descriptors to the streams, crossed ones too", () => {
  const paths = ["in", "one", "two"].map((name) => file(`stdio-${name}`, name === "in" ? "what comes in\n" : "", 0o644));
  using _in = Deno.openSync(paths[0]);
  using _one = Deno.openSync(paths[1], { write: true });
  using _two = Deno.openSync(paths[2], { write: true });
  const [zero, one, two] = paths.map(descriptorOf);
  const talk = ["sh", "-c", "cat; echo to two >&2"];
  assert.equal(wait(launch({ argv: talk, stdio: [zero, one, two] })).code, 0);
  assert.deepEqual(paths.slice(1).map((path) => Deno.readTextFileSync(path)), ["what comes in\n", "to two\n"]);
});

for (
  const [stdio, expected] of [
    [[-1, 2, 1], ["err\n", "out\n"]],
    [[-1, 2, 2], ["", "out\nerr\n"]],
    [[-1, 1, 1], ["out\nerr\n", ""]],
    [[0, 1, 2], ["out\n", "err\n"]],
  ]
) {
  Deno.test(`launch() connects standard streams to each other: ${stdio}`, async () => {
    const child = denoProcess(`
      const { launch, wait } = await import(ffi + "launch.ts");
      wait(launch({ argv: ["sh", "-c", "echo out; echo err >&2"], stdio: ${JSON.stringify(stdio)} }));`);
    const { stdout, stderr } = await child.output();
    assert.deepEqual([stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)), expected);
  });
}

Deno.test("launch() has the affinity in force before the first instruction, and ours stays", () => {
  const cpu = ownCpus.at(-1)!;
  assert.equal(statusOf(capture({ argv: ["cat", "/proc/self/status"], cpus: [cpu] }).out, "Cpus_allowed_list"), `${cpu}`);
  assert.equal(
    statusOf(kernel.read("/proc/self/status"), "Cpus_allowed_list"),
    statusOf(capture({ argv: ["cat", "/proc/self/status"] }).out, "Cpus_allowed_list"),
  );
});

Deno.test("launch() has the scheduling in force before the first instruction, and ours stays", () => {
  const before = getScheduling(0);
  const schedulingOf = (scheduling: LaunchRequest["scheduling"]) => {
    const stat = capture({ argv: ["cat", "/proc/self/stat"], scheduling }).out;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { nice: Number(fields[16]), priority: Number(fields[37]), policy: Number(fields[38]) };
  };
  assert.deepEqual(schedulingOf({ policy: policies.batch, nice: 7 }), { nice: 7, priority: 0, policy: policies.batch });
  assert.deepEqual(schedulingOf({ policy: policies.idle }), { nice: 0, priority: 0, policy: policies.idle });
  if (isRoot) assert.deepEqual(schedulingOf({ policy: policies.fifo, priority: 9 }), { nice: 0, priority: 9, policy: policies.fifo });
  assert.deepEqual(getScheduling(0), before);
});

Deno.test({
  name: "launch() lets a deadline program fork when it asks for that [needs root]",
  ignore: !isRoot,
  fn() {
    const deadline = {
      policy: policies.deadline,
      flags: resetOnFork,
      runtimeNs: 1_000_000n,
      deadlineNs: 100_000_000n,
      periodNs: 100_000_000n,
    };
    const { out, code } = shell("cut -d' ' -f41 /proc/$$/stat; cut -d' ' -f41 /proc/self/stat", { scheduling: deadline });
    assert.equal(code, 0);
    assert.deepEqual(out.trim().split("\n"), [`${policies.deadline}`, `${policies.other}`]);
  },
});

Deno.test({
  name: "launch() has the memory policy in force [needs /proc/self/numa_maps]",
  ignore: !kernel.exists("/proc/self/numa_maps"),
  fn() {
    const { out } = capture({ argv: ["cat", "/proc/self/numa_maps"], memory: { mode: memoryModes.bind, nodes: [0] } });
    assert.match(out, /^\S+ bind:0 /);
    assert.match(capture({ argv: ["cat", "/proc/self/numa_maps"] }).out, /^\S+ default /);
  },
});

Deno.test({
  name: "launch() becomes another user, without its own groups, and stays what it is itself [needs root]",
  ignore: !isRoot,
  fn() {
    const { out } = capture({ argv: ["cat", "/proc/self/status"], credentials: { uid: 65534, gid: 65533 } });
    assert.equal(statusOf(out, "Uid"), "65534\t65534\t65534\t65534");
    assert.equal(statusOf(out, "Gid"), "65533\t65533\t65533\t65533");
    assert.equal(statusOf(out, "Groups").trim(), "65533");
    assert.equal(statusOf(out, "CapEff"), "0".repeat(16));
    assert.equal(statusOf(kernel.read("/proc/self/status"), "Uid"), "0\t0\t0\t0");
  },
});

Deno.test({
  name: "launch() with another user leaves our process as dumpable as it was [needs root and glibc]",
  ignore: !isRoot,
  fn() {
    const libc = Deno.dlopen("libc.so.6", { prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" } });
    const isDumpable = () => libc.symbols.prctl(3, 0n, 0n, 0n, 0n);
    try {
      assert.equal(isDumpable(), 1);
      wait(launch({ argv: ["true"], credentials: { uid: 65534, gid: 65534 } }));
      assert.equal(isDumpable(), 1);
    } finally {
      libc.close();
    }
  },
});

Deno.test("launch() hands on which signals are ignored and blocked, and sets SIGPIPE back", () => {
  const own = kernel.read("/proc/self/status");
  const { out } = capture({ argv: ["cat", "/proc/self/status"] });
  const sigPipe = 1n << 12n;
  const bits = (text: string, name: string) => BigInt(`0x${statusOf(text, name)}`);
  assert.equal(bits(out, "SigIgn"), bits(own, "SigIgn") & ~sigPipe);
  assert.equal(bits(out, "SigBlk"), bits(own, "SigBlk"));
  assert.equal(bits(out, "SigCgt"), 0n);
  assert.equal(shell("yes | head -1; exit 3").code, 3);
});

Deno.test({
  name: "launch() starts the program in a cpuset of cgroup v1 [needs root and cgroup v1 with cpuset]",
  ignore: cpusetMount === null,
  fn() {
    using group = new TestCgroup(cpusetMount!, "launch");
    kernel.write(`${group.path}/cpuset.cpus`, `${ownCpus[0]}`);
    assert.throws(() => launch({ argv: ["true"], tasks: [`${group.path}/tasks`] }), {
      step: "join the cgroup",
      code: "ENOSPC",
      exitCode: 125,
    });
    kernel.write(`${group.path}/cpuset.mems`, "0");
    const { out } = shell("cat /proc/self/cgroup; cat /proc/self/status", { tasks: [`${group.path}/tasks`] });
    assert.match(out, new RegExp(`:cpuset:/${group.path.split("/").at(-1)}$`, "m"));
    assert.equal(statusOf(out, "Cpus_allowed_list"), `${ownCpus[0]}`);
    assert.doesNotMatch(kernel.read("/proc/self/cgroup"), /nodeos-test/);
    assert.equal(kernel.read(`${group.path}/tasks`), "");
  },
});

Deno.test({
  name: "launch() lets the program be born in a cgroup v2 [needs root and cgroup v2]",
  ignore: unifiedMount === null,
  fn() {
    using group = new TestCgroup(unifiedMount!, "launch");
    const { out } = capture({ argv: ["cat", "/proc/self/cgroup"], cgroup: group.path });
    assert.match(out, new RegExp(`^0::.*/${group.path.split("/").at(-1)}$`, "m"));
    assert.doesNotMatch(kernel.read("/proc/self/cgroup"), /nodeos-test/);
    assert.throws(() => launch({ argv: ["/none/such"], cgroup: group.path }), { exitCode: 127 });
    assert.equal(kernel.read(`${group.path}/cgroup.procs`), "");
  },
});

Deno.test("launch() tells the process and how long it took to execute it", () => {
  const program = launch({ argv: ["sh", "-c", "exit $(($$ % 251))"] });
  assert(program.execNs > 0 && program.execNs < 5e9);
  assert.equal(wait(program).code, program.pid % 251);
});
