import assert from "node:assert/strict";
import { constants } from "../../../lib/sidecar/constants.ts";
import { encodeNames } from "../../../lib/sidecar/names.ts";
import { type Field, layoutOf, valueKinds } from "../../../lib/sidecar/structures.ts";
import { architectures } from "../../../lib/syscall/arch.ts";
import { callsByNumber } from "../../../lib/syscall/table.ts";

const decoder = new TextDecoder();

/** The entries as the agent reads them. */
function decode(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer);
  const text = (at: number, room: number) => decoder.decode(bytes.subarray(at, at + room)).replace(/\0+$/, "");
  const [names, fields] = [view.getUint32(0, true), view.getUint32(4, true)];
  assert.equal(bytes.length, 8 + 56 * names + 24 * fields);
  return {
    names: Array.from({ length: names }, (_, index) => {
      const at = 8 + 56 * index;
      const value = Number(view.getBigInt64(at + 48, true));
      return { name: text(at, 32), filled: text(at + 32, 14), layout: bytes[at + 46], isCall: bytes[at + 47] === 1, value };
    }),
    fields: Array.from({ length: fields }, (_, index) => {
      const at = 8 + 56 * names + 24 * index;
      return { name: text(at, 19), kind: bytes[at + 19], offset: view.getUint16(at + 20, true), layout: view.getUint16(at + 22, true) };
    }),
  };
}

Deno.test("encodeNames() has every call and every constant, each once, with an end behind its name", () => {
  for (const architecture of architectures) {
    const { names } = decode(encodeNames(architecture));
    const calls = names.filter(({ isCall }) => isCall).map(({ name, value }) => [name, value]);
    assert.deepEqual(calls, [...callsByNumber(architecture)].map(([number, { name }]) => [name, number]));
    assert.deepEqual(names.filter(({ isCall }) => !isCall).map(({ name, value }) => [name, value]), [...constants[architecture]]);
    assert.equal(new Set(names.map(({ name }) => name)).size, names.length);
    assert.ok(names.length <= 1024 && names.every(({ name }) => name.length < 32));
  }
});

Deno.test("encodeNames() names what a call fills, and how it lies", () => {
  for (const architecture of architectures) {
    const { names, fields } = decode(encodeNames(architecture));
    const byName = new Map(names.map((entry) => [entry.name, entry]));
    assert.deepEqual(["pread64", "read", "getxattr", "fstat", "openat"].map((name) => byName.get(name)!.filled), [
      "data",
      "data",
      "value",
      "status",
      "",
    ]);
    const fieldsOf = (call: string) =>
      fields.filter(({ layout }) => layout === byName.get(call)!.layout).map(({ name, kind, offset }) => ({ name, kind, offset }));
    assert.deepEqual(fieldsOf("read"), []);
    assert.deepEqual(fieldsOf("readlinkat"), [{ name: "", kind: valueKinds.text, offset: 0 }]);
    for (const call of ["fstat", "statx", "uname"]) {
      const layout = layoutOf(call, architecture) as readonly Field[];
      assert.deepEqual(fieldsOf(call), layout.map(({ name, kind, offset }) => ({ name, kind: valueKinds[kind], offset })));
    }
    assert.ok(fields.length <= 128 && fields.every(({ name }) => name.length < 19));
  }
});
