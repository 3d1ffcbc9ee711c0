import assert from "node:assert/strict";
import { type BootArgument, type BootPlan, planBoot } from "../../../lib/kernel/boot_arguments.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import { captured, type CapturedFiles } from "../../captured.ts";
import { machine } from "../../machines/machine.ts";
import { v1, v2 } from "../../small_machines.ts";

/** CPUs 2-7 of eight, on a kernel that can stop its tick; nothing was given at boot. */
const tickless: CapturedFiles = {
  ...v2,
  "/proc/cmdline": "BOOT_IMAGE=/vmlinuz ro quiet\n",
  "/sys/devices/system/cpu/possible": "0-7\n",
  "/sys/devices/system/cpu/nohz_full": "  (null)\n",
  "/proc/irq/default_smp_affinity": "ff\n",
};
const cpus = [2, 3, 4, 5, 6, 7];
const otherCpus = [0, 1];

function plan(files: CapturedFiles, own: readonly number[] = cpus, others: readonly number[] = otherCpus): BootPlan {
  using root = captured(files);
  return planBoot(new Inventory(root), own, others);
}

function find(plan: BootPlan, name: string): BootArgument {
  const found = plan.arguments.filter(({ argument }) => argument.split("=", 1)[0] === name);
  assert.equal(found.length, 1, `${found.length} arguments are called ${name}`);
  return found[0];
}

/** Status and words of one argument, on the tickless machine booted with a command line and with other files changed. */
function now(name: string, cmdline: string, files: CapturedFiles = {}): string {
  const { status, now } = find(plan({ ...tickless, "/proc/cmdline": `${cmdline}\n`, ...files }), name);
  return `${status}: ${now}`;
}

function thread(pid: number, name: string): CapturedFiles {
  return { [`/proc/${pid}/task/${pid}/stat`]: `${pid} (${name}) I 2 0 0 0 -1 2129984 0\n` };
}

Deno.test("planBoot() wants what the containers' CPUs need, and offers choices beside it", () => {
  const { arguments: all, append, remove, untouched } = plan(tickless);
  assert.equal(append, "nohz_full=2-7 rcu_nocbs=2-7 isolcpus=managed_irq,2-7 irqaffinity=0-1 skew_tick=1");
  assert.deepEqual(all.filter(({ optional }) => optional).map(({ argument }) => argument), ["nowatchdog", "rcu_nocb_poll"]);
  assert.deepEqual([remove, untouched], [[], []]);
  for (const { argument, status, buys, costs, without } of all) {
    assert.equal(status, "inactive", argument);
    for (const words of [buys, costs, without]) assert.match(words, /^\S.*[^.\s]$/, argument);
    assert.ok(buys.length <= 110, `${argument} buys too many words`);
  }
});

Deno.test("planBoot() finds everything active on a machine that was booted with its own line", () => {
  const { append } = plan(tickless);
  const again = plan({
    ...tickless,
    "/proc/cmdline": `quiet ${append} nowatchdog rcu_nocb_poll\n`,
    "/sys/devices/system/cpu/nohz_full": "2-7\n",
  });
  assert.deepEqual(again.arguments.filter(({ status }) => status !== "active").map(({ argument, now }) => `${argument} ${now}`), []);
  assert.deepEqual([again.append, again.remove], ["", []]);
});

Deno.test("planBoot() replaces what was given for other CPUs", () => {
  const { append, remove } = plan({
    ...tickless,
    "/proc/cmdline": "nohz_full=4-7 isolcpus=4-7 irqaffinity=0-3 skew_tick=0\n",
    "/sys/devices/system/cpu/nohz_full": "4-7\n",
  });
  assert.equal(append, "nohz_full=2-7 rcu_nocbs=2-7 isolcpus=managed_irq,2-7 irqaffinity=0-1 skew_tick=1");
  assert.deepEqual(remove, ["nohz_full=4-7", "isolcpus=4-7", "irqaffinity=0-3", "skew_tick=0"]);
});

Deno.test("planBoot() believes the kernel, not the command line, about the tick", () => {
  assert.equal(now("nohz_full", "nohz_full=2-7"), "inactive: not active");
  assert.equal(now("nohz_full", "", { "/sys/devices/system/cpu/nohz_full": "\n" }), "inactive: not active");
  assert.equal(now("nohz_full", "", { "/sys/devices/system/cpu/nohz_full": "4-7\n" }), "differs: active for other CPUs: 4-7");
  assert.equal(now("nohz_full", "", { "/sys/devices/system/cpu/nohz_full": "1-7\n" }), "differs: active for more CPUs: 1-7");
});

Deno.test("planBoot() says that the CPU which boots keeps its tick, and takes that for active", () => {
  const own = [0, 1, 2, 3];
  const before = find(plan(tickless, own, [4, 5, 6, 7]), "nohz_full");
  assert.equal(before.argument, "nohz_full=0-3");
  assert.match(before.costs, /commonly CPU 0: leave that one to the ServiceOS$/);
  assert.doesNotMatch(find(plan(tickless), "nohz_full").costs, /CPU 0/);
  const after = plan({ ...tickless, "/sys/devices/system/cpu/nohz_full": "1-3\n" }, own, [4, 5, 6, 7]);
  assert.equal(find(after, "nohz_full").status, "active");
  const alone = plan(tickless, [0], [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(find(alone, "nohz_full").status, "inactive", "none is not all");
});

Deno.test("planBoot() names what the kernel was built without, and leaves it out of the line", () => {
  const { "/sys/devices/system/cpu/nohz_full": _, ...files } = tickless;
  const without = plan({ ...files, "/sys/module/rcutree/parameters/blimit": "10\n" });
  assert.equal(find(without, "nohz_full").now, "this kernel lacks CONFIG_NO_HZ_FULL");
  for (const name of ["rcu_nocbs", "rcu_nocb_poll"]) assert.equal(find(without, name).now, "this kernel lacks CONFIG_RCU_NOCB_CPU");
  assert.equal(without.append, "isolcpus=managed_irq,2-7 irqaffinity=0-1 skew_tick=1");

  const half = plan({ ...files, "/sys/module/rcutree/parameters/rcu_nocb_gp_stride": "-1\n" });
  assert.equal(find(half, "rcu_nocbs").status, "inactive");
  assert.match(half.append, /^rcu_nocbs=2-7 isolcpus/);
  assert.match(find(plan(files), "rcu_nocbs").now, /^not active; needs CONFIG_RCU_NOCB_CPU, which cannot be told from here$/);
});

Deno.test("planBoot() sees callbacks that are offloaded by one argument or the other", () => {
  const nohz = { "/sys/devices/system/cpu/nohz_full": "2-7\n" };
  assert.equal(now("rcu_nocbs", "rcu_nocbs=2-7"), "active: active");
  assert.equal(now("rcu_nocbs", "rcu_nocbs=2-N"), "active: active");
  assert.equal(now("rcu_nocbs", "nohz_full=2-7", nohz), "active: active, by nohz_full");
  assert.equal(now("rcu_nocbs", "rcu_nocbs=2-3 nohz_full=4-7", { "/sys/devices/system/cpu/nohz_full": "4-7\n" }), "active: active");
  assert.equal(now("rcu_nocbs", "rcu_nocbs=all"), "differs: active for more CPUs: 0-7");
  assert.equal(now("rcu_nocbs", "rcu_nocbs=x"), "differs: rcu_nocbs=x, which the kernel takes for all CPUs");
});

Deno.test("planBoot() takes threads of RCU for offloading only where neither argument was given", () => {
  const threads = Object.assign({}, ...cpus.map((cpu) => thread(20 + cpu, `rcuop/${cpu}`)), thread(40, "rcuog/2"), thread(41, "rcuc/9"));
  assert.equal(now("rcu_nocbs", "quiet", threads), "active: active, built in");
  // Without a list no CPU is offloaded, and yet every one has a thread.
  assert.equal(now("rcu_nocbs", "rcu_nocbs", threads), "inactive: not active");
  assert.equal(now("rcu_nocbs", "rcu_nocbs=2-3", threads), "differs: active for other CPUs: 2-3");
});

Deno.test("planBoot() tells managed interrupts from CPUs that left the scheduler", () => {
  assert.equal(now("isolcpus", "isolcpus=managed_irq,2-7"), "active: active");
  assert.equal(now("isolcpus", "isolcpus=managed_irq,2-3"), "differs: active for other CPUs: 2-3");
  assert.equal(now("isolcpus", "isolcpus=nohz,2-7"), "differs: isolcpus=nohz,2-7");
  for (const value of ["2-7", "domain,2-7", "managed_irq,domain,2-7"]) {
    assert.equal(now("isolcpus", `isolcpus=${value}`), "differs: CPUs 2-7 are out of the scheduler until the next boot (domain)");
  }
});

Deno.test("planBoot() knows interrupts that were sent away at run time from those that are at boot", () => {
  assert.equal(now("irqaffinity", "irqaffinity=0,1"), "active: active");
  assert.equal(now("irqaffinity", "irqaffinity=0"), "differs: active for other CPUs: 0");
  assert.equal(now("irqaffinity", ""), "inactive: not active");
  const mask = (text: string) => ({ "/proc/irq/default_smp_affinity": `${text}\n` });
  assert.equal(now("irqaffinity", "", mask("00000000,00000003")), "inactive: not active; at run time somebody chose CPUs 0-1");
  assert.equal(now("irqaffinity", "", mask("7")), "inactive: not active");
});

Deno.test("planBoot() asks systemd where it runs, and only there", () => {
  const systemd: CapturedFiles = {
    ...tickless,
    "/proc/1/comm": "systemd\n",
    "/proc/1/status": "Name:\tsystemd\nCpus_allowed_list:\t0-7\n",
  };
  const found = find(plan(systemd), "systemd.cpu_affinity");
  assert.deepEqual([found.argument, found.now], ["systemd.cpu_affinity=0-1", "not active; systemd runs on CPUs 0-7"]);
  assert.equal(now("systemd.cpu_affinity", "systemd.cpu_affinity=0,1", { "/proc/1/comm": "systemd\n" }), "active: active");
  assert.ok(!plan({ ...systemd, "/proc/1/comm": "init\n" }).append.includes("systemd"));
  // A capture has no names of programs.
  assert.ok(plan({ ...tickless, "/sys/fs/cgroup/init.scope/cpuset.cpus": "\n" }).append.includes("systemd.cpu_affinity=0-1"));
});

Deno.test("planBoot() asks for cgroup version 2 where version 1 has the CPUs, of whoever mounts it", () => {
  const old: CapturedFiles = { ...v1, "/proc/cmdline": "quiet\n" };
  const bare = find(plan(old), "cgroup_no_v1");
  assert.deepEqual([bare.argument, bare.now], ["cgroup_no_v1=all", "not active; the cpuset controller is on version 1"]);
  const { append, remove } = plan({ ...old, "/proc/1/comm": "systemd\n", "/proc/cmdline": "systemd.unified_cgroup_hierarchy=0\n" });
  assert.match(append, /systemd\.cpu_affinity=0-1 systemd\.unified_cgroup_hierarchy=1$/);
  assert.deepEqual(remove, ["systemd.unified_cgroup_hierarchy=0"]);
  for (const { argument } of plan(tickless).arguments) assert.ok(!argument.includes("cgroup"), argument);
});

Deno.test("planBoot() leaves the watchdog to the reader, and says when it is off already", () => {
  assert.equal(now("nowatchdog", "nowatchdog"), "active: active");
  assert.equal(now("nowatchdog", "nosoftlockup nmi_watchdog=0"), "active: active, by nosoftlockup and nmi_watchdog=0");
  assert.equal(now("nowatchdog", "nosoftlockup"), "differs: nosoftlockup: the counter is on");
  assert.equal(now("nowatchdog", "nmi_watchdog=0"), "differs: nmi_watchdog=0: the timer is on");
  assert.equal(now("nowatchdog", "", { "/proc/sys/kernel/watchdog": "0\n" }), "inactive: not active; at run time somebody switched it off");
});

Deno.test("planBoot() leaves security, memory and sleep states as they are, and says so", () => {
  const { untouched, append } = plan({ ...tickless, "/proc/cmdline": "quiet mitigations=off numa=fake=8 hugepages=512 -- nosmt\n" });
  assert.deepEqual(untouched, ["mitigations=off", "numa=fake=8", "hugepages=512"]);
  assert.doesNotMatch(append, /mitigations|numa|hugepages/);
});

Deno.test("planBoot() reads a large machine and one with holes", () => {
  const others = Array.from({ length: 16 }, (_, cpu) => cpu);
  const large = planBoot(new Inventory(machine("big-256")), Array.from({ length: 240 }, (_, index) => 16 + index), others);
  assert.equal(large.append, "nohz_full=16-255 rcu_nocbs=16-255 isolcpus=managed_irq,16-255 irqaffinity=0-15 skew_tick=1");
  const holes = planBoot(new Inventory(machine("holes")), [9, 12], [0, 1, 2, 3, 6, 8]);
  assert.equal(find(holes, "isolcpus").now, "CPUs 9,12 are out of the scheduler until the next boot (domain)");
  assert.deepEqual(holes.remove, ["isolcpus=9,12"]);
});
