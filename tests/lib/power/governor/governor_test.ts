import assert from "node:assert/strict";
import { KernelRoot } from "../../../../ffi/kernel_root.ts";
import { clockNs } from "../../../../ffi/mod.ts";
import { getAffinity } from "../../../../ffi/task.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../../../lib/errors.ts";
import type { Person } from "../../../../lib/power/access/policy.ts";
import { parsePolicy } from "../../../../lib/power/access/policy_file.ts";
import { PowerSession } from "../../../../lib/power/access/session.ts";
import { Governor, type GovernorRecord } from "../../../../lib/power/governor/governor.ts";
import { ProgramRuntime } from "../../../../lib/power/governor/program.ts";
import type { RuntimePort } from "../../../../lib/power/governor/runtime.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { register } from "../../../../lib/power/registers.ts";
import { SimulatedPackage } from "../../../../lib/power/simulated/package.ts";
import { registers } from "../../../../lib/power/simulated/registers.ts";
import { InProcessMachine } from "../../../power/in_process.ts";
import { amd, bare, intel, intelWithKernel, PowerMachine, type PowerMachineParts, typicalLimits, withRegisters } from "../machines.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
const kernel = new KernelRoot();
kernel.read("/proc/self/stat");
getAffinity(0);
{
  using machine = new PowerMachine(intelWithKernel);
  using registry = Registry.open(machine);
  registry.plan("package0/power-limit", 100);
}

const second = 1_000_000_000n;
const root: Person = { uid: 0, user: "root", groups: [] };
const wish = { windowSeconds: 1, limitCelsius: null };
const anything = await parsePolicy(`users: { 0: { read: ["*"], set: { "*": any } } }`);
const cpus = [0, 1, 2, 3];
const ceiling = (cpu: number) => `/sys/devices/system/cpu/cpufreq/policy${cpu}/scaling_max_freq`;

/** A machine in a directory, with a session on it; afterwards everything is as it was. */
async function on(
  parts: PowerMachineParts,
  fn: (open: (packages?: readonly number[]) => Governor, machine: PowerMachine) => void,
  policy = anything,
): Promise<void> {
  using machine = new PowerMachine(parts);
  using registry = Registry.open(machine);
  const directory = `${machine.base}/state`;
  await using session = await PowerSession.open({ kernel: machine, registry, directory, policy, person: root });
  const before = machine.state();
  fn((packages) => Governor.open({ registry, session, ...wish, packages }), machine);
  const gone = cpus.filter((cpu) => !machine.exists(ceiling(cpu)));
  assert.deepEqual(await session.end(), []);
  if (gone.length === 0) assert.equal(machine.state(), before);
}

const limitOf = (machine: PowerMachine, cpu: number) => Number(machine.register(cpu, register.packageLimit) & 0x7fffn) / 8;

Deno.test("a governor limits every package by hardware from its first step on, and no frequency; the session puts all back", async () => {
  await on(intelWithKernel, (open, machine) => {
    const governor = open();
    assert.deepEqual(governor.packages, [0, 1]);
    const records = governor.step(120, second);
    assert.deepEqual(records.map((one) => [one.package, one.by, one.powerWatts, one.capWatts]), [[0, "hardware", null, 120], [
      1,
      "hardware",
      null,
      120,
    ]]);
    for (const { limitWatts, frequencyHz } of records) {
      assert.ok(Math.abs(limitWatts! - 120) < 1);
      assert.equal(frequencyHz, 3.2e9);
    }
    assert.deepEqual([0, 2].map((cpu) => limitOf(machine, cpu)), records.map(({ limitWatts }) => limitWatts));
    assert.deepEqual(cpus.map((cpu) => machine.read(ceiling(cpu))), cpus.map(() => "3200000\n"));
  });
});

Deno.test("a governor keeps to the packages that it was asked for", async () => {
  await on(intelWithKernel, (open, machine) => {
    const governor = open([1]);
    assert.deepEqual(governor.step(120, second).map((one) => one.package), [1]);
    assert.deepEqual([machine.register(0, register.packageLimit), limitOf(machine, 2) < 121], [typicalLimits, true]);
    assert.throws(() => open([3]), (error) => error instanceof NoSuchObjectError && /package 3: the packages are 0, 1/.test(error.message));
  });
});

Deno.test("where the limit is locked, a governor caps by frequencies, and none above the one that was allowed", async () => {
  const locked = withRegisters(intelWithKernel, { [register.packageLimit]: typicalLimits | 1n << 63n });
  const files = { ...locked.files, [ceiling(0)]: "2000000\n", [ceiling(1)]: "2000000\n" };
  await on({ ...locked, files }, (open, machine) => {
    const governor = open([0]);
    const [{ by, limitWatts, frequencyHz }] = governor.step(110, second);
    assert.deepEqual([by, limitWatts], ["software", null]);
    assert.ok(frequencyHz < 2e9 && frequencyHz >= 1e9, `${frequencyHz}`);
    assert.deepEqual(cpus.map((cpu) => Number(machine.read(ceiling(cpu))) * 1000), [frequencyHz, frequencyHz, 3.2e9, 3.2e9]);
    const [up] = governor.step(10_000, 2n * second);
    assert.equal(up.frequencyHz, 2e9);
  });
});

Deno.test("a CPU that goes is left out; when nothing is left to be set, the governor says so", async () => {
  const files = Object.fromEntries(Object.entries(intelWithKernel.files).filter(([path]) => !path.includes("constraint")));
  await on({ files, registers: { 0: {} } }, (open, machine) => {
    const governor = open([0]);
    governor.step(30, second);
    Deno.removeSync(machine.base + ceiling(0));
    const [{ frequencyHz }] = governor.step(22, 2n * second);
    assert.equal(Number(machine.read(ceiling(1))) * 1000, frequencyHz);
    Deno.removeSync(machine.base + ceiling(1));
    assert.throws(() => {
      for (let count = 3n; count < 20n; count++) governor.step(count % 2n === 0n ? 20 : 40, count * second);
    }, RefusedError);
  });
});

Deno.test("where there are no frequencies, duty cycles do", async () => {
  await on(withRegisters(intel, { [register.packageLimit]: typicalLimits | 1n << 63n }), (open, machine) => {
    const [{ by, dutySixteenths }] = open([0]).step(60, second);
    assert.equal(by, "software");
    assert.ok(dutySixteenths < 16);
    assert.deepEqual([0, 1, 2].map((cpu) => machine.register(cpu, register.clockModulation)), [
      BigInt(0x10 | dutySixteenths),
      BigInt(0x10 | dutySixteenths),
      0n,
    ]);
  });
});

Deno.test("a machine that cannot be measured or capped is refused with what is lacking", async () => {
  const refusal = (pattern: RegExp) => (error: unknown) =>
    error instanceof RefusedError && pattern.test(`${error.message} ${error.remedy}`);
  await on({ ...bare, registers: { 0: {} } }, (open) => {
    assert.throws(() => open(), refusal(/Cannot cap package 0: nothing tells its power .*(powercap|energy)/));
  });
  await on(amd, (open) => {
    assert.throws(() => open(), refusal(/neither a power limit nor frequencies nor duty cycles can be set .*AMD/));
  });
});

Deno.test("the policy says what a governor may read and set", async () => {
  const reading = await parsePolicy(`users: { 0: { read: ["package0/energy"], set: { "package1/*": any } } }`);
  await on(intelWithKernel, (open) => assert.throws(() => open(), /Cannot read package0\/throttled-time: the policy/), reading);
  const none = await parsePolicy(`users: { 0: { read: ["*"], set: {} } }`);
  await on(intelWithKernel, (open, machine) => {
    const before = machine.state();
    const governor = open();
    // The limit is refused in the first step, and then what would do without it.
    assert.throws(() => [1n, 2n].map((count) => governor.step(120, count * second)), /the policy does not allow/);
    assert.equal(machine.state(), before);
  }, none);
  const narrow = await parsePolicy(
    `users: { 0: { read: ["*"], set: { "package0/power-limit": { min: 100, max: 150 }, "package0/power-limit-window": any } } }`,
  );
  await on(intelWithKernel, (open, machine) => {
    const governor = open([0]);
    governor.step(120, second);
    assert.ok(limitOf(machine, 0) < 121);
    assert.throws(() => governor.step(80, 2n * second), /the policy (does not )?allow/);
    assert.ok(limitOf(machine, 0) > 100);
  }, narrow);
});

Deno.test("a governor refuses caps that are none, and time that stands still; nothing is set", async () => {
  await on(intelWithKernel, (open, machine) => {
    const before = machine.state();
    for (const cap of [NaN, 0, -5]) assert.throws(() => open().step(cap, second), UsageError);
    assert.equal(machine.state(), before);
    const governor = open();
    governor.step(120, second);
    assert.throws(() => governor.step(120, second), RangeError);
  });
});

/** Caps a simulated package for some time. */
function cap(device: SimulatedPackage, machine: InProcessMachine, capWatts: number, seconds: number, each = () => {}): GovernorRecord[] {
  const governor = Governor.open({ registry: machine.registry, session: machine, windowSeconds: 0.2, limitCelsius: null });
  return Array.from({ length: Math.round(seconds / 0.01) }, () => {
    device.advance(0.01);
    each();
    return governor.step(capWatts, machine.nowNs)[0];
  });
}

Deno.test("a limit that is taken and does not hold is left to software", () => {
  const device = new SimulatedPackage(undefined, { priorWatts: 150 });
  using machine = new InProcessMachine(device);
  // The counter of a package that draws 150 W whatever its limit is.
  let joules = 0;
  const records = cap(device, machine, 110, 4, () => machine.energyCount = BigInt(Math.floor((joules += 1.5) * 2 ** 14)));
  assert.equal(records[50].by, "hardware");
  const last = records.at(-1)!;
  assert.equal(last.by, "software");
  assert.equal(last.frequencyHz, 1e9);
});

Deno.test("what is as wanted is not written again", () => {
  const device = new SimulatedPackage(undefined, { priorWatts: 150 });
  using machine = new InProcessMachine(device);
  cap(device, machine, 120, 4);
  assert.ok(machine.writes.get("package0/power-limit")! < 60);
  assert.equal(machine.writes.get("package0/power-limit-window"), 1);
  assert.equal(machine.writes.get("cpu0/frequency-max"), undefined);
});

Deno.test("a poll without a value is a missed one", () => {
  const device = new SimulatedPackage(undefined, { priorWatts: 150 });
  using machine = new InProcessMachine(device);
  const read = device.read.bind(device);
  let poll = 0;
  device.read = (cpu, number) => number === registers.PKG_ENERGY_STATUS && poll % 3 === 1 ? null : read(cpu, number);
  const records = cap(device, machine, 120, 3, () => poll++);
  device.read = read;
  assert.ok(records.slice(1).some(({ powerWatts }) => powerWatts === null));
  const late = records.slice(150).flatMap(({ powerWatts }) => powerWatts ?? []);
  const mean = late.reduce((sum, watts) => sum + watts, 0) / late.length;
  assert.ok(Math.abs(mean / 120 - 1) < 0.02, `${mean} W`);
});

Deno.test("a runtime with two threads for each core is asked for threads, and its floor is one of threads", () => {
  const device = new SimulatedPackage(undefined, { priorWatts: 150 });
  using machine = new InProcessMachine(device);
  const all = device.placement;
  device.lockLimits();
  let asked = { request: 0, wantedCores: 32 };
  const runtime: RuntimePort = {
    limits: { coresMin: 8, coresMax: 32, answerSeconds: 1 },
    ask: (request) => asked = request,
    poll: () => ({ answer: asked.request === 0 ? null : { ...asked, activeCores: asked.wantedCores }, heartbeatSeconds: [] }),
    enforce: () => assert.fail("it answers"),
  };
  const governor = Governor.open({ registry: machine.registry, session: machine, runtime, windowSeconds: 0.2, limitCelsius: null });
  const goOn = (capWatts: number, seconds: number) => {
    let last: GovernorRecord | undefined;
    for (let step = 0; step < seconds / 0.01; step++) {
      device.advance(0.01);
      [last] = governor.step(capWatts, machine.nowNs);
      device.place(all.slice(0, last.activeCores));
    }
    return last!;
  };
  const low = goOn(50, 3);
  assert.ok(low.wantedCores < 12 && low.wantedCores >= 4, `${low.wantedCores}`);
  assert.deepEqual([asked.wantedCores, low.activeCores], [2 * low.wantedCores, low.wantedCores]);
  goOn(150, 3);
  assert.equal(asked.wantedCores, 32);
  assert.equal(goOn(20, 3).wantedCores, 4);
  assert.equal(asked.wantedCores, 8);
});

const noSecondCpu = kernel.read("/sys/devices/system/cpu/online").trim() === "0" ? " [needs two CPUs]" : "";

Deno.test(
  { name: `a program that knows of nothing is held to its floor while a cap needs it${noSecondCpu}`, ignore: noSecondCpu !== "" },
  async () => {
    const device = new SimulatedPackage(undefined, { priorWatts: 150 });
    using machine = new InProcessMachine(device);
    const all = device.placement;
    device.lockLimits();
    using runtime = ProgramRuntime.create({ kernel, coresMax: 16, coresMin: 1 });
    const child = new Deno.Command("sleep", { args: ["300"], env: { ...runtime.env } }).spawn();
    try {
      runtime.started(child.pid);
      const governor = Governor.open({ registry: machine.registry, session: machine, runtime, windowSeconds: 0.2, limitCelsius: null });
      const goOn = (capWatts: number) => {
        for (let step = 0; step < 300; step++) {
          device.advance(0.01);
          const [{ activeCores }] = governor.step(capWatts, machine.nowNs);
          device.place(all.slice(0, activeCores));
        }
        return /^Cpus_allowed_list:\s*(.+)$/m.exec(kernel.read(`/proc/${child.pid}/status`))![1];
      };
      const before = goOn(150);
      assert.match(before, /[-,]/);
      assert.doesNotMatch(goOn(50), /[-,]/);
      assert.ok(governor.isRuntimeSilent);
      assert.equal(goOn(150), before);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
  },
);
