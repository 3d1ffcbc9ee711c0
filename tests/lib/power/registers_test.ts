import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodeDutyCycle,
  decodeHwpCapabilities,
  decodeHwpRequest,
  decodeLimit,
  decodePackageLimits,
  decodePowerInfo,
  decodeSingleLimit,
  decodeTemperature,
  decodeTemperatureTarget,
  decodeUnits,
  decodeWindow,
  encodeDutyCycle,
  field,
  parseCpuFamily,
  unitsOf,
} from "../../../lib/power/registers.ts";
import { typicalInfo, typicalLimits, typicalUnits } from "./machines.ts";

const units = decodeUnits(typicalUnits);
const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const intel = (model: number) => ({ vendor: "GenuineIntel", family: 6, model });

Deno.test("decodeUnits() reads the typical units of a server", () => {
  assert.deepEqual(units, { wattsPerCount: 1 / 8, joulesPerCount: 2 ** -14, secondsPerCount: 2 ** -10 });
});

Deno.test("decodeUnits() of any register is three negative powers of two", () => {
  fc.assert(fc.property(word, (value) => {
    for (const unit of Object.values(decodeUnits(value))) {
      assert(unit > 0 && unit <= 1);
      assert(Number.isInteger(Math.log2(unit)));
    }
  }));
});

Deno.test("unitsOf() knows the memory of servers, the platform of Sapphire Rapids, and small cores", () => {
  assert.equal(unitsOf(typicalUnits, intel(0x55), "dram").joulesPerCount, 2 ** -16);
  assert.equal(unitsOf(typicalUnits, intel(0x55), "package").joulesPerCount, 2 ** -14);
  assert.equal(unitsOf(typicalUnits, intel(0x8f), "dram").joulesPerCount, 2 ** -14);
  assert.equal(unitsOf(typicalUnits, intel(0x8f), "psys").joulesPerCount, 1);
  assert.deepEqual(unitsOf(0x00505n, intel(0x37), "package"), { wattsPerCount: 0.032, joulesPerCount: 32e-6, secondsPerCount: 1 });
  assert.equal(unitsOf(0xa1003n, { vendor: "AuthenticAMD", family: 25, model: 0x55 }, "dram").joulesPerCount, 2 ** -16);
  assert.equal(unitsOf(typicalUnits, { ...intel(0x55), vendor: "AuthenticAMD" }, "dram").joulesPerCount, 2 ** -14);
});

Deno.test("decodePowerInfo() reads design power, range and longest window", () => {
  assert.deepEqual(decodePowerInfo(typicalInfo, units), {
    tdpWatts: 205,
    minWatts: 60,
    maxWatts: 410,
    windowMaxSeconds: 2 ** 15 * 1.25 / 1024,
  });
  assert.equal(decodePowerInfo(0n, units).windowMaxSeconds, 0);
});

Deno.test("decodePackageLimits() reads both limits and the lock", () => {
  const limits = decodePackageLimits(typicalLimits, units);
  assert.deepEqual(limits.first, { limitWatts: 150, windowSeconds: 1, isEnabled: true, isClamped: true });
  assert.equal(limits.second.limitWatts, 180);
  assert.equal(limits.isLocked, false);
  assert.equal(decodePackageLimits(typicalLimits | 1n << 63n, units).isLocked, true);
});

Deno.test("decodePackageLimits() of any register shows each of its fields, and no other bit", () => {
  fc.assert(fc.property(word, (value) => {
    const { first, second, isLocked } = decodePackageLimits(value, units);
    for (const [limit, half] of [[first, value & 0xffffffffn], [second, value >> 32n]] as const) {
      assert.equal(BigInt(limit.limitWatts / units.wattsPerCount), half & 0x7fffn);
      assert.equal(limit.isEnabled, (half >> 15n & 1n) === 1n);
      assert.equal(limit.isClamped, (half >> 16n & 1n) === 1n);
      assert.deepEqual(limit, decodeLimit(half & 0xffffffn, units));
    }
    assert.equal(isLocked, value >> 63n === 1n);
    assert.equal(decodeSingleLimit(value, units).isLocked, (value >> 31n & 1n) === 1n);
  }));
});

Deno.test("decodeWindow() knows the encodings of common windows", () => {
  const milliseconds = (encoded: number) => Math.round(decodeWindow(encoded, units) * 1e5) / 100;
  assert.deepEqual([0x23, 0x43, 0x63, 0x25, 0x46, 0x0a, 0x2d, 0x6e].map(milliseconds), [
    9.77,
    11.72,
    13.67,
    39.06,
    93.75,
    1000,
    10000,
    28000,
  ]);
});

Deno.test("decodeTemperature() counts down from where the hardware throttles", () => {
  assert.equal(decodeTemperatureTarget(0x00600a00n), 96);
  assert.equal(decodeTemperature(0x88320000n, 96), 46);
  assert.equal(decodeTemperature(0x08320000n, 96), null);
  fc.assert(fc.property(word, fc.integer({ min: 1, max: 255 }), (value, top) => {
    const degrees = decodeTemperature(value, top);
    assert(degrees === null ? (value >> 31n & 1n) === 0n : degrees <= top && degrees > top - 128);
  }));
});

Deno.test("encodeDutyCycle() takes away no more than asked for, and decodeDutyCycle() inverts it", () => {
  assert.equal(encodeDutyCycle(100), 0n);
  assert.equal(encodeDutyCycle(50), 0x18n);
  fc.assert(fc.property(fc.double({ min: 6.25, max: 100, noNaN: true }), (percent) => {
    const encoded = encodeDutyCycle(percent);
    assert(encoded <= 0x1fn);
    const decoded = decodeDutyCycle(encoded);
    assert(decoded > percent - 1e-6 && decoded < percent + 6.25);
    assert.equal(decodeDutyCycle(encodeDutyCycle(decoded)), decoded);
  }));
});

Deno.test("decodeHwpRequest() and decodeHwpCapabilities() read one byte for each level", () => {
  assert.deepEqual(decodeHwpRequest(0x8000_2008n), { minimum: 8, maximum: 32, desired: 0, preference: 128 });
  assert.deepEqual(decodeHwpCapabilities(0x080c_1820n), { highest: 32, guaranteed: 24, efficient: 12, lowest: 8 });
});

Deno.test("field() is the bits that it names", () => {
  fc.assert(fc.property(word, fc.nat(63), fc.integer({ min: 1, max: 32 }), (value, low, width) => {
    const text = value.toString(2).padStart(64, "0").split("").reverse().slice(low, low + width).reverse().join("");
    assert.equal(field(value, low, width), Number.parseInt(text, 2));
  }));
});

Deno.test("parseCpuFamily() reads the first processor, and nothing from other machines' text", () => {
  const text =
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: x 7\n\nprocessor\t: 1\nmodel\t\t: 1\n";
  assert.deepEqual(parseCpuFamily(text), { vendor: "GenuineIntel", family: 6, model: 85 });
  assert.deepEqual(parseCpuFamily("processor\t: 0\nBogoMIPS\t: 50.00\n"), { vendor: "", family: 0, model: 0 });
});
