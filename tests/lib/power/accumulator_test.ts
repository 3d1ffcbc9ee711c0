import assert from "node:assert/strict";
import fc from "fast-check";
import { RefusedError } from "../../../lib/errors.ts";
import { Accumulator } from "../../../lib/power/accumulator.ts";
import type { Meter } from "../../../lib/power/meter.ts";
import { energyMeter } from "./meters.ts";

const energy: Meter = energyMeter("package0/energy");
const second = 1_000_000_000n;

Deno.test("Accumulator adds up a counter across its wrap, exactly", () => {
  const sum = new Accumulator(energy);
  const wrap = energy.wrap!;
  assert.deepEqual(sum.add(0n, wrap - 10), { delta: 0, seconds: 0, warning: null });
  assert.deepEqual(sum.add(second, 5), { delta: 15, seconds: 1, warning: null });
  assert.equal(sum.total, 15);
});

Deno.test("Accumulator finds what was used, whatever the wraps, when it looks often enough", () => {
  for (const meter of [energy, { ...energy, resolution: 1e-6, wrap: 262143.32885 }, { ...energy, resolution: 2 ** -16, wrap: 2 ** 16 }]) {
    const countsOfWrap = Math.round(meter.wrap! / meter.resolution);
    fc.assert(fc.property(fc.nat(2 ** 31), fc.array(fc.nat(countsOfWrap - 1), { maxLength: 40 }), (start, steps) => {
      const sum = new Accumulator(meter);
      let [counts, used] = [start % countsOfWrap, 0];
      sum.add(0n, counts * meter.resolution);
      for (const [index, step] of steps.entries()) {
        counts = (counts + step) % countsOfWrap;
        used += step;
        sum.add(BigInt(index + 1) * second, counts * meter.resolution);
      }
      assert(Math.abs(sum.total - used * meter.resolution) <= 1e-9 * Math.max(1, sum.total), `${sum.total} ${used * meter.resolution}`);
    }));
  }
});

Deno.test("Accumulator warns when it is read slower than half a wrap at 200 W", () => {
  const sum = new Accumulator(energy);
  assert.equal(sum.pollSecondsMax, 2 ** 18 / 200 / 2);
  sum.add(0n, 1);
  assert.equal(sum.add(655n * second, 2).warning, null);
  assert.match(sum.add(1311n * second, 3).warning ?? "", /package0\/energy was read after 656.0 s, and may wrap every 1310.7 s/);
});

Deno.test("Accumulator leaves out readings of the same or an earlier moment", () => {
  const sum = new Accumulator(energy);
  sum.add(second, 1);
  assert.equal(sum.add(second, 100).delta, 0);
  assert.equal(sum.add(0n, 100).delta, 0);
  assert.equal(sum.add(2n * second, 2).delta, 1);
});

Deno.test("Accumulator says that a counter without a wrap went back, and refuses gauges", () => {
  const sum = new Accumulator({ ...energy, wrap: undefined });
  sum.add(0n, 10);
  assert.match(sum.add(second, 5).warning ?? "", /went back/);
  assert.equal(sum.total, 0);
  assert.throws(() => new Accumulator({ ...energy, kind: "gauge" }), RefusedError);
});
