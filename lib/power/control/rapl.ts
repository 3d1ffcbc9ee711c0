import { RefusedError, UsageError } from "../../errors.ts";
import { decodeWindow, type PowerInfo, type PowerLimit, type RaplUnits } from "../registers.ts";

const lockBit = 1n << 63n;
const limitBits = 0x00ffffffn;

/**
 * Encodes a window as the longest one that is not longer than asked for.
 *
 * @throws {UsageError} If it is not a number above 0, or shorter or longer than any window can be.
 */
export function encodeWindow(windowSeconds: number, units: RaplUnits): number {
  // A length that decimals cannot write, such as 11/1024 s, is still itself.
  const counts = windowSeconds / units.secondsPerCount * (1 + 1e-9);
  const longestSeconds = decodeWindow(127, units);
  if (!(counts >= 1) || windowSeconds > longestSeconds) {
    throw new UsageError(`Cannot set a power window of ${windowSeconds} s: it does not fit in the register`, {
      remedy: `Give a window from ${units.secondsPerCount} s to ${longestSeconds} s`,
    });
  }
  const exponent = Math.min(31, Math.floor(Math.log2(counts)));
  const quarters = Math.min(3, Math.floor((counts / 2 ** exponent - 1) * 4));
  return exponent | (quarters << 5);
}

/**
 * Encodes one limit, rounded down to what the register can hold; the 24 bits of a lower half.
 *
 * @throws {UsageError} If power or window is not a number, or outside of what the domain can be limited to.
 */
export function encodeLimit({ limitWatts, windowSeconds, isEnabled, isClamped }: PowerLimit, units: RaplUnits, info: PowerInfo): bigint {
  const highestWatts = Math.min(info.maxWatts || Infinity, 0x7fff * units.wattsPerCount);
  const lowestWatts = info.minWatts || units.wattsPerCount;
  if (!(limitWatts >= lowestWatts && limitWatts <= highestWatts)) {
    throw new UsageError(`Cannot set a power limit of ${limitWatts} W: it is outside of what the domain enforces`, {
      remedy: `Give a limit from ${lowestWatts} W to ${highestWatts} W`,
    });
  }
  const longestSeconds = info.windowMaxSeconds || Infinity;
  if (windowSeconds > longestSeconds) {
    throw new UsageError(`Cannot set a power window of ${windowSeconds} s: the domain averages over ${longestSeconds} s at most`, {
      remedy: `Give a window from ${units.secondsPerCount} s to ${longestSeconds} s`,
    });
  }
  const power = Math.floor(limitWatts / units.wattsPerCount + 1e-9);
  return BigInt(power | Number(isEnabled) << 15 | Number(isClamped) << 16) | BigInt(encodeWindow(windowSeconds, units)) << 17n;
}

/**
 * Replaces one limit in the value of register 0x610; everything else stays as it is, bit for bit.
 *
 * @param which 1 for PL1, 2 for PL2.
 * @throws {RefusedError} If the register is locked.
 * @throws {UsageError} If the limit is not one that can be set.
 */
export function withLimit(register: bigint, which: 1 | 2, limit: PowerLimit, units: RaplUnits, info: PowerInfo): bigint {
  if ((register & lockBit) !== 0n) {
    throw new RefusedError("Cannot set the power limit: the firmware has locked the register until the next reset", {
      remedy: "Unlock package power limits in the set-up of the firmware, or cap by software",
    });
  }
  const shift = which === 1 ? 0n : 32n;
  return register & ~(limitBits << shift) | encodeLimit(limit, units, info) << shift;
}
