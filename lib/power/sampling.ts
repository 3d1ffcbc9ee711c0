import type { Meter, MeterSample, MeterSampler, Provider } from "./meter.ts";
import { prepareSnapshot } from "./snapshot.ts";

/**
 * Starts to read meters in every period: those of the first provider that has a thread for it in that thread. The others are read
 * when somebody takes samples, and are in the sample that is nearest in time; in all others they have no value.
 *
 * @param clockNs The clock of the others' time: CLOCK_MONOTONIC, as that of the thread.
 * @returns `null` when no provider has a thread for any of them.
 */
export function startSampling(
  meters: readonly Meter[],
  providerOf: (meter: Meter) => Provider,
  clockNs: () => bigint,
  periodSeconds: number,
): MeterSampler | null {
  const able = [...new Set(meters.map(providerOf))].filter(({ sample }) => sample !== undefined);
  for (const provider of able) {
    const mine = indexesWhere(meters, (meter) => providerOf(meter) === provider);
    const sampler = provider.sample!(mine.map((index) => meters[index]), periodSeconds);
    if (sampler === null) continue;
    const others = indexesWhere(meters, (meter) => providerOf(meter) !== provider);
    if (others.length === 0) return sampler;
    const read = prepareSnapshot(others.map((index) => meters[index]), providerOf, clockNs);
    return {
      read: () => {
        const slow = { ...read(), indexes: others };
        return merged(meters.length, { samples: sampler.read(), indexes: mine }, slow);
      },
      [Symbol.dispose]: () => sampler[Symbol.dispose](),
    };
  }
  return null;
}

function indexesWhere(meters: readonly Meter[], isWanted: (meter: Meter) => boolean): number[] {
  return meters.flatMap((meter, index) => isWanted(meter) ? [index] : []);
}

/** Samples of a thread with one reading of the other meters. Without a sample the reading has no place. */
function merged(
  count: number,
  fast: { readonly samples: readonly MeterSample[]; readonly indexes: readonly number[] },
  slow: MeterSample & { readonly indexes: readonly number[] },
): MeterSample[] {
  const rows = fast.samples.map(({ atNs, values }) => {
    const all = new Array<number | null>(count).fill(null);
    for (const [place, index] of fast.indexes.entries()) all[index] = values[place];
    return { atNs, values: all };
  });
  const nearest = rows.findLast(({ atNs }, index) => index === 0 || 2n * slow.atNs >= atNs + rows[index - 1].atNs);
  for (const [place, index] of slow.indexes.entries()) {
    if (nearest !== undefined) nearest.values[index] = slow.values[place];
  }
  return rows;
}
