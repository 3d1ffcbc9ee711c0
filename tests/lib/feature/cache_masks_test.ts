import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseMask, countBits } from "../../../lib/feature/cache_masks.ts";

Deno.test("chooseMask() gives the wished number in a row of what nobody has, whenever there is such a run", () => {
  const bits = fc.integer({ min: 0, max: 2 ** 20 - 1 });
  fc.assert(
    fc.property(bits, bits, fc.integer({ min: 1, max: 20 }), fc.option(bits), (held, shareable, count, own) => {
      const masks = { all: 0xfffffn, shareable: BigInt(shareable), bitsMin: 1 };
      const mask = chooseMask(masks, [{ name: "a", mask: BigInt(held) }], count, own === null ? null : BigInt(own));
      const runs = (~held & 0xfffff).toString(2).split("0").map((run) => run.length);
      if (mask === null) return assert(Math.max(...runs) < count);
      assert.equal(countBits(mask), count);
      assert.equal(mask & BigInt(held), 0n);
      if (mask !== BigInt(own ?? 0)) assert.match(mask.toString(2), /^1+0*$/);
    }),
  );
});

Deno.test("chooseMask() keeps what a class has, and drops what does not suit any more", () => {
  const masks = { all: 0xffn, shareable: 0x3n, bitsMin: 1 };
  assert.equal(chooseMask(masks, [], 2, 0x60n), 0x60n);
  assert.equal(chooseMask(masks, [], 3, 0x60n), 0x1cn);
  assert.equal(chooseMask(masks, [{ name: "a", mask: 0x40n }], 2, 0x60n), 0xcn);
  assert.equal(chooseMask(masks, [], 2, 0x300n), 0xcn);
});
