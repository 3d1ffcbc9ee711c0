import assert from "node:assert/strict";
import { clockNs } from "../../../../ffi/mod.ts";
import { RefusedError } from "../../../../lib/errors.ts";
import { restorePower } from "../../../../lib/power/access/journal.ts";
import { PowerSession } from "../../../../lib/power/access/session.ts";
import { Registry } from "../../../../lib/power/registry.ts";
import { intelWithKernel, PowerMachine } from "../machines.ts";
import { Site } from "./site.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
clockNs();
{
  using machine = new PowerMachine(intelWithKernel);
  using registry = Registry.open(machine);
  registry.plan("package0/power-limit", 100);
}

/** A machine of which a part vanishes when it is looked at for the n-th time. */
class VanishingMachine extends PowerMachine {
  readonly #away = `${this.base}/away`;
  #part: string | null = null;
  #left = Infinity;
  /** How often it was looked at since {@link arm}. */
  lookCount = 0;

  /** Lets a part vanish at a look from now on, counted from 0. */
  arm(part: string, look: number): void {
    [this.#part, this.#left, this.lookCount] = [part, look, 0];
  }
  #look(): void {
    this.lookCount++;
    if (this.#left-- === 0) Deno.renameSync(this.base + this.#part, this.#away);
  }
  /** Brings it back; says whether it had vanished. */
  disarm(): boolean {
    const isAway = this.#left < 0;
    if (isAway) Deno.renameSync(this.#away, this.base + this.#part);
    this.#left = Infinity;
    return isAway;
  }
  override tryRead(path: string): string | null {
    this.#look();
    return super.tryRead(path);
  }
  override exists(path: string): boolean {
    this.#look();
    return super.exists(path);
  }
  override write(path: string, text: string): void {
    this.#look();
    super.write(path, text);
  }
}

const parts = [
  ["package0/power-limit", "/dev/cpu/0"],
  ["package0/power-limit", "/dev/cpu/0/msr"],
  ["powercap:package0/power-limit", "/sys/class/powercap/intel-rapl:0"],
  ["powercap:package0/power-limit", "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw"],
  ["cpu1/frequency-max", "/sys/devices/system/cpu/cpufreq/policy1"],
] as const;

for (const [name, part] of parts) {
  Deno.test(`a part that vanishes at any moment of a setting is refused, or set, and goes back: ${part}`, async () => {
    const outcomes = { refused: 0, set: 0, journaled: 0 };
    for (let look = 0;; look++) {
      using site = new Site(intelWithKernel, VanishingMachine);
      const machine = site.machine as VanishingMachine;
      const before = machine.state();
      const session = await PowerSession.open(site.options());
      const { min, max } = site.registry.find(name).range;
      machine.arm(part, look);
      let isSet = true;
      try {
        session.set(name, (min + max) / 2);
      } catch (error) {
        assert(error instanceof RefusedError && error.message.startsWith("Cannot set "), `${look}: ${error}`);
        isSet = false;
      }
      const wasAway = machine.disarm();
      if (!wasAway) assert(isSet, `${look}`);
      // What was written before it vanished is known, and nothing else was written.
      if (machine.state() !== before) outcomes.journaled++;
      outcomes[isSet ? "set" : "refused"]++;
      assert.deepEqual(await session.end(), []);
      assert.equal(machine.state(), before, `${look}`);
      if (!wasAway) break;
    }
    assert(outcomes.set >= 1 && outcomes.journaled >= 1, JSON.stringify(outcomes));
    if (!part.startsWith("/dev/cpu")) assert(outcomes.refused >= 2, JSON.stringify(outcomes));
  });

  Deno.test(`a part that vanishes at any moment of putting back is put back when it is there again: ${part}`, async () => {
    for (let look = 0;; look++) {
      using site = new Site(intelWithKernel, VanishingMachine);
      const machine = site.machine as VanishingMachine;
      const before = machine.state();
      const session = await PowerSession.open(site.options());
      const { min, max } = site.registry.find(name).range;
      session.set(name, (min + max) / 2);
      machine.arm(part, look);
      await session.end();
      const wasAway = machine.disarm();
      await restorePower(machine, site.directory);
      assert.equal(machine.state(), before, `${look}`);
      if (!wasAway) break;
    }
  });
}

Deno.test("what vanishes in mid-read has no value then, and a reason; the others are read", () => {
  for (let look = 0;; look++) {
    using machine = new VanishingMachine(intelWithKernel);
    using registry = Registry.open(machine);
    const names = registry.all.map(({ provider, name }) => `${provider}:${name}`);
    const whole = registry.snapshot(names);
    machine.arm("/sys/class/powercap/intel-rapl:0", look);
    const { values, missing } = registry.snapshot(names);
    if (!machine.disarm()) break;
    for (const [index, value] of values.entries()) {
      if (value === whole.values[index]) continue;
      assert.equal(value, null);
      assert.match(names[index], /^powercap:(package0|dram0)\//);
    }
    assert(missing.every(({ reason }) => reason.length > 0));
  }
});
