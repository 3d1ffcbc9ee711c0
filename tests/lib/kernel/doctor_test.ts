import assert from "node:assert/strict";
import { CapturedRoot } from "../../../ffi/captured_root.ts";
import { errno, errnoText, SysError } from "../../../ffi/errors.ts";
import { type Check, examine, missing, type Probes } from "../../../lib/kernel/doctor.ts";
import { capabilityBits } from "../../../lib/kernel/doctor/machine.ts";

// The library stays loaded for good: here, not in the middle of a test, which would be asked to unload it.
errnoText(errno.EPERM);

type Tree = Readonly<Record<string, string | null>>;

/** A four-core server with a recent kernel and everything a container wants; `null` removes a file. */
const server: Tree = {
  "/proc/sys/kernel/osrelease": "6.12.9-amd64\n",
  "/proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro isolcpus=managed_irq,1-3 nohz_full=1-3 irqaffinity=0 -- isolcpus=9\n",
  "/proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu msr\n",
  "/proc/modules": "msr 16384 0 - Live 0x0\n",
  "/proc/filesystems": "nodev\tsysfs\nnodev\tcgroup\nnodev\tcgroup2\nnodev\tdebugfs\nnodev\ttracefs\nnodev\tresctrl\n\text4\n",
  "/proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t0\t9\t1\nmemory\t0\t9\t1\nhugetlb\t0\t9\t1\n",
  "/proc/swaps": "Filename\t\tType\t\tSize\t\tUsed\t\tPriority\n",
  "/proc/self/mountinfo":
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n31 23 0:27 / /sys/fs/resctrl rw - resctrl resctrl rw\n",
  "/proc/self/uid_map": "         0          0 4294967295\n",
  "/proc/1/comm": "systemd\n",
  "/proc/sys/kernel/sched_rt_runtime_us": "-1\n",
  "/proc/sys/kernel/sched_rt_period_us": "1000000\n",
  "/proc/sys/kernel/numa_balancing": "0\n",
  "/proc/sys/kernel/watchdog": "0\n",
  "/proc/sys/kernel/perf_event_paranoid": "2\n",
  "/proc/sys/kernel/seccomp/actions_avail": "kill_process kill_thread trap errno user_notif trace log allow\n",
  "/proc/sys/vm/unprivileged_userfaultfd": "0\n",
  "/sys/devices/system/cpu/online": "0-3\n",
  "/sys/devices/system/cpu/isolated": "\n",
  "/sys/devices/system/cpu/nohz_full": "1-3\n",
  "/sys/devices/system/cpu/smt/active": "0\n",
  "/sys/devices/system/cpu/smt/control": "off\n",
  "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
  "/sys/devices/system/node/has_memory": "0-1\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids\n",
  "/sys/fs/cgroup/cgroup.subtree_control": "cpuset cpu memory hugetlb pids\n",
  "/sys/kernel/debug/sched/fair_server/cpu0/runtime": "0\n",
  "/sys/kernel/sched_ext/state": "disabled\n",
  "/sys/kernel/security/lsm": "capability,landlock,yama\n",
  "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
  "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "512\n",
  "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "510\n",
  "/sys/kernel/tracing/available_events": "",
  "/sys/class/powercap/intel-rapl:0/name": "package-0\n",
  "/dev/cpu/0/msr": "",
};

/** The same on cgroup version 1. */
const v1Mounts = ["cpuset", "memory", "pids", "cpu,cpuacct"]
  .map((options, index) => `${40 + index} 30 0:${40 + index} / /sys/fs/cgroup/${options} rw - cgroup cgroup rw,${options}\n`).join("");
const v1: Tree = {
  ...server,
  "/proc/self/mountinfo": v1Mounts,
  "/sys/fs/cgroup/cgroup.controllers": null,
  "/sys/fs/cgroup/cgroup.subtree_control": null,
  "/sys/fs/cgroup/cpuset/cpuset.cpu_exclusive": "1\n",
};

const root: Probes = {
  uid: 0,
  capabilities: (1n << 41n) - 1n,
  syscall: (which) => which === "landlock" ? 6 : 1,
  library: { path: "/opt/libnodeos.so", problem: null },
  compiler: "/usr/bin/gcc",
};
const captured: Probes = { uid: null, capabilities: null, syscall: () => null, library: null, compiler: undefined };

/** A directory with these files, removed when it is disposed of. */
function compose(tree: Tree): Disposable & { readonly base: string } {
  const base = Deno.makeTempDirSync({ prefix: "nodeos-doctor-" });
  for (const [path, text] of Object.entries(tree)) {
    if (text === null) continue;
    Deno.mkdirSync(base + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(base + path, text);
  }
  return { base, [Symbol.dispose]: () => Deno.removeSync(base, { recursive: true }) };
}

/** All checks of a machine that differs from the server in some files and probes. */
function examineTree(changes: Tree, probes: Partial<Probes> = {}): Check[] {
  using machine = compose({ ...server, ...changes });
  return examine(new CapturedRoot(machine.base), { ...root, ...probes });
}

function find(checks: readonly Check[], id: string): Check {
  const found = checks.filter((check) => check.id === id);
  assert.equal(found.length, 1, `${found.length} checks are named ${id}`);
  return found[0];
}

/** Asserts status, and the wording of what was found and of the fix where that is given. */
function expect(checks: readonly Check[], id: string, status: Check["status"], found?: RegExp, fix?: RegExp): void {
  const check = find(checks, id);
  assert.equal(check.status, status, `${id}: ${check.found}`);
  if (found) assert.match(check.found, found, id);
  if (fix) assert.match(check.fix ?? "no fix", fix, id);
}

Deno.test("examine() says yes to everything on a machine that has everything", () => {
  const checks = examineTree({});
  assert.deepEqual(checks.filter(({ status }) => status !== "yes").map(({ id, found }) => `${id}: ${found}`), []);
  assert.deepEqual(missing(checks), []);
});

Deno.test("examine() gives every check its own id, a reason of one sentence, and a fix unless it is in order", () => {
  for (const [tree, probes] of [[{}, root], [v1, root], [{}, captured]] as const) {
    const checks = examineTree(tree, probes);
    assert.equal(new Set(checks.map(({ id }) => id)).size, checks.length);
    for (const { id, title, why, fix, found, status } of checks) {
      assert.match(why, /^[A-Z].*[^.]\.$/, `${id}: ${why}`);
      assert.ok(title.split(" ").length <= 3, title);
      assert.ok(found.length > 0 && !found.includes("\n"), `${id}: ${found}`);
      if (status === "no" || status === "partly") assert.ok(fix, `${id} has no fix`);
    }
  }
});

Deno.test("examine() has an answer to a directory without a single file", () => {
  using machine = compose({});
  const checks = examine(new CapturedRoot(machine.base), root);
  expect(checks, "kernel", "unknown", /cannot be read/);
  expect(checks, "cgroups", "no");
  assert.deepEqual(missing(checks).map(({ id }) => id), ["cgroups", "cpuset"]);
  for (const { id, status, fix } of checks) if (status === "no" || status === "partly") assert.ok(fix, id);
});

Deno.test("examine() without kernel files looks at the library and the compiler only", () => {
  const checks = examine(null, { ...captured, library: { path: "/x.so", problem: "it is not there" }, compiler: null });
  assert.deepEqual(checks.map(({ id }) => id), ["library", "compiler"]);
  expect(checks, "library", "no", /it is not there/, /apt-get install gcc libc6-dev.*deno task build/);
  expect(checks, "compiler", "no", /PATH/, /dnf install gcc/);
  const forbidden = { path: "/x.so", problem: 'Requires ffi access to "/x.so", run again with the --allow-ffi flag' };
  expect(examine(null, { ...captured, library: forbidden, compiler: null }), "library", "no", /--allow-ffi/, /^deno task -q nodeos doctor/);
  assert.deepEqual(missing(checks).map(({ id }) => id), ["library"]);
});

Deno.test("a missing compiler is no obstacle to running when the library is there", () => {
  const checks = examineTree({}, { compiler: null });
  expect(checks, "compiler", "no");
  assert.deepEqual(missing(checks), []);
  expect(examineTree({}, { compiler: "/usr/bin/clang" }), "compiler", "partly", /clang/, /CC=\/usr\/bin\/clang deno task build/);
  expect(examineTree({}, { compiler: "/usr/bin/x86_64-linux-gnu-gcc" }), "compiler", "yes");
});

Deno.test("kernels are told apart by version and by the calls they refuse", () => {
  for (
    const [release, status] of [["5.4.0", "no"], ["5.6.19", "no"], ["5.7.0", "partly"], ["5.10.0-33", "partly"], ["5.14.0", "yes"], [
      "10.0",
      "yes",
    ]] as const
  ) expect(examineTree({ "/proc/sys/kernel/osrelease": `${release}\n` }), "kernel", status);
  const docker = examineTree({}, { syscall: (which) => which === "clone3" ? 0 : 1 });
  expect(docker, "kernel", "no", /refuses clone3/, /seccomp/);
  assert.deepEqual(missing(docker).map(({ id }) => id), ["kernel"]);
});

Deno.test("cgroup v2: controllers are enabled, can be enabled, or are missing", () => {
  const checks = examineTree({
    "/sys/fs/cgroup/cgroup.subtree_control": "memory pids\n",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu memory pids\n",
    "/proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nhugetlb\t0\t9\t0\n",
  });
  expect(checks, "cgroups", "yes", /version 2/);
  expect(checks, "memory-controller", "yes", /version 2 at \/sys\/fs\/cgroup$/);
  expect(checks, "cpuset", "yes", /on demand/, /^echo \+cpuset > \/sys\/fs\/cgroup\/cgroup\.subtree_control$/);
  expect(checks, "hugetlb-controller", "no", /disabled at boot/, /cgroup_enable=hugetlb/);
  expect(
    examineTree({ "/sys/fs/cgroup/cgroup.controllers": "cpu\n", "/proc/cgroups": "" }),
    "cpuset",
    "no",
    /unknown/,
    /^none on this kernel: .*CONFIG_CPUSETS=y/,
  );
  expect(
    examineTree({ "/sys/fs/cgroup/cgroup.controllers": "cpu\n" }),
    "cpuset",
    "no",
    /version 1, which is not mounted/,
    /cgroup_no_v1=cpuset/,
  );
});

Deno.test("cgroup v2 inside another container: what is not handed down is said", () => {
  const inside = {
    "/sys/fs/cgroup/cgroup.type": "domain\n",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset memory\n",
    "/sys/fs/cgroup/cgroup.subtree_control": "\n",
  };
  const checks = examineTree(inside);
  expect(checks, "cpuset", "partly", /not enabled below/, /--cgroupns=host/);
  expect(checks, "hugetlb-controller", "no", /not handed down/, /--cgroupns=host/);
  const readOnly = examineTree({ ...inside, "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n" });
  expect(readOnly, "cgroups", "no", /read-only/, /--privileged/);
  assert.deepEqual(missing(readOnly).map(({ id }) => id), ["cgroups"]);
});

Deno.test("cgroup v2: partitions follow the version, and what a group has says more", () => {
  const at = (release: string, more: Tree = {}) => examineTree({ "/proc/sys/kernel/osrelease": release, ...more });
  expect(at("6.7.0"), "partitions", "yes", /exclusive/);
  expect(at("6.1.192"), "partitions", "partly", /root, isolated/);
  expect(at("5.14.0"), "partitions", "partly", /^root$/);
  expect(at("4.19.0"), "partitions", "no");
  expect(at("5.14.0", { "/sys/fs/cgroup/system.slice/cpuset.cpus.exclusive": "\n" }), "partitions", "yes");
});

Deno.test("cgroup v1: works, with the loss said and the boot argument given", () => {
  const checks = examineTree(v1);
  expect(checks, "cgroups", "partly", /^version 1$/, /systemd\.unified_cgroup_hierarchy=1/);
  expect(checks, "cpuset", "yes", /version 1 at \/sys\/fs\/cgroup\/cpuset/);
  expect(checks, "cpu-controller", "yes", /cpu,cpuacct/);
  expect(
    checks,
    "hugetlb-controller",
    "no",
    /not mounted/,
    /^mkdir -p \/sys\/fs\/cgroup\/hugetlb && mount -t cgroup -o hugetlb none \/sys\/fs\/cgroup\/hugetlb$/,
  );
  expect(checks, "partitions", "partly", /cpu_exclusive/);
  assert.deepEqual(missing(checks), []);
  expect(examineTree({ ...v1, "/proc/1/comm": "init\n" }), "cgroups", "partly", undefined, /cgroup_no_v1=all/);
  expect(examineTree({ ...v1, "/proc/filesystems": "nodev\tcgroup\n" }), "cgroups", "partly", undefined, /^none on this kernel/);
  expect(examineTree({ ...v1, "/sys/fs/cgroup/cpuset/cpuset.cpu_exclusive": null }), "partitions", "no", undefined, /noprefix/);
});

Deno.test("cgroup hybrid: the version that has the cpusets counts", () => {
  const unified = "50 30 0:50 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  const old = examineTree({ ...v1, "/proc/self/mountinfo": v1Mounts + unified, "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n" });
  expect(old, "cgroups", "partly", /hybrid.*cpusets in version 1/);
  expect(old, "cpuset", "yes", /version 1/);
  expect(old, "hugetlb-controller", "yes", /version 2 at \/sys\/fs\/cgroup\/unified/);
  const mixed = examineTree({
    ...v1,
    "/proc/self/mountinfo": v1Mounts.replace(/.*cpuset.*\n/, "") + unified,
    "/sys/fs/cgroup/unified/cgroup.controllers": "cpuset\n",
    "/sys/fs/cgroup/unified/cgroup.subtree_control": "cpuset\n",
  });
  expect(mixed, "cgroups", "yes", /cpusets in version 2/);
  expect(mixed, "cpuset", "yes", /version 2/);
});

Deno.test("no cgroups: essential, with the mount command or the reason why there is none", () => {
  const checks = examineTree({ "/proc/self/mountinfo": "" });
  assert.deepEqual(missing(checks).map(({ id }) => id), ["cgroups", "cpuset"]);
  for (const id of ["cgroups", "cpuset", "memory-controller", "partitions"]) {
    expect(checks, id, "no", undefined, /^mount -t cgroup2 none \/sys\/fs\/cgroup$/);
  }
  expect(
    examineTree({ "/proc/self/mountinfo": "", "/proc/filesystems": "nodev\tcgroup\n" }),
    "cgroups",
    "no",
    undefined,
    /mount -t cgroup -o cpuset/,
  );
  expect(
    examineTree({ "/proc/self/mountinfo": "", "/proc/filesystems": "" }),
    "cgroups",
    "no",
    undefined,
    /^none on this kernel: .*CONFIG_CGROUPS/,
  );
});

Deno.test("an unprivileged user is told what is refused and how to get it", () => {
  const checks = examineTree({}, { uid: 1000, capabilities: 0n, syscall: (which) => which === "userfaultfd" ? -errno.EPERM : 1 });
  expect(checks, "privileges", "no", /user 1000/, /sudo nodeos/);
  for (const name of Object.keys(capabilityBits)) expect(checks, `cap-${name.toLowerCase().replaceAll("_", "-")}`, "no", /missing/, /sudo/);
  expect(checks, "userfaultfd", "no", /root only/, /sysctl -w vm\.unprivileged_userfaultfd=1/);
  expect(checks, "perf", "partly", /level 2/, /perf_event_paranoid=0/);
  expect(checks, "msr", "partly", /not for this user/);
  assert.deepEqual(missing(checks).map(({ id }) => id), ["privileges"]);
});

Deno.test("a user who may write the control groups can run, and root of a user namespace cannot", () => {
  class Delegated extends CapturedRoot {
    override exists(path: string, access?: "write"): boolean {
      return access === "write" ? path === "/sys/fs/cgroup" : super.exists(path);
    }
  }
  using machine = compose(server);
  const delegated = examine(new Delegated(machine.base), { ...root, uid: 1000, capabilities: 0n });
  expect(delegated, "privileges", "partly", /may write \/sys\/fs\/cgroup/);
  assert.deepEqual(missing(delegated), []);
  expect(examineTree({ "/proc/self/uid_map": "0 1000 1\n" }), "privileges", "no", /user namespace/);
  expect(examineTree({}, { capabilities: 0n }), "privileges", "partly", /without CAP_SYS_ADMIN/, /--cap-add SYS_ADMIN/);
});

Deno.test("capabilities are read bit by bit, and CAP_SYS_ADMIN stands for CAP_PERFMON", () => {
  for (const [name, bit] of Object.entries(capabilityBits)) {
    const checks = examineTree({}, { capabilities: 1n << BigInt(bit) });
    const effective = checks.filter(({ group, status }) => group === "Capabilities" && status === "yes").map(({ title }) => title);
    assert.deepEqual(effective, name === "SYS_ADMIN" ? ["CAP_SYS_ADMIN", "CAP_PERFMON"] : [`CAP_${name}`]);
  }
});

Deno.test("real-time groups and the throttle are found, with the order of the writes", () => {
  const checks = examineTree({
    ...v1,
    "/proc/sys/kernel/sched_rt_runtime_us": "950000\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us": "950000\n",
  });
  expect(checks, "rt-throttle", "partly", /950000 of 1000000 us/, /^echo -1 > \/proc\/sys\/kernel\/sched_rt_runtime_us$/);
  expect(
    checks,
    "rt-groups",
    "partly",
    /950000 us/,
    /order: echo -1 > \/proc\S+; echo -1 > \/sys\/fs\/cgroup\/cpu,cpuacct\/cpu\.rt_runtime_us/,
  );
  expect(examineTree({ ...v1, "/sys/fs/cgroup/cpu,cpuacct/cpu.rt_runtime_us": "-1\n" }), "rt-groups", "yes", /without limit/);
  expect(examineTree({ "/proc/sys/kernel/sched_rt_runtime_us": "1000000\n" }), "rt-throttle", "yes");
  expect(examineTree({ "/proc/sys/kernel/sched_rt_runtime_us": null }), "rt-throttle", "unknown");
});

Deno.test("the fair server is off, on, unseen, or not in this kernel", () => {
  const file = "/sys/kernel/debug/sched/fair_server/cpu0/runtime";
  expect(
    examineTree({ [file]: "50000000\n" }),
    "fair-server",
    "partly",
    /1 of 1/,
    /echo 0 > \/sys\/kernel\/debug\/sched\/fair_server\/cpu0\/runtime/,
  );
  expect(examineTree({ [file]: null }), "fair-server", "unknown", /debugfs is not mounted/, /^mount -t debugfs/);
  expect(examineTree({ [file]: null, "/proc/sys/kernel/osrelease": "6.1.0" }), "fair-server", "yes", /not in this kernel/);
});

Deno.test("isolation arguments: absent ones name the CPUs to give away", () => {
  const checks = examineTree({
    "/proc/cmdline": "quiet\n",
    "/sys/devices/system/cpu/nohz_full": "(null)\n",
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0-1\n",
  });
  expect(checks, "isolcpus", "no", /no isolcpus/, /^boot with isolcpus=managed_irq,2-3$/);
  expect(checks, "nohz-full", "no", /none/, /^boot with nohz_full=2-3$/);
  expect(checks, "rcu-nocbs", "no", undefined, /^boot with rcu_nocbs=2-3/);
  expect(checks, "irqaffinity", "partly", undefined, /^boot with irqaffinity=0-1$/);
  expect(examineTree({ "/sys/devices/system/cpu/nohz_full": null }), "nohz-full", "no", undefined, /CONFIG_NO_HZ_FULL/);
  expect(
    examineTree({ "/proc/cmdline": "", "/sys/devices/system/cpu/online": "0\n" }),
    "isolcpus",
    "no",
    undefined,
    /^none on this machine/,
  );
});

Deno.test("isolation arguments: isolcpus is read by its flags, and what follows -- is not ours", () => {
  const boot = (line: string, isolated = "") =>
    examineTree({ "/proc/cmdline": `${line}\n`, "/sys/devices/system/cpu/isolated": `${isolated}\n` });
  expect(boot("isolcpus=managed_irq,1-3"), "isolcpus", "yes", /managed_irq,1-3/);
  expect(boot("isolcpus=1-3", "1-3"), "isolcpus", "partly", /isolcpus=1-3/, /^boot with isolcpus=managed_irq,1-3$/);
  expect(boot("isolcpus=domain,managed_irq,2,3", "2-3"), "isolcpus", "partly", undefined, /managed_irq,2-3$/);
  expect(boot("isolcpus=nohz,1-3"), "isolcpus", "partly", undefined, /managed_irq,1-3/);
  expect(boot(`dyndbg="file a.c +p" -- isolcpus=managed_irq,1`), "isolcpus", "no");
  expect(boot("rcu-nocbs=1-2"), "rcu-nocbs", "yes", /1-2/);
  // Without a list it offloads no CPU, and lets programs do so later (kernel-parameters.txt).
  expect(boot("rcu_nocbs"), "rcu-nocbs", "no");
  expect(boot("rcu_nocbs=all"), "rcu-nocbs", "yes", /all CPUs/);
  expect(boot("xisolcpus=managed_irq,1"), "isolcpus", "no");
});

Deno.test("what disturbs is found: irqbalance, watchdog, SMT, swap, NUMA balancing, governor", () => {
  const checks = examineTree({
    "/proc/812/task/812/stat": "812 (irqbalance) S 1 812\n",
    "/proc/813/task/813/stat": "813 (sshd) S 1 813\n",
    "/proc/sys/kernel/watchdog": "1\n",
    "/proc/sys/kernel/numa_balancing": "1\n",
    "/proc/swaps": "Filename Type Size Used Priority\n/dev/dm-1 partition 999420 0 -2\n",
    "/sys/devices/system/cpu/smt/active": "1\n",
    "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave\n",
  });
  expect(checks, "irqbalance", "partly", /process 812/, /IRQBALANCE_BANNED_CPULIST/);
  expect(checks, "watchdog", "partly");
  expect(checks, "numa-balancing", "partly", /on/, /numa_balancing=0/);
  expect(checks, "swap", "partly", /^\/dev\/dm-1$/, /swapoff/);
  expect(checks, "smt", "partly", /on/, /smt\/control/);
  expect(checks, "governor", "partly", /performance, powersave/, /scaling_governor/);
  const old = examineTree({
    "/sys/devices/system/cpu/smt/active": null,
    "/sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1,3\n",
  });
  expect(old, "smt", "partly", /on/, /nosmt/);
});

Deno.test("memory: pools, nodes and userfaultfd in their states", () => {
  const pool = "/sys/kernel/mm/hugepages/hugepages";
  const empty = { [`${pool}-2048kB/nr_hugepages`]: "0\n", [`${pool}-1048576kB/nr_hugepages`]: "0\n" };
  expect(examineTree(empty), "huge-pages", "partly", /^2 MiB: none, 1 GiB: none$/, /^echo 512 > \S+hugepages-2048kB\/nr_hugepages$/);
  expect(examineTree({}), "huge-pages", "yes", /^2 MiB: 510 of 512 free$/);
  expect(examineTree({ "/sys/devices/system/node/has_memory": "0\n" }), "numa", "partly", /one/, /numa=fake/);
  expect(examineTree({ "/sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]\n" }), "thp", "partly", /^never$/);
  expect(examineTree({}, { syscall: () => -errno.ENOSYS }), "userfaultfd", "no", /unknown/, /CONFIG_USERFAULTFD/);
  expect(examineTree({ "/proc/sys/vm/unprivileged_userfaultfd": "1\n" }), "userfaultfd", "yes", /all users/);
});

Deno.test("hardware: absent devices name a module, or why there is none", () => {
  const bare = { "/dev/cpu/0/msr": null, "/sys/class/powercap/intel-rapl:0/name": null };
  const guest = "vendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor\n";
  expect(examineTree(bare), "msr", "no", undefined, /^modprobe msr$/);
  expect(examineTree(bare), "powercap", "no", undefined, /^modprobe intel_rapl_msr$/);
  expect(examineTree({ ...bare, "/proc/modules": null }), "msr", "no", undefined, /^none on this kernel/);
  expect(examineTree({ ...bare, "/proc/cpuinfo": "CPU implementer : 0x41\n" }), "msr", "no", /not an x86/, /^none on this processor/);
  expect(examineTree({ ...bare, "/proc/cpuinfo": guest }), "powercap", "no", undefined, /virtual machine/);
  expect(examineTree({ "/proc/cpuinfo": guest }), "msr", "partly", /virtual/);
  expect(
    examineTree({ "/proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n" }),
    "resctrl",
    "partly",
    undefined,
    /^mount -t resctrl/,
  );
  expect(examineTree({ "/sys/kernel/sched_ext/state": null }), "sched-ext", "no", undefined, /CONFIG_SCHED_CLASS_EXT/);
  expect(examineTree({ "/sys/kernel/tracing/available_events": null }), "tracefs", "partly", undefined, /^mount -t tracefs/);
});

Deno.test("system calls are judged by trying them, and on a captured machine by what the kernel lists", () => {
  const without = { "/proc/sys/kernel/seccomp/actions_avail": "kill_process allow\n", "/sys/kernel/security/lsm": "capability,yama\n" };
  expect(examineTree({}, captured), "seccomp-notify", "yes");
  expect(examineTree(without, captured), "seccomp-notify", "no");
  expect(examineTree({ "/proc/sys/kernel/osrelease": "5.18.19\n" }, captured), "seccomp-notify", "no", undefined, /Linux 5\.19/);
  expect(examineTree({}, captured), "landlock", "yes");
  expect(examineTree({ "/sys/kernel/security/lsm": null }, captured), "landlock", "unknown");
  expect(examineTree(without, captured), "landlock", "partly");
  expect(examineTree(without, { syscall: () => 0 }), "landlock", "partly", /not active/, /lsm=landlock,yama/);
  expect(examineTree({}, { syscall: () => -errno.EPERM }), "seccomp-notify", "no", /refused/);
});

Deno.test("examine() of a captured machine leaves open what only the machine itself could tell", () => {
  const checks = examineTree({ "/proc/1/task/1/stat": "1 (systemd) S 0 1\n", "/proc/sys/kernel/perf_event_paranoid": "0\n" }, captured);
  const open = checks.filter(({ status }) => status !== "yes").map(({ id }) => id);
  assert.deepEqual(open.filter((id) => !id.startsWith("cap-")), ["library", "compiler", "privileges"]);
  assert.deepEqual(missing(checks), []);
});

Deno.test("examine() of a captured machine takes an absent file for not captured, never for a fault", () => {
  using machine = compose({});
  const checks = examine(new CapturedRoot(machine.base), captured);
  assert.deepEqual(checks.filter(({ status }) => status !== "unknown").map(({ id }) => id), []);
  for (const file of Object.keys(server)) {
    const ours = examineTree({ [file]: null }, captured).filter(({ status }) => status === "no");
    // A list that is there and lacks an entry is a finding.
    const lists = /filesystems|cgroup\.controllers|cmdline/;
    if (!lists.test(file)) assert.deepEqual(ours.map(({ id }) => id), [], `without ${file}`);
  }
});

Deno.test("a file that may not be read makes its check unknown, and a mistake of ours is no finding", () => {
  class Refusing extends CapturedRoot {
    constructor(base: string, readonly error: Error) {
      super(base);
    }
    override tryRead(path: string): string | null {
      if (path === "/proc/swaps") throw this.error;
      return super.tryRead(path);
    }
  }
  using machine = compose(server);
  const checks = examine(new Refusing(machine.base, new SysError("read /proc/swaps", errno.EACCES)), root);
  expect(checks, "swap", "unknown", /Cannot read \/proc\/swaps: EACCES/);
  assert.equal(checks.filter(({ status }) => status !== "yes").length, 1);
  assert.throws(() => examine(new Refusing(machine.base, new TypeError("mistake")), root), /mistake/);
  expect(examineTree({ "/sys/devices/system/node/has_memory": "garbage\n" }), "numa", "unknown", /garbage/);
});
