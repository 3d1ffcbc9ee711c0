import assert from "node:assert/strict";
import fc from "fast-check";
import { withLimit } from "../../../../lib/power/control/rapl.ts";
import { decodePackageLimits, decodePowerInfo, decodeUnits } from "../../../../lib/power/registers.ts";
import { type PackageOptions, SimulatedPackage } from "../../../../lib/power/simulated/package.ts";
import { type PackageParameters, serverPackage } from "../../../../lib/power/simulated/parameters.ts";
import { registers } from "../../../../lib/power/simulated/registers.ts";
import { steadyWorkload } from "../../../../lib/power/simulated/workload.ts";

const make = (parameters: Partial<PackageParameters> = {}, options: PackageOptions = {}) =>
  new SimulatedPackage({ ...serverPackage, ...parameters }, { priorWatts: 150, ...options });

function setLimit(device: SimulatedPackage, limitWatts: number, windowSeconds = 0.1, isClamped = true): void {
  const units = decodeUnits(device.read(0, registers.RAPL_POWER_UNIT)!);
  const info = decodePowerInfo(device.read(0, registers.PKG_POWER_INFO)!, units);
  const before = device.read(0, registers.PKG_POWER_LIMIT)!;
  const after = withLimit(before, 1, { limitWatts, windowSeconds, isEnabled: true, isClamped }, units, info);
  assert.equal(device.write(0, registers.PKG_POWER_LIMIT, after), "done");
}

/** Mean power over some time, by the counter. */
function meanWatts(device: SimulatedPackage, seconds: number, register: number = registers.PKG_ENERGY_STATUS, joules = 2 ** -14): number {
  const before = device.read(0, register)!;
  device.advance(seconds);
  return Number((device.read(0, register)! - before) & 0xffffffffn) * joules / seconds;
}

Deno.test("a typical part without a limit draws 160 W at 2.4 GHz, near 235 W at 3.2 GHz, as the model is fitted", () => {
  const device = make({}, { priorWatts: 160 });
  device.write(0, registers.PKG_POWER_LIMIT, 0n);
  assert.ok(meanWatts(device, 5) > 225);
  for (let cpu = 0; cpu < 16; cpu++) device.write(cpu, registers.PERF_CTL, 24n << 8n);
  device.advance(60);
  const watts = meanWatts(device, 5);
  assert.ok(watts > 155 && watts < 165, `${watts} W`);
});

Deno.test("energy by the counter is the energy that was drawn, also when the counter wraps", () => {
  const device = make({}, { energyCount: 2 ** 32 - 1000 });
  const before = device.truth().energyJoules;
  const watts = meanWatts(device, 10);
  assert.ok(device.read(0, registers.PKG_ENERGY_STATUS)! < 2n ** 31n, "it has wrapped");
  assert.ok(Math.abs(watts * 10 - (device.truth().energyJoules - before)) < 1);
});

Deno.test("a limit from 80 W to 190 W is kept within a bin, over any window, and its average never exceeded for long", () => {
  fc.assert(
    fc.property(fc.integer({ min: 80, max: 190 }), fc.constantFrom(0.01, 0.046, 0.1, 1), (cap, window) => {
      const device = make({}, { priorWatts: 190 });
      device.advance(2);
      setLimit(device, cap, window);
      device.advance(Math.max(0.2, 4 * window));
      const watts = meanWatts(device, 2);
      assert.ok(watts < cap * 1.001 && watts > cap * 0.96, `${watts} W of ${cap} W over ${window} s`);
    }),
    { numRuns: 25 },
  );
});

Deno.test("the real power under a limit is a * limit + b", () => {
  const device = make({ raplSlope: 0.83, raplOffsetWatts: 7.07 });
  setLimit(device, 140);
  device.advance(2);
  assert.ok(Math.abs(meanWatts(device, 2) - (0.83 * 140 + 7.07)) < 2);
});

Deno.test("a limit below the least one is enforced as the least one", () => {
  const device = make({ limitMinWatts: 100 });
  const raw = device.read(0, registers.PKG_POWER_LIMIT)!;
  device.write(0, registers.PKG_POWER_LIMIT, raw & ~0x7fffn | 50n * 8n);
  device.advance(8);
  assert.ok(Math.abs(meanWatts(device, 2) - 100) < 3);
});

Deno.test("without the clamp bit, nothing below the nominal frequency is taken away", () => {
  const device = make();
  device.write(0, registers.PKG_POWER_LIMIT, 0n);
  setLimit(device, 90, 0.1, false);
  device.advance(2);
  assert.equal(device.truth().frequencyHz, 2.4e9);
});

Deno.test("a locked limit refuses writes and stays in force", () => {
  const device = make();
  setLimit(device, 120);
  device.lockLimits();
  const before = device.read(0, registers.PKG_POWER_LIMIT)!;
  assert.equal(device.write(0, registers.PKG_POWER_LIMIT, 0n), "locked");
  assert.equal(device.read(0, registers.PKG_POWER_LIMIT), before);
  device.advance(2);
  assert.ok(Math.abs(meanWatts(device, 1) - 120) < 2);
  const own = make();
  own.write(0, registers.PKG_POWER_LIMIT, 1n << 63n);
  assert.ok(decodePackageLimits(own.read(0, registers.PKG_POWER_LIMIT)!, decodeUnits(0xa0e03n)).isLocked);
});

Deno.test("throttled time counts while a limit holds the cores back, and not otherwise", () => {
  const free = make();
  free.write(0, registers.PKG_POWER_LIMIT, 0n);
  free.advance(1);
  assert.equal(free.read(0, registers.PKG_PERF_STATUS), 0n);
  const held = make();
  setLimit(held, 100);
  held.advance(3);
  assert.ok(Number(held.read(0, registers.PKG_PERF_STATUS)!) / 1024 > 2.5);
});

Deno.test("MPERF and APERF tell the frequency, of busy cores only", () => {
  const device = make({}, { workload: { ...steadyWorkload, threads: [1, 1] } });
  for (let cpu = 0; cpu < 16; cpu++) device.write(cpu, registers.HWP_REQUEST, 0x1800n | 10n);
  device.advance(1);
  const ratio = (cpu: number) => Number(device.read(cpu, registers.APERF)!) / Number(device.read(cpu, registers.MPERF)!);
  assert.ok(Math.abs(ratio(0) - 1) < 0.01);
  assert.equal(device.read(0, registers.PERF_STATUS), 24n << 8n);
  assert.equal(device.read(5, registers.MPERF), 0n);
});

Deno.test("clock modulation takes power and progress away in sixteenths", () => {
  const [full, half] = [0n, 0x18n].map((modulation) => {
    const device = make();
    for (let cpu = 0; cpu < 16; cpu++) {
      device.write(cpu, registers.PERF_CTL, 10n << 8n);
      assert.equal(device.write(cpu, registers.CLOCK_MODULATION, modulation), "done");
    }
    device.advance(2);
    return { watts: meanWatts(device, 1), work: device.truth().work };
  });
  assert.ok(half.watts < full.watts - 10);
  assert.ok(half.work < 0.65 * full.work);
});

Deno.test("fewer cores draw less and do less", () => {
  const [all, few] = [16, 4].map((count) => {
    const device = make();
    device.place(Array.from({ length: count }, (_, core) => core));
    device.advance(3);
    return { watts: meanWatts(device, 1), work: device.truth().work };
  });
  assert.ok(few.watts < all.watts / 2 && few.work < all.work / 2);
});

Deno.test("a hot package throttles at PROCHOT, says so, and its readout counts down from TjMax", () => {
  const device = make({ ambientCelsius: 60 }, { priorWatts: 150 });
  let sawHot = false;
  for (let ms = 0; ms < 3000; ms++) {
    device.advance(0.001);
    sawHot ||= (device.read(0, registers.PACKAGE_THERM_STATUS)! & 1n) === 1n;
  }
  assert.ok(sawHot);
  assert.ok(device.truth().throttledSeconds > 0.5);
  assert.ok(device.truth().hottestCelsius < 98);
  const status = device.read(0, registers.PACKAGE_THERM_STATUS)!;
  assert.equal(status >> 31n, 1n, "the readout is valid");
  assert.ok(96 - Number(status >> 16n & 0x7fn) > 90);
  assert.equal(device.read(0, registers.TEMPERATURE_TARGET), 96n << 16n);
});

Deno.test("threads side by side make hotter cores than threads apart", () => {
  const hottest = (cores: number[]) => {
    const device = make({}, { workload: { ...steadyWorkload, threads: [1, 1, 1, 1] } });
    device.place(cores);
    device.advance(5);
    return device.truth().hottestCelsius;
  };
  assert.ok(hottest([5, 6, 7, 8]) > hottest([0, 5, 10, 15]) + 1);
});

Deno.test("memory has a counter, and a limit that costs progress", () => {
  const [free, held] = [0n, BigInt(10 * 8) | 1n << 15n].map((limit) => {
    const device = make();
    assert.equal(device.write(0, registers.DRAM_POWER_LIMIT, limit), "done");
    const watts = meanWatts(device, 2, registers.DRAM_ENERGY_STATUS, 2 ** -16);
    return { watts, work: device.truth().work, limited: device.read(0, registers.DRAM_PERF_STATUS)! };
  });
  assert.ok(free.watts > 13 && held.watts < 10.1, `${free.watts} W, ${held.watts} W`);
  assert.ok(held.work < 0.5 * free.work && held.limited > 1000n && free.limited === 0n);
});

Deno.test("DRAM limits lock, too", () => {
  const device = make();
  assert.equal(device.write(0, registers.DRAM_POWER_LIMIT, 1n << 31n), "done");
  assert.equal(device.write(0, registers.DRAM_POWER_LIMIT, 0n), "locked");
});

Deno.test("unknown registers and CPUs read as nothing; wrong writes are refused and change nothing", () => {
  const device = make();
  for (const [cpu, register] of [[0, 0x999], [16, 0x610], [-1, 0x610], [0.5, 0x610], [NaN, 0x610], [0, NaN]]) {
    assert.equal(device.read(cpu, register), null);
    assert.equal(device.write(cpu, register, 0n), "unknown register");
  }
  const before = device.read(0, registers.PKG_POWER_LIMIT);
  for (const value of [-1n, 1n << 64n]) assert.equal(device.write(0, registers.PKG_POWER_LIMIT, value), "invalid value");
  assert.equal(device.write(0, registers.CLOCK_MODULATION, 0x20n), "invalid value");
  const readOnly = [registers.RAPL_POWER_UNIT, registers.PKG_ENERGY_STATUS, registers.PKG_POWER_INFO, registers.THERM_STATUS];
  for (const register of readOnly) assert.equal(device.write(0, register, 0n), "read-only");
  assert.equal(device.read(0, registers.PKG_POWER_LIMIT), before);
});

Deno.test("every register that can be read is 64 bits at most, whatever is written before", () => {
  const writable = [registers.PKG_POWER_LIMIT, registers.PERF_CTL, registers.HWP_REQUEST, registers.CLOCK_MODULATION];
  const writes = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom(...writable), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  );
  fc.assert(
    fc.property(writes, (all) => {
      const device = make();
      for (const [cpu, register, value] of all) {
        device.write(cpu, register, value);
        device.advance(0.005);
      }
      for (const register of Object.values(registers)) {
        const value = device.read(3, register)!;
        assert.ok(value >= 0n && value < 1n << 64n, register.toString(16));
      }
      const { powerWatts, frequencyHz } = device.truth();
      assert.ok(powerWatts > 10 && powerWatts < 400 && frequencyHz >= 1e9 && frequencyHz <= 3.2e9);
    }),
    { numRuns: 50 },
  );
});

Deno.test("time in small pieces is the same as time at once", () => {
  const [one, many] = [make(), make()];
  one.advance(1);
  for (let piece = 0; piece < 4000; piece++) many.advance(0.00025);
  assert.deepEqual(many.truth(), one.truth());
});

Deno.test("heartbeats come while there is progress, and are taken once", () => {
  const device = make();
  device.advance(2);
  const beats = device.takeHeartbeats();
  assert.ok(beats.length > 10 && beats.every((second, index) => index === 0 || second > beats[index - 1]));
  assert.deepEqual(device.takeHeartbeats(), []);
});

Deno.test("parts differ: what leaks more is slower under the same limit", () => {
  const [good, bad] = [0.8, 1.3].map((staticFactor) => {
    const device = make({ staticFactor });
    setLimit(device, 120);
    device.advance(5);
    return device.truth().work;
  });
  assert.ok(bad < good * 0.97);
});
