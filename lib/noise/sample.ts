import { NoiseLayout } from "../../ffi/noise.ts";

/** Ways to sample, in the order of their numbers in C: fixed work quantum, selfish detour. */
export const noiseModes = ["fwq", "detour"] as const;
/** What is sampled: how long the same work takes (`fwq`), or the gaps in a loop that reads the clock (`detour`). */
export type NoiseMode = typeof noiseModes[number];

/** What was read for the time: a counter of the CPU, or the kernel's clock where the CPU has none that is steady. */
export type NoiseClock = "system" | "tsc" | "cntvct";

const clocks: readonly NoiseClock[] = ["system", "tsc", "cntvct"];
const pairBytes = 16;

/** What to sample. */
export interface NoiseRequest {
  /** See {@link NoiseMode}. */
  readonly mode: NoiseMode;
  /** The CPU to sample on. */
  readonly cpu: number;
  /** How long, in nanoseconds. */
  readonly durationNs: number;
  /** Length of one quantum of undisturbed work, in nanoseconds. */
  readonly quantumNs: number;
  /** Shortest detour that counts, in nanoseconds; in `fwq`, the shortest excess over the shortest quantum. */
  readonly thresholdNs: number;
}

/** What was sampled. Times are nanoseconds; sample `i` began at `offsetsNs[i]` and took `lengthsNs[i]`. */
export interface NoiseSamples {
  /** See {@link NoiseMode}. */
  readonly mode: NoiseMode;
  /** How long it was sampled. */
  readonly durationNs: number;
  /** Length of a quantum that was asked for. */
  readonly quantumNs: number;
  /** Shortest detour that was counted: what was asked for, or four loops of the sampler where that is longer. */
  readonly thresholdNs: number;
  /** Time the CPU spent elsewhere: the sum of the detours, or of the excess of all quanta over the shortest. */
  readonly lostNs: number;
  /** The shortest quantum, or the shortest loop. */
  readonly minimumNs: number;
  /** Samples beyond the room there was; the longest of them is the last one here, so the worst is never missing. */
  readonly truncatedCount: number;
  /** `CLOCK_MONOTONIC` at the first sample. */
  readonly startNs: number;
  /** Times the sampler gave the CPU up. */
  readonly voluntarySwitches: number;
  /** Times the sampler was preempted. */
  readonly involuntarySwitches: number;
  /** The clock that was read. */
  readonly clock: NoiseClock;
  /** Whether the samples were locked in memory; a limit of the user may forbid that, and then a fault may show as noise. */
  readonly locked: boolean;
  /** When each sample began, from the start, ascending. */
  readonly offsetsNs: Float64Array;
  /** How long each took. */
  readonly lengthsNs: Float64Array;
}

/**
 * Decodes the file that `nodeos-helper noise` writes.
 *
 * @throws {SyntaxError} If the file is cut off, too long, or says something that cannot be.
 */
export function decodeNoise(file: Uint8Array): NoiseSamples {
  const refuse = (words: string): never => {
    throw new SyntaxError(`Cannot read the noise samples: ${words}`);
  };
  if (file.length < NoiseLayout.size) return refuse(`the file has ${file.length} bytes, its head alone ${NoiseLayout.size}`);
  const bytes = new Uint8Array(file);
  const head = NoiseLayout.read(bytes);
  const mode = noiseModes[head.mode] ?? refuse(`there is no mode ${head.mode}`);
  const clock = clocks[head.clock] ?? refuse(`there is no clock ${head.clock}`);
  const size = NoiseLayout.size + pairBytes * head.count;
  if (head.count < 0 || file.length !== size) return refuse(`the file has ${file.length} bytes, ${head.count} samples need ${size}`);
  if (head.durationNs <= 0n) return refuse(`it was sampled for ${head.durationNs} ns`);
  const { offsetsNs, lengthsNs } = decodePairs(bytes.slice(NoiseLayout.size), head.count);
  if (!isTimeline(offsetsNs, lengthsNs)) return refuse("its samples are not in the order of time");
  return {
    mode,
    clock,
    offsetsNs,
    lengthsNs,
    durationNs: Number(head.durationNs),
    quantumNs: Number(head.quantumNs),
    thresholdNs: Number(head.thresholdNs),
    lostNs: Number(head.lostNs),
    minimumNs: Number(head.minimumNs),
    truncatedCount: Number(head.truncated),
    startNs: Number(head.startNs),
    voluntarySwitches: Number(head.voluntary),
    involuntarySwitches: Number(head.involuntary),
    locked: head.locked === 1,
  };
}

/** Two words instead of a bigint per value: millions of samples decode in milliseconds. */
function decodePairs(bytes: Uint8Array<ArrayBuffer>, count: number): { offsetsNs: Float64Array; lengthsNs: Float64Array } {
  const low = new Uint32Array(bytes.buffer);
  const high = new Int32Array(bytes.buffer);
  const at = (index: number) => high[index + 1] * 2 ** 32 + low[index];
  const offsetsNs = Float64Array.from({ length: count }, (_, index) => at(index * 4));
  const lengthsNs = Float64Array.from({ length: count }, (_, index) => at(index * 4 + 2));
  return { offsetsNs, lengthsNs };
}

function isTimeline(offsetsNs: Float64Array, lengthsNs: Float64Array): boolean {
  let previousNs = 0;
  for (const [index, offsetNs] of offsetsNs.entries()) {
    if (offsetNs < previousNs || lengthsNs[index] < 0) return false;
    previousNs = offsetNs;
  }
  return true;
}
