import assert from "node:assert/strict";
import fc from "fast-check";
import { clockNs } from "../../../../ffi/mod.ts";
import { NoSuchObjectError, RefusedError, UsageError } from "../../../../lib/errors.ts";
import { restorePower } from "../../../../lib/power/access/journal.ts";
import { PowerSession } from "../../../../lib/power/access/session.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { register } from "../../../../lib/power/registers.ts";
import { splitMsr } from "../../../../lib/plan/power.ts";
import { Noise } from "../../../../lib/power/simulated/random.ts";
import { intelWithKernel, PowerMachine, typicalLimits } from "../machines.ts";
import { alice, busyWriterOf, root, Site, writerOf } from "./site.ts";
import { refusalOf, wrongRequests } from "./wrong_requests.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
{
  using machine = new PowerMachine(intelWithKernel);
  using registry = Registry.open(machine);
  registry.plan("package0/power-limit", 100);
}

Deno.test("a session sets registers and files, says what they have then, and puts them back", async () => {
  using site = new Site();
  const before = site.machine.state();
  {
    await using session = await PowerSession.open(site.options());
    assert.deepEqual(session.set("package0/power-limit", 100.05), { name: "package0/power-limit", asked: 100.05, value: 100 });
    assert.deepEqual(session.set("package0/power-limit-window", 0.1), { name: "package0/power-limit-window", asked: 0.1, value: 0.09375 });
    assert.deepEqual(session.set("cpu1/frequency-max", 2e9).value, 2e9);
    assert.deepEqual(session.set("powercap:package1/power-limit", 90).value, 90);
    assert.deepEqual(session.set("package0/power-limit", 110).value, 110);
    assert.deepEqual(session.snapshot(["package0/power-limit", "package0/power-limit-short", "package1/power-limit"]).values, [
      110,
      180,
      150,
    ]);
    assert.notEqual(site.machine.state(), before);
  }
  assert.equal(site.machine.state(), before);
});

Deno.test("whatever a session sets, everything is as before at its end, bit for bit", async () => {
  using site = new Site();
  const actuators = site.registry.all.filter(({ isWritable }) => isWritable);
  const setting = fc.tuple(fc.constantFrom(...actuators), fc.double({ min: 0, max: 1, noNaN: true }));
  const odd = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
  await fc.assert(
    fc.asyncProperty(fc.array(setting, { minLength: 1, maxLength: 8 }), odd, async (settings, limits) => {
      // Also what no program would have set: reserved bits stay as they were.
      site.machine.setRegister(2, register.packageLimit, limits);
      const before = site.machine.state();
      const session = await PowerSession.open(site.options());
      for (const [{ provider, name, range: { min, max } }, share] of settings) {
        try {
          session.set(`${provider}:${name}`, min + share * (max - min));
        } catch (error) {
          assert(error instanceof UsageError, `${error}`);
        }
      }
      assert.deepEqual(await session.end(), []);
      assert.equal(site.machine.state(), before);
    }),
    { numRuns: 40 },
  );
});

Deno.test("there is one writer at a time, and readers as many as want to", async () => {
  using site = new Site();
  const first = await PowerSession.open(site.options());
  await assert.rejects(
    PowerSession.open(site.options(alice)),
    (error) =>
      error instanceof RefusedError && error.message.includes(`process ${Deno.pid} (root) is doing so`) && error.remedy !== undefined,
  );
  const reader = PowerSession.forReading(site.options(alice));
  assert.deepEqual(reader.snapshot(["package0/energy"]).values, [1]);
  assert.throws(() => reader.set("package0/power-limit", 110), /only reads/);
  await first.end();
  await first.end();
  await using second = await PowerSession.open(site.options(alice));
  assert.equal(second.set("package0/power-limit", 110).value, 110);
});

Deno.test("a session refuses what the policy does not allow, and reads nothing of it", async () => {
  using site = new Site();
  await using session = await PowerSession.open(site.options(alice));
  for (
    const [name, value] of [["package0/power-limit", 121], ["package0/power-limit", 99], ["package1/power-limit", 110], [
      "cpu0/duty-cycle",
      50,
    ]] as const
  ) {
    assert.throws(() => session.set(name, value), (error) => error instanceof RefusedError && /policy/.test(error.message));
  }
  assert.throws(
    () => session.snapshot(["package0/energy", "package1/energy"]),
    (error) => error instanceof RefusedError && /package1/.test(error.message),
  );
});

Deno.test("a setting that the machine takes and does not make is refused", async () => {
  using site = new Site();
  await using session = await PowerSession.open(site.options());
  site.machine.round = () => "150000000";
  assert.throws(
    () => session.set("powercap:package0/power-limit", 90),
    (error) => error instanceof RefusedError && /took it, and stays at 150 W/.test(error.message),
  );
  site.machine.round = (_path, text) => `${Math.floor(Number(text) / 125_000) * 125_000}`;
  assert.deepEqual(session.set("powercap:package0/power-limit", 90.1).value, 90);
});

/** What may be wrong with a machine. */
type Trouble = "none" | "gone" | "short" | "locked";

/** A request that is right, while something is wrong with the machine. */
const troubled = fc.record({
  verb: fc.constantFrom("set" as const, "read" as const),
  name: fc.constant("package0/power-limit"),
  value: fc.double({ min: 60, max: 400, noNaN: true }),
  person: fc.constant(root),
  trouble: fc.constantFrom<Trouble>("gone", "short", "locked"),
});

/** Does something while a device is not as it should be. */
function during(machine: PowerMachine, trouble: Trouble, act: () => void): void {
  const device = machine.devicePath(0);
  const away = `${machine.base}/away`;
  const whole = Deno.readFileSync(device);
  if (trouble === "gone") Deno.renameSync(device, away);
  if (trouble === "short") Deno.truncateSync(device, register.packageLimit * 8 + 4);
  if (trouble === "locked") machine.setRegister(0, register.packageLimit, typicalLimits | 1n << 63n);
  const hurt = Deno.readFileSync(trouble === "gone" ? away : device);
  try {
    act();
    assert.deepEqual(Deno.readFileSync(trouble === "gone" ? away : device), hurt, "something was written");
  } finally {
    if (trouble === "gone") Deno.renameSync(away, device);
    else Deno.writeFileSync(device, whole);
  }
}

Deno.test("1,000 wrong requests are refused in words, and nothing is written", async () => {
  using site = new Site();
  const { machine, registry } = site;
  const before = machine.state();
  const session = await PowerSession.open(site.options());
  const other = PowerSession.forReading(site.options(alice));
  const refusals = new Map<string, number>();
  const wrong = wrongRequests(registry).map((request) => ({ ...request, trouble: "none" as Trouble }));
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: wrong }, { weight: 1, arbitrary: troubled }), (request) => {
      const { verb, name, value, person, trouble } = request;
      during(machine, trouble, () => {
        const asked = person === root ? session : other;
        const act = () => verb === "set" ? asked.set(name, value) : readNow(asked, name);
        // Who only reads is served by a device that is open, and is not disturbed by a lock.
        if (verb === "read" && (trouble === "gone" || trouble === "locked")) return act();
        const refusal = refusalOf(act);
        refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
      });
      assert.equal(machine.state(), before);
      assert.deepEqual(machine.writes, []);
    }),
    { numRuns: 1000 },
  );
  assert.deepEqual([...refusals.keys()].sort(), ["NoSuchObjectError", "RefusedError", "UsageError"]);
  assert.deepEqual(await session.end(), []);
  assert.equal(machine.state(), before);
});

/** A value that cannot be read is no error of a snapshot, and is one here. */
function readNow(session: PowerSession, name: string): void {
  const { values: [value], missing: [missing] } = session.snapshot([name]);
  if (value === null) throw new RefusedError(`Cannot read ${name}: ${missing.reason}`);
}

Deno.test("who comes after a writer that was killed finds everything as it was before", async () => {
  using site = new Site();
  const before = site.machine.state();
  const child = await writerOf(site, "package0/power-limit", "100", "cpu2/duty-cycle", "50", "powercap:package1/power-limit", "90");
  assert.notEqual(site.machine.state(), before);
  await assert.rejects(
    PowerSession.open(site.options()),
    (error) => error instanceof RefusedError && error.message.includes(`process ${child.pid} (writer)`),
  );
  assert.deepEqual(await restorePower(site.machine, site.directory), { steps: [], left: [] });
  child.kill("SIGKILL");
  await child.status;
  let restored = 0;
  await using _session = await PowerSession.open({ ...site.options(), onRestored: ({ steps }) => restored = steps.length });
  assert.equal(restored, 3);
  assert.equal(site.machine.state(), before);
});

Deno.test("wherever a writer is killed, restorePower() puts every bit back", async () => {
  using site = new Site();
  const before = site.machine.state();
  const noise = new Noise(fc.sample(fc.nat(), 1)[0]);
  const runs = Number(Deno.env.get("NODEOS_TEST_RUNS") ?? 5);
  let restored = 0;
  // On a slow machine a few end before they begin.
  for (let run = 0; run < runs || restored === 0 && run < 200; run++) {
    const child = await busyWriterOf(site, Math.floor(noise.fraction() * 1e9));
    await new Promise((resolve) => setTimeout(resolve, noise.fraction() * 30));
    child.kill("SIGKILL");
    await child.status;
    const { steps, left } = await restorePower(site.machine, site.directory);
    restored += steps.length;
    assert.deepEqual(left, []);
    assert.equal(site.machine.state(), before);
  }
  assert.ok(restored > 0);
});

/** Bits of a register that an actuator may change. */
function masksOf({ registry }: Site): Map<string, { readonly cpu: number; readonly address: number; readonly mask: bigint }> {
  const actuators = registry.all.filter(({ isWritable, provider }) => isWritable && provider === "msr");
  return new Map(actuators.map(({ name, range: { max } }) => [name, splitMsr(registry.plan(name, max)[0].what)]));
}

Deno.test("a setting changes its own bits and no others, to what was asked for or less, and a refused one none", async () => {
  using site = new Site();
  const { machine, registry } = site;
  const masks = masksOf(site);
  const place = fc.constantFrom(...masks.keys());
  // A little below the range, to a little above.
  const wish = fc.tuple(place, fc.double({ min: -0.1, max: 1.1, noNaN: true }), fc.boolean());
  await fc.assert(
    fc.asyncProperty(fc.array(wish, { minLength: 1, maxLength: 12 }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), async (wishes, odd) => {
      machine.setRegister(0, register.packageLimit, odd);
      machine.setRegister(3, register.clockModulation, odd);
      const before = machine.state();
      await using session = await PowerSession.open(site.options());
      for (const [name, share, isLocked] of wishes) {
        const { cpu, address, mask } = masks.get(name)!;
        const { range: { min, max }, unit, resolution } = registry.find(name);
        const [asked, now] = [min + share * (max - min), machine.register(cpu, address)];
        const hasLock = isLocked && unit === "W" && cpu === 2;
        if (hasLock) machine.setRegister(cpu, address, now | 1n << 63n);
        const stood = machine.state();
        let value: number | null = null;
        try {
          value = session.set(name, asked).value;
        } catch (error) {
          assert(error instanceof UsageError || error instanceof RefusedError, `${error}`);
        }
        const found = machine.register(cpu, address);
        if (hasLock) machine.setRegister(cpu, address, found & ~(1n << 63n));
        if (value === null) {
          assert.equal(hasLock ? found & ~(1n << 63n) : found, now, name);
          assert.ok(hasLock || asked < min || asked > max, `${name} to ${asked} was refused`);
          continue;
        }
        assert.equal((found ^ now) & ~mask & ~(hasLock ? 1n << 63n : 0n), 0n, `${name} to ${asked}`);
        const others = (text: string) => text.split("\n").filter((line) => !line.startsWith(`${cpu} ${address} `)).join("\n");
        assert.equal(others(machine.state()), others(stood));
        if (unit === "W") assert.ok(value <= asked && value > asked - resolution - 1e-9, `${name} to ${asked} is ${value}`);
        if (unit === "s") assert.ok(value <= asked * (1 + 1e-9) && value > asked / 1.3, `${name} to ${asked} is ${value}`);
        if (unit === "%") assert.ok(value >= asked - 1e-7 && value < asked + resolution, `${name} to ${asked} is ${value}`);
      }
      assert.deepEqual(await session.end(), []);
      assert.equal(machine.state(), before);
    }),
    { numRuns: Number(Deno.env.get("NODEOS_TEST_RUNS") ?? 30) },
  );
});

Deno.test("restorePower() puts back what a killed writer left, once", async () => {
  using site = new Site();
  assert.deepEqual(await restorePower(site.machine, site.directory), { steps: [], left: [] });
  const before = site.machine.state();
  const child = await writerOf(site, "package1/power-limit", "77.5", "cpu0/frequency-max", "1500000000");
  child.kill("SIGKILL");
  await child.status;
  const { steps, left } = await restorePower(site.machine, site.directory);
  assert.deepEqual(steps.map(({ what }) => what), ["msr:2:0x610:0x1ffff", "/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq"]);
  assert.deepEqual(left, []);
  assert.equal(site.machine.state(), before);
  assert.deepEqual(await restorePower(site.machine, site.directory), { steps: [], left: [] });
});

Deno.test("what the machine will not take back is said, keeps the next writer out, and is tried again", async () => {
  using site = new Site();
  const before = site.machine.state();
  const session = await PowerSession.open(site.options());
  session.set("powercap:package0/power-limit", 90);
  site.machine.round = () => "90000000";
  const left = await session.end();
  assert.deepEqual(left.map(({ found }) => found), ["90000000"]);
  await assert.rejects(
    PowerSession.open(site.options()),
    (error) => error instanceof RefusedError && /should go back to 150000000/.test(error.message),
  );
  site.machine.round = (_path, text) => text;
  await using _next = await PowerSession.open(site.options());
  assert.equal(site.machine.state(), before);
});

Deno.test("an actuator that vanished before it is first set is refused, and not journaled", async () => {
  using site = new Site();
  await using session = await PowerSession.open(site.options());
  Deno.removeSync(`${site.machine.base}/sys/devices/system/cpu/cpufreq/policy1`, { recursive: true });
  assert.throws(() => session.set("cpu1/frequency-max", 2e9), (error) => error instanceof RefusedError && /not there/.test(error.message));
  assert.throws(() => session.set("cpu9/frequency-max", 2e9), NoSuchObjectError);
});

Deno.test("the setting of a CPU that is off goes back when it is there again, whoever writes then", async () => {
  using site = new Site();
  const before = site.machine.state();
  const session = await PowerSession.open(site.options());
  session.set("package1/power-limit", 100);
  session.set("package0/power-limit", 100);
  Deno.renameSync(site.machine.devicePath(2), `${site.machine.base}/away`);
  assert.deepEqual(await session.end(), []);
  // The next writer takes it over, and so does the one after it.
  await (await PowerSession.open(site.options())).end();
  await using next = await PowerSession.open(site.options());
  Deno.renameSync(`${site.machine.base}/away`, site.machine.devicePath(2));
  assert.notEqual(site.machine.state(), before);
  assert.equal(next.set("package1/power-limit", 120).value, 120);
  await next.end();
  assert.equal(site.machine.state(), before);
  assert.deepEqual(await restorePower(site.machine, site.directory), { steps: [], left: [] });
});
