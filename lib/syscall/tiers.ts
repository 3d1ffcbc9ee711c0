import type { CallCounter } from "./board_picture.ts";
import { latencyNs } from "./latency.ts";
import { formatVerdict, type Verdict } from "./switches.ts";

/** What happened to the calls of a container that have the same verdict now. */
export interface TierCount {
  /** What happens to them now, as in `forward` or `deny:ENOSYS`. */
  readonly action: string;
  /** Which calls were made, by their names, the most frequent first. */
  readonly calls: readonly string[];
  /** How often, also under a verdict that they had before. */
  readonly made: number;
  /** Executed for the caller. */
  readonly forwarded: number;
  /** Handed back, since only the caller could do it itself. */
  readonly returned: number;
  /** Answered with an error of the kernel or of a handler. */
  readonly failed: number;
  /** Half of them took at most this, in nanoseconds; `null` when none was measured. */
  readonly p50Ns: number | null;
  /** All but one of a hundred took at most this, in nanoseconds. */
  readonly p99Ns: number | null;
}

/** A call, what happens to it now, and what happened to it so far. */
export interface CountedCall extends Verdict {
  /** Its name. */
  readonly call: string;
  /** From the board. */
  readonly counter: CallCounter;
}

/** Counts calls by what happens to them now; what is made most comes first. */
export function countTiers(calls: readonly CountedCall[]): TierCount[] {
  const tiers = Map.groupBy(calls.filter(({ counter }) => counter.calls > 0), formatVerdict);
  return [...tiers].map(([action, members]) => {
    const sum = (of: (counter: CallCounter) => number) => members.reduce((total, { counter }) => total + of(counter), 0);
    const buckets = members[0].counter.buckets.map((_, index) => sum((counter) => counter.buckets[index]));
    return {
      action,
      calls: members.toSorted((a, b) => b.counter.calls - a.counter.calls).map(({ call }) => call),
      made: sum(({ calls }) => calls),
      forwarded: sum(({ forwarded }) => forwarded),
      returned: sum(({ returned }) => returned),
      failed: sum(({ failed }) => failed),
      p50Ns: latencyNs(buckets, 0.5),
      p99Ns: latencyNs(buckets, 0.99),
    };
  }).toSorted((a, b) => b.made - a.made);
}
