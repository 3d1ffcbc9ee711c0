import assert from "node:assert/strict";
import fc from "fast-check";
import { formatCpuMask, parseCpuMask } from "../../../lib/kernel/cpumask.ts";

/** A mask of any width as the kernel prints it, and its CPUs. */
const masks = fc.integer({ min: 1, max: 1024 }).chain((width) =>
  fc.record({ width: fc.constant(width), cpus: fc.uniqueArray(fc.nat(width - 1)) })
).map(({ width, cpus }) => {
  const bits = cpus.reduce((bits, cpu) => bits | 1n << BigInt(cpu), 0n);
  const digits = bits.toString(16).padStart(Math.ceil(width / 4), "0");
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 8) groups.unshift(digits.slice(Math.max(0, end - 8), end));
  return { text: groups.join(","), cpus: cpus.toSorted((a, b) => a - b) };
});

Deno.test("parseCpuMask() reads every mask that the kernel prints, and formatCpuMask() prints it again", () => {
  fc.assert(fc.property(masks, ({ text, cpus }) => {
    assert.deepEqual(parseCpuMask(`${text}\n`), cpus);
    assert.equal(formatCpuMask(cpus, text), text);
  }));
});

Deno.test("formatCpuMask() keeps the width of the mask it goes by", () => {
  for (
    const [cpus, like, text] of [
      [[0, 1, 2, 3], "ff", "0f"],
      [[0], "3", "1"],
      [[], "ff", "00"],
      [[0, 1], "00000000,000000ff", "00000000,00000003"],
      [[32], "3,ffffffff\n", "1,00000000"],
      [[65], "ff,ffffffff,ffffffff", "02,00000000,00000000"],
      [[35], "fffffffff", "800000000"],
    ] as const
  ) assert.equal(formatCpuMask(cpus, like), text);
});

Deno.test("formatCpuMask() refuses a CPU that has no place in the mask", () => {
  assert.throws(() => formatCpuMask([8], "ff"), { name: "RangeError", message: "Cannot put CPU 8 into a mask of 2 digits" });
  assert.throws(() => formatCpuMask([-1], "ff"), RangeError);
});

Deno.test("parseCpuMask() reads masks without commas, and in capitals", () => {
  assert.deepEqual(parseCpuMask("F0"), [4, 5, 6, 7]);
  assert.deepEqual(parseCpuMask("100000000"), [32]);
  assert.deepEqual(parseCpuMask("0"), []);
});

for (const text of ["", "x", "0x3", "3,ff", ",ffffffff", "ffffffff,", "1-3", "123456789,ffffffff"]) {
  Deno.test(`parseCpuMask() refuses ${JSON.stringify(text)} and quotes it`, () => {
    assert.throws(() => parseCpuMask(text), (error) => error instanceof SyntaxError && error.message.includes(JSON.stringify(text)));
  });
}
