import assert from "node:assert/strict";
import fc from "fast-check";
import { formatCpuList, parseCpuList } from "../../../lib/kernel/cpulist.ts";

const cpuSets = fc.uniqueArray(fc.nat(4095), { maxLength: 200 });
const ascending = (cpus: readonly number[]) => cpus.toSorted((a, b) => a - b);

Deno.test("parseCpuList() inverts formatCpuList()", () => {
  fc.assert(fc.property(cpuSets, (cpus) => {
    assert.deepEqual(parseCpuList(formatCpuList(cpus)), ascending(cpus));
  }));
});

Deno.test("formatCpuList() writes the shortest list: no two ranges touch", () => {
  fc.assert(fc.property(cpuSets, (cpus) => {
    const ends = formatCpuList(cpus).split(",").filter(Boolean).map((range) => range.split("-").map(Number));
    for (let i = 1; i < ends.length; i++) assert.ok(ends[i][0] > ends[i - 1].at(-1)! + 1);
    for (const [first, last] of ends) assert.ok(last === undefined || last > first);
  }));
});

Deno.test("formatCpuList() joins ranges and drops doubles", () => {
  assert.equal(formatCpuList([7, 0, 2, 1, 2]), "0-2,7");
  assert.equal(formatCpuList([4, 5]), "4-5");
  assert.equal(formatCpuList(new Set([3])), "3");
  assert.equal(formatCpuList([]), "");
});

Deno.test("parseCpuList() reads what the kernel prints", () => {
  assert.deepEqual(parseCpuList("0-2,7\n"), [0, 1, 2, 7]);
  assert.deepEqual(parseCpuList("\n"), []);
  assert.deepEqual(parseCpuList(""), []);
  assert.deepEqual(parseCpuList("5"), [5]);
});

Deno.test("parseCpuList() takes fields in any order, each CPU once", () => {
  assert.deepEqual(parseCpuList("8, 0-3 ,2-4"), [0, 1, 2, 3, 4, 8]);
});

for (const text of ["x", "1-", "-1", "3-1", "1,,2", "1,", "0x3", "1.5", "1-2-3", "٣", "1 2", "123456", "(null)", "all"]) {
  Deno.test(`parseCpuList() refuses ${JSON.stringify(text)} and quotes it`, () => {
    assert.throws(() => parseCpuList(text), (error) => error instanceof SyntaxError && error.message.includes(JSON.stringify(text)));
  });
}

Deno.test("parseCpuList() names the field that is wrong", () => {
  assert.throws(() => parseCpuList("0-3,five,8"), /"five" is neither a number nor an ascending range/);
});

Deno.test("parseCpuList() ends with a list or a SyntaxError, whatever the text", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."0123456789-, \nx") }), (text) => {
    try {
      assert.ok(parseCpuList(text).every((cpu, index, cpus) => index === 0 || cpu > cpus[index - 1]));
    } catch (error) {
      assert.ok(error instanceof SyntaxError, String(error));
    }
  }));
});
