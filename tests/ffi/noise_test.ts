import assert from "node:assert/strict";
import { errno } from "../../ffi/errors.ts";
import { clockNs, layoutOf, layoutTypes } from "../../ffi/mod.ts";
import { NoiseLayout, sampleHere } from "../../ffi/noise.ts";

type Head = Parameters<typeof NoiseLayout.write>[1];

async function sample(request: Head, capacity: number) {
  const head = new Uint8Array(NoiseLayout.size);
  NoiseLayout.write(head, { durationNs: 5_000_000n, quantumNs: 10_000n, thresholdNs: 1000n, ...request });
  // One pair more than C is told of: it must stay as it is.
  const pairs = new BigInt64Array(2 * Math.max(0, capacity) + 2).fill(-77n);
  const result = await sampleHere(head, pairs, capacity);
  return { result, pairs, head: NoiseLayout.read(head) };
}

// The native functions are registered at their first use and stay: inside a test, that would count as a leak.
layoutOf(layoutTypes.noise, -1);
await sample({ mode: 1, durationNs: 1n }, 1);

Deno.test("NoiseLayout is the compiler's struct nodeos_noise", () => {
  const offsets = Object.values(NoiseLayout.offsets);
  assert.equal(layoutOf(layoutTypes.noise, -1), NoiseLayout.size);
  assert.deepEqual(offsets.map((_, field) => layoutOf(layoutTypes.noise, field)), offsets);
  assert.ok(layoutOf(layoutTypes.noise, offsets.length) < 0, "C knows no field more");
});

for (const [name, mode] of [["quanta", 0], ["detours", 1]] as const) {
  Deno.test(`sampleHere() stores ${name} in the order of time`, async () => {
    const { result, pairs, head } = await sample({ mode }, 10_000);
    assert.equal(result, head.count);
    assert.equal(head.truncated, 0n);
    for (let index = 2; index < 2 * result; index += 2) {
      assert.ok(pairs[index] >= pairs[index - 2] + pairs[index - 1] - 1n, "begins after the former one ended");
    }
    assert.ok(head.durationNs > 4_990_000n);
    assert.ok(head.startNs <= clockNs() && head.startNs > 0n);
    assert.ok([0, 1].includes(head.locked));
  });
}

Deno.test("sampleHere() makes quanta of the length asked for, whatever disturbs the others", async () => {
  for (const quantumNs of [2000n, 20_000n, 400_000n]) {
    const { head } = await sample({ mode: 0, quantumNs, durationNs: 40_000_000n }, 10_000);
    const ratio = Number(head.minimumNs) / Number(quantumNs);
    assert.ok(ratio > 0.5 && ratio < 2, `the shortest of ${quantumNs} ns took ${head.minimumNs} ns`);
  }
});

Deno.test("sampleHere() gives the last place to the longest of those without room", async () => {
  const { result, pairs, head } = await sample({ mode: 0 }, 3);
  assert.equal(result, 3);
  assert.ok(head.truncated > 10n);
  assert.equal(pairs[6], -77n, "nothing behind the end");
  const count = head.count + Number(head.truncated);
  const sum = head.lostNs + head.minimumNs * BigInt(count);
  const mean = Number(sum - pairs[1] - pairs[3]) / (count - 2);
  assert.ok(Number(pairs[5]) >= mean - 1, "the longest is no shorter than the mean");
});

Deno.test("sampleHere() raises a threshold that the loop itself would reach", async () => {
  const { head } = await sample({ mode: 1, thresholdNs: 1n }, 100);
  // It is four times what the loop took before it began to sample, which a sanitizer makes another loop.
  assert.ok(head.thresholdNs >= 2n * head.minimumNs && head.thresholdNs > 1n, `${head.thresholdNs} ns, loop ${head.minimumNs} ns`);
});

Deno.test("sampleHere() refuses what it cannot do", async () => {
  for (
    const [request, capacity] of [
      [{ mode: 2 }, 10],
      [{ mode: -1 }, 10],
      [{ mode: 0, quantumNs: 0n }, 10],
      [{ mode: 1, thresholdNs: 0n }, 10],
      [{ mode: 1, durationNs: 0n }, 10],
      [{ mode: 1, durationNs: -1n }, 10],
      [{ mode: 1 }, 0],
      [{ mode: 1 }, -1],
    ] as const
  ) {
    const { result, pairs } = await sample(request, capacity);
    assert.equal(result, -errno.EINVAL);
    assert.ok(pairs.every((value) => value === -77n), "the buffer is untouched");
  }
});
