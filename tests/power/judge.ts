import { disturbances, type Scenario, type Trace } from "./scenario.ts";

/** What must hold after settling, as shares. */
export const tolerance = { mean: 0.02, above: 0.02, settleWindows: 3 } as const;

/** Duty cycles that differ by less than 1.6 W are one rung: with few cores at the lowest frequency, that is up to 5 sixteenths. */
const dutySwingMax = 5;

/** How a policy did in a stretch without disturbances, after it had time to settle. */
export interface Stretch {
  readonly fromSeconds: number;
  readonly toSeconds: number;
  /** Whether the package would draw more than the cap without one. */
  readonly isBinding: boolean;
  /** Mean of all windows together, beside the cap. */
  readonly meanShare: number;
  /** The window furthest below the cap, and the one furthest above. */
  readonly lowestShare: number;
  readonly highestShare: number;
  /** From the disturbance until all later windows are within the tolerance, in windows; infinite if never. */
  readonly settledWindows: number;
  /** The widest swing there and back within half a second: of frequencies in bins, of cores, of duty cycles. */
  readonly binSwing: number;
  readonly coreSwing: number;
  readonly dutySwing: number;
}

/** Judges a trace; the one without a cap tells where a cap binds. */
export function judge(scenario: Scenario, trace: Trace, uncapped: Trace): Stretch[] {
  const edges = [...disturbances(scenario), scenario.seconds].map((seconds) =>
    Math.min(trace.joules.length - 1, Math.round(seconds * 1000))
  );
  const stretches: Stretch[] = [];
  for (let index = 0; index + 1 < edges.length; index++) {
    const [from, to] = [edges[index], edges[index + 1]];
    const window = Math.round(trace.windowSeconds[from] * 1000);
    const settled = from + tolerance.settleWindows * window;
    if (settled + 500 > to) continue;
    stretches.push(judgeStretch(scenario, trace, uncapped, { from, settled, to, window }));
  }
  return stretches;
}

interface Range {
  readonly from: number;
  readonly settled: number;
  readonly to: number;
  readonly window: number;
}

function judgeStretch(scenario: Scenario, trace: Trace, uncapped: Trace, { from, settled, to, window }: Range): Stretch {
  const capWatts = trace.capWatts[from];
  const isBinding = meanWatts(uncapped, settled, to) > capWatts;
  let [lowest, highest, lastOutside] = [Infinity, -Infinity, from];
  for (let ms = from + window; ms < to; ms++) {
    const share = meanWatts(trace, ms - window, ms) / capWatts;
    if (share > 1 + tolerance.mean || isBinding && share < 1 - tolerance.mean) lastOutside = ms;
    if (ms < settled) continue;
    lowest = Math.min(lowest, share);
    highest = Math.max(highest, share);
  }
  return {
    fromSeconds: from / 1000,
    toSeconds: to / 1000,
    isBinding,
    meanShare: meanWatts(trace, settled, to) / capWatts,
    lowestShare: lowest,
    highestShare: highest,
    settledWindows: lastOutside >= to - 1 ? Infinity : (lastOutside - from) / window,
    binSwing: widest(trace.hertz, settled, to) / scenario.package.binHz,
    coreSwing: widest(trace.coreCount, settled, to),
    dutySwing: widest(trace.dutySixteenths, settled, to),
  };
}

/** Mean power of the milliseconds after `from` up to `to`. */
export function meanWatts({ joules }: Trace, from: number, to: number): number {
  return (joules[to] - joules[from]) / ((to - from) / 1000);
}

/** The widest swing in any half second, looked at four times in each. */
function widest(values: ArrayLike<number>, from: number, to: number): number {
  let widest = 0;
  for (let start = from; start + 500 <= to; start += 125) widest = Math.max(widest, swing(values, start, start + 500));
  return widest;
}

/** How far values go one way and come back: a drift is none, and a cycle is as wide as it is. */
export function swing(values: ArrayLike<number>, from: number, to: number): number {
  let widest = 0;
  for (const sign of [1, -1]) {
    const risen = new Float64Array(to - from);
    for (let at = from, low = Infinity; at < to; at++) {
      low = Math.min(low, sign * values[at]);
      risen[at - from] = sign * values[at] - low;
    }
    for (let at = to - 1, low = Infinity; at >= from; at--) {
      low = Math.min(low, sign * values[at]);
      widest = Math.max(widest, Math.min(risen[at - from], sign * values[at] - low));
    }
  }
  return widest;
}

/** What of "must hold" is broken in a stretch, in words; empty when all holds. */
export function complaints(stretch: Stretch): string[] {
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const { fromSeconds, isBinding, meanShare, lowestShare, highestShare, settledWindows, binSwing, coreSwing, dutySwing } = stretch;
  const found: string[] = [];
  if (isBinding && Math.abs(meanShare - 1) > tolerance.mean) found.push(`the mean is ${percent(meanShare)} of the cap`);
  if (isBinding && lowestShare < 1 - tolerance.mean) found.push(`a window is at ${percent(lowestShare)} of the cap`);
  if (highestShare > 1 + tolerance.above) found.push(`a window is at ${percent(highestShare)} of the cap`);
  if (settledWindows > tolerance.settleWindows) found.push(`it takes ${settledWindows.toFixed(1)} windows to settle`);
  if (binSwing > 1.01) found.push(`the frequency swings over ${binSwing.toFixed(0)} bins`);
  if (coreSwing > 1 || dutySwing > dutySwingMax) found.push(`cores swing by ${coreSwing}, duty cycles by ${dutySwing}`);
  return found.map((words) => `from ${fromSeconds} s on: ${words}`);
}
