import assert from "node:assert/strict";
import fc from "fast-check";
import {
  callHeaderBytes,
  callNumberOf,
  type Data,
  decodeAnswer,
  decodeCall,
  encodeAnswer,
  encodeCall,
  frameBytesMax,
  FrameCutter,
  FrameError,
  isFilled,
  isRead,
  verdicts,
} from "../../../lib/syscall/frames.ts";
import { callNamed, calls } from "../../../lib/syscall/table.ts";

const anyCall = fc.constantFrom(...calls);
const integer = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }));
const data = fc.option(fc.uint8Array({ maxLength: 50 }));

/** As the kernel sees a register. */
const register = (value: number | bigint) => BigInt.asIntN(64, BigInt(value));

Deno.test("a call is decoded as it was encoded, whatever the call", () => {
  fc.assert(
    fc.property(
      anyCall,
      fc.array(integer, { minLength: 6, maxLength: 6 }),
      fc.array(data, { minLength: 6, maxLength: 6 }),
      (call, values, blocks) => {
        const given = call.arguments.map(({ kind }, index) => isRead(kind) ? blocks[index] : undefined);
        const frame = encodeCall(call, 77, 5, values, given);
        const decoded = decodeCall(call, frame);
        assert.equal(callNumberOf(frame), 5);
        assert.deepEqual([decoded.id, decoded.number, decoded.tid], [77n, 5, 0]);
        assert.deepEqual(decoded.arguments.map(register), values.map(register));
        given.forEach((block, index) =>
          assert.deepEqual(decoded.data[index] && new Uint8Array(decoded.data[index]!), block ?? (block === null ? null : undefined))
        );
      },
    ),
  );
});

Deno.test("an answer is decoded as it was encoded, whatever the call", () => {
  fc.assert(fc.property(anyCall, integer, fc.array(data, { minLength: 6, maxLength: 6 }), (call, value, blocks) => {
    const filled: (Data | undefined)[] = call.arguments.map(({ kind }, index) => isFilled(kind) ? blocks[index] : undefined);
    const answer = decodeAnswer(call, encodeAnswer(call, { slot: 3, id: 2n ** 60n, verdict: verdicts.value, value, data: filled }));
    assert.deepEqual([answer.slot, answer.id, answer.verdict, register(answer.value)], [3, 2n ** 60n, 0, register(value)]);
    filled.forEach((block, index) =>
      assert.deepEqual(answer.data[index] && new Uint8Array(answer.data[index]!), block ?? (block === null ? null : undefined))
    );
  }));
});

Deno.test("content is one block, and the other verdicts have none", () => {
  const openat = callNamed("openat")!;
  const base = { slot: 0, id: 1n, value: 0 };
  const content = decodeAnswer(openat, encodeAnswer(openat, { ...base, verdict: verdicts.content, data: [Uint8Array.of(1, 2)] }));
  assert.deepEqual(new Uint8Array(content.data[0]!), Uint8Array.of(1, 2));
  assert.deepEqual(decodeAnswer(openat, encodeAnswer(openat, { ...base, verdict: verdicts.forward, data: [] })).data, []);
});

Deno.test("a frame that is cut off, too long, or names another size is none; nothing else is thrown", () => {
  fc.assert(fc.property(anyCall, fc.uint8Array({ maxLength: 200 }), fc.boolean(), (call, bytes, isHonest) => {
    if (isHonest && bytes.length >= 4) new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, bytes.length, true);
    for (const decode of [decodeCall, decodeAnswer]) {
      try {
        decode(call, bytes);
      } catch (error) {
        assert.ok(error instanceof FrameError, String(error));
      }
    }
  }));
  const frame = encodeCall(callNamed("write")!, 1, 1, [1, 1, 4], [, new Uint8Array(4)]);
  for (let size = 0; size < frame.length; size++) assert.throws(() => decodeCall(callNamed("write")!, frame.subarray(0, size)), FrameError);
  const longer = new Uint8Array(frame.length + 1);
  longer.set(frame);
  new DataView(longer.buffer).setUint32(0, longer.length, true);
  assert.throws(() => decodeCall(callNamed("write")!, longer), /1 bytes are left over/);
});

Deno.test("a frame larger than a frame may be is refused before it is made", () => {
  const large = new Uint8Array(frameBytesMax);
  assert.throws(() => encodeCall(callNamed("write")!, 1, 1, [1, 1, 1], [, large]), RangeError);
  assert.throws(() => encodeAnswer(callNamed("read")!, { slot: 0, id: 0n, verdict: 0, value: 0, data: [, large] }), RangeError);
});

Deno.test("FrameCutter gives the same frames however the stream is cut", () => {
  const frames = [1, 2, 3].map((id) => encodeCall(callNamed("write")!, id, 1, [1, 1, id], [, new Uint8Array(id * 7)]));
  const stream = new Uint8Array(frames.flatMap((frame) => [...frame]));
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1 }), (sizes) => {
    const cutter = new FrameCutter(callHeaderBytes);
    const found: Uint8Array[] = [];
    for (let at = 0, i = 0; at < stream.length; i++) {
      const size = sizes[i % sizes.length];
      found.push(...cutter.take(stream.subarray(at, at + size)).map((frame) => frame.slice()));
      at += size;
    }
    assert.deepEqual(found, frames);
  }));
});

Deno.test("FrameCutter refuses a size that no frame has at once", () => {
  for (const size of [0, callHeaderBytes - 1, frameBytesMax + 1, 2 ** 32 - 1]) {
    assert.throws(() => new FrameCutter(callHeaderBytes).take(new Uint8Array(new Uint32Array([size]).buffer)), FrameError);
  }
});
