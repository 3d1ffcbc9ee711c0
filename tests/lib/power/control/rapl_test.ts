import assert from "node:assert/strict";
import fc from "fast-check";
import { RefusedError, UsageError } from "../../../../lib/errors.ts";
import { encodeLimit, encodeWindow, withLimit } from "../../../../lib/power/control/rapl.ts";
import { decodeLimit, decodePackageLimits, decodePowerInfo, decodeUnits, decodeWindow } from "../../../../lib/power/registers.ts";

const units = decodeUnits(0xa0e03n);
const info = { tdpWatts: 205, minWatts: 60, maxWatts: 410, windowMaxSeconds: 40 };
const limit = { limitWatts: 120, windowSeconds: 1, isEnabled: true, isClamped: true };

Deno.test("decodeUnits() of the usual 0xA0E03: 1/8 W, 61 uJ, 977 us", () => {
  assert.deepEqual(units, { wattsPerCount: 1 / 8, joulesPerCount: 2 ** -14, secondsPerCount: 2 ** -10 });
});

Deno.test("decodePowerInfo() of a server part", () => {
  const register = BigInt(205 * 8) | BigInt(60 * 8) << 16n | BigInt(410 * 8) << 32n | 0x2fn << 48n;
  const found = decodePowerInfo(register, units);
  assert.deepEqual([found.tdpWatts, found.minWatts, found.maxWatts], [205, 60, 410]);
  assert.equal(found.windowMaxSeconds, 40);
  assert.equal(decodePowerInfo(0n, units).windowMaxSeconds, 0);
});

Deno.test("encodeWindow() has the encodings that are known", () => {
  const known: [number, number][] = [
    [0.010, 0x23],
    [0.013, 0x43],
    [0.015, 0x63],
    [0.046, 0x25],
    [0.1, 0x46],
    [1, 0x0a],
    [10, 0x2d],
    [28, 0x6e],
  ];
  for (const [seconds, encoded] of known) assert.equal(encodeWindow(seconds, units), encoded, `${seconds} s`);
});

Deno.test("encodeWindow() gives the longest window that is not longer than asked for", () => {
  const all = Array.from({ length: 128 }, (_, encoded) => decodeWindow(encoded, units));
  fc.assert(fc.property(fc.double({ min: -9.9, max: 21, noNaN: true }), (exponent) => {
    const seconds = 2 ** exponent;
    const best = Math.max(...all.filter((window) => window <= seconds * (1 + 1e-9)));
    assert.equal(decodeWindow(encodeWindow(seconds, units), units), best);
  }));
});

Deno.test("encodeWindow() inverts decodeWindow()", () => {
  for (let encoded = 0; encoded < 128; encoded++) {
    // Below 4 units, quarters are less than a unit; the same length has one encoding.
    const seconds = decodeWindow(encoded, units);
    assert.equal(decodeWindow(encodeWindow(seconds, units), units), seconds);
  }
});

Deno.test("encodeLimit() and decodeLimit() agree to a count of power and a step of the window", () => {
  const limits = fc.record({
    limitWatts: fc.double({ min: 60, max: 410, noNaN: true }),
    windowSeconds: fc.double({ min: 0.001, max: 40, noNaN: true }),
    isEnabled: fc.boolean(),
    isClamped: fc.boolean(),
  });
  fc.assert(fc.property(limits, (wanted) => {
    const found = decodeLimit(encodeLimit(wanted, units, info), units);
    assert.ok(found.limitWatts <= wanted.limitWatts + 1e-6 && found.limitWatts > wanted.limitWatts - 1 / 8, "power is rounded down");
    assert.ok(found.windowSeconds <= wanted.windowSeconds + 1e-9 && found.windowSeconds > wanted.windowSeconds * 0.79);
    assert.deepEqual([found.isEnabled, found.isClamped], [wanted.isEnabled, wanted.isClamped]);
  }));
});

Deno.test("withLimit() changes one limit and no other bit", () => {
  const registers = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
  fc.assert(fc.property(registers, fc.constantFrom(1 as const, 2 as const), (before, which) => {
    const after = withLimit(before, which, limit, units, info);
    const mask = 0xffffffn << (which === 1 ? 0n : 32n);
    assert.equal(after & ~mask, before & ~mask);
    const { first, second } = decodePackageLimits(after, units);
    assert.deepEqual(which === 1 ? first : second, limit);
  }));
});

Deno.test("withLimit() refuses a locked register, and says what can be done", () => {
  const locked = 1n << 63n;
  assert.ok(decodePackageLimits(locked, units).isLocked);
  assert.throws(() => withLimit(locked, 1, limit, units, info), (error: RefusedError) => {
    assert.ok(error instanceof RefusedError);
    assert.match(error.message, /^Cannot set the power limit: .*locked/);
    assert.match(error.remedy!, /cap by software/);
    return true;
  });
});

Deno.test("encodeLimit() refuses what is not a power, and what the domain does not enforce", () => {
  const wrong = fc.oneof(
    fc.constantFrom(NaN, Infinity, -Infinity, -1, 0, 59.9, 410.1, 1e9),
    fc.double({ max: -0.001 }),
    fc.double({ min: 411 }),
  );
  fc.assert(fc.property(wrong, (limitWatts) => {
    assert.throws(() => encodeLimit({ ...limit, limitWatts }, units, info), (error: UsageError) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.remedy!, /from 60 W to 410 W/);
      return true;
    });
  }));
});

Deno.test("encodeLimit() refuses windows that are none, negative, too short or too long", () => {
  for (const windowSeconds of [NaN, 0, -1, 0.0009, 41, Infinity, 1e12]) {
    assert.throws(() => encodeLimit({ ...limit, windowSeconds }, units, info), UsageError, String(windowSeconds));
  }
});

Deno.test("a machine that does not tell its range is limited by what the register holds", () => {
  const silent = { tdpWatts: 0, minWatts: 0, maxWatts: 0, windowMaxSeconds: 0 };
  assert.equal(decodeLimit(encodeLimit({ ...limit, limitWatts: 4000 }, units, silent), units).limitWatts, 4000);
  assert.throws(() => encodeLimit({ ...limit, limitWatts: 4096 }, units, silent), UsageError);
  assert.throws(() => encodeLimit({ ...limit, limitWatts: 0 }, units, silent), UsageError);
});
