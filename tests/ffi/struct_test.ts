import assert from "node:assert/strict";
import fc from "fast-check";
import { LaunchedLayout, LaunchLayout } from "../../ffi/launch.ts";
import { layoutOf, layoutTypes } from "../../ffi/mod.ts";
import { NoiseLayout } from "../../ffi/noise.ts";
import { RingLayout, SamplerLayout } from "../../ffi/sampler.ts";
import { type Field, struct, type Values } from "../../ffi/struct.ts";
import { SchedAttrLayout } from "../../ffi/task.ts";

// The library opens on first use and stays open: within a test that would count as a leak.
layoutOf(0, -1);

const ours = {
  schedAttr: SchedAttrLayout,
  launch: LaunchLayout,
  launched: LaunchedLayout,
  noise: NoiseLayout,
  sampler: SamplerLayout,
  ring: RingLayout,
};

for (const [name, layout] of Object.entries(ours)) {
  Deno.test(`the layout of ${name} is the compiler's`, () => {
    const type = layoutTypes[name as keyof typeof ours];
    const offsets = Object.values(layout.offsets);
    assert.equal(layoutOf(type, -1), layout.size);
    assert.deepEqual(offsets.map((_, field) => layoutOf(type, field)), offsets);
    assert(layoutOf(type, offsets.length) < 0, "C has a field more");
  });
}

Deno.test("every type of the library is proved here, and layoutOf() refuses others", () => {
  assert.deepEqual(Object.keys(layoutTypes).sort(), Object.keys(ours).sort());
  const beyond = Object.keys(ours).length;
  for (const [type, field] of [[beyond, -1], [-1, -1], [2 ** 31 - 1, 0], [0, -2], [0, 2 ** 31 - 1], [0, -(2 ** 31)]]) {
    assert.equal(layoutOf(type, field), -22, `${type}, ${field}`);
  }
});

const scalars = { i32: 4, u32: 4, i64: 8, u64: 8 } as const;

const layouts: fc.Arbitrary<Record<string, Field>> = fc.array(
  fc.oneof(
    fc.constantFrom<Field[]>("i32", "u32", "i64", "u64"),
    fc.tuple(fc.constantFrom("i32", "u32", "u64"), fc.integer({ min: 1, max: 5 })).map(([type, count]) => `${type}[${count}]` as Field),
  ),
  { minLength: 1, maxLength: 12 },
).map((fields) => Object.fromEntries(fields.map((field, index) => [`field${index}`, field])));

function widthOf(field: Field): { bytes: number; count: number } {
  const [type, count] = field.split("[");
  return { bytes: scalars[type as keyof typeof scalars], count: count === undefined ? 1 : Number.parseInt(count) };
}

function valueOf(field: Field): fc.Arbitrary<number | bigint | (number | bigint)[]> {
  const of = {
    i32: fc.integer(),
    u32: fc.nat(2 ** 32 - 1),
    i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  };
  const [type, count] = field.split("[");
  const value: fc.Arbitrary<number | bigint> = of[type as keyof typeof of];
  return count === undefined ? value : fc.array(value, { minLength: Number.parseInt(count), maxLength: Number.parseInt(count) });
}

function filled(layout: Record<string, Field>): fc.Arbitrary<Values<Record<string, Field>>> {
  return fc.record(Object.fromEntries(Object.entries(layout).map(([name, field]) => [name, valueOf(field)]))) as fc.Arbitrary<
    Values<Record<string, Field>>
  >;
}

Deno.test("struct() aligns each field to its own size and leaves no other gap", () => {
  fc.assert(fc.property(layouts, (layout) => {
    const { size, offsets } = struct(layout);
    let end = 0;
    for (const [name, field] of Object.entries(layout)) {
      const { bytes, count } = widthOf(field);
      assert.equal(offsets[name] % bytes, 0);
      assert(offsets[name] >= end && offsets[name] - end < bytes);
      end = offsets[name] + bytes * count;
    }
    const widest = Math.max(...Object.values(layout).map((field) => widthOf(field).bytes));
    assert.equal(size % widest, 0);
    assert(size >= end && size - end < widest);
  }));
});

Deno.test("Struct.read() inverts Struct.write(), at any offset, and touches nothing outside", () => {
  const cases = layouts.chain((layout) => fc.tuple(fc.constant(layout), filled(layout), fc.nat(20)));
  fc.assert(fc.property(cases, ([layout, values, offset]) => {
    const type = struct(layout);
    const buffer = new Uint8Array(offset + type.size + 8).fill(0xa5);
    type.write(buffer, values, offset);
    assert.deepEqual(type.read(buffer, offset), { ...values });
    assert(buffer.subarray(0, offset).every((byte) => byte === 0xa5));
    assert(buffer.subarray(offset + type.size).every((byte) => byte === 0xa5));
  }));
});

Deno.test("Struct.write() keeps the fields that it is not given", () => {
  const cases = layouts.chain((layout) => fc.tuple(fc.constant(layout), filled(layout), filled(layout), fc.subarray(Object.keys(layout))));
  fc.assert(fc.property(cases, ([layout, before, after, names]) => {
    const type = struct(layout);
    const buffer = new Uint8Array(type.size);
    type.write(buffer, before);
    type.write(buffer, Object.fromEntries(names.map((name) => [name, after[name]])));
    for (const [name, value] of Object.entries(type.read(buffer))) {
      assert.deepEqual(value, names.includes(name) ? after[name] : before[name]);
    }
  }));
});

Deno.test("Struct.write() into a buffer that is too small throws a RangeError", () => {
  assert.throws(() => struct({ a: "i32", b: "u64" }).write(new Uint8Array(15), { b: 1n }), RangeError);
});
