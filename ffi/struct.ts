/** A scalar of a C structure; `pad:N` leaves N bytes out. */
export type Field = "i32" | "u32" | "i64" | "u64" | `${"i32" | "u32" | "u64"}[${number}]`;

type Value<F extends Field> = F extends `${string}[${number}]` ? readonly (number | bigint)[]
  : F extends "i64" | "u64" ? bigint
  : number;

/** Values of a structure by field name: `number` up to 32 bits, `bigint` for 64, arrays for arrays. */
export type Values<L extends Record<string, Field>> = { -readonly [K in keyof L]: Value<L[K]> };

/** A C structure in natural alignment: its size, the offset of every field, and how to write and read it. */
export interface Struct<L extends Record<string, Field>> {
  /** `sizeof`, in bytes. */
  readonly size: number;
  /** `offsetof` every field, in bytes and in declaration order. */
  readonly offsets: Readonly<Record<keyof L, number>>;
  /** Writes the given fields at `offset` (default 0) of a buffer; the others keep what is there. */
  write(buffer: Uint8Array<ArrayBuffer>, values: Partial<Values<L>>, offset?: number): void;
  /** Reads all scalar fields; arrays come back as arrays. */
  read(buffer: Uint8Array<ArrayBuffer>, offset?: number): Values<L>;
}

/**
 * Describes a C structure; `tests/ffi/struct_test.ts` proves each of ours against the compiler's layout.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { struct } from "./struct.ts";
 *
 * const Pair = struct({ tag: "i32", value: "u64" });
 * assert.equal(Pair.size, 16);
 * assert.equal(Pair.offsets.value, 8);
 * ```
 */
export function struct<const L extends Record<string, Field>>(layout: L): Struct<L> {
  const offsets = {} as Record<keyof L, number>;
  let end = 0;
  let align = 1;
  for (const [name, field] of Object.entries(layout)) {
    const { bytes, count } = parse(field);
    end = Math.ceil(end / bytes) * bytes;
    offsets[name as keyof L] = end;
    end += bytes * count;
    align = Math.max(align, bytes);
  }
  return {
    size: Math.ceil(end / align) * align,
    offsets,
    write(buffer, values, offset = 0) {
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      for (const [name, value] of Object.entries(values)) {
        const { type, bytes, count } = parse(layout[name]);
        const items = (Array.isArray(value) ? value : [value]) as (number | bigint)[];
        if (items.length > count) {
          throw new RangeError(`Cannot write ${items.length} values to the field ${name}: it has room for ${count}`);
        }
        items.forEach((item, index) => put(view, type, offset + offsets[name] + index * bytes, item));
      }
    },
    read(buffer, offset = 0) {
      const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      const values: Record<string, unknown> = {};
      for (const [name, field] of Object.entries(layout)) {
        const { type, bytes, count } = parse(field);
        const items = Array.from({ length: count }, (_, index) => get(view, type, offset + offsets[name] + index * bytes));
        values[name] = field.endsWith("]") ? items : items[0];
      }
      return values as Values<L>;
    },
  };
}

const parsed = new Map<Field, { type: string; bytes: number; count: number }>();

function parse(field: Field): { type: string; bytes: number; count: number } {
  const known = parsed.get(field);
  if (known) return known;
  const [type, count] = field.split("[");
  const result = { type, bytes: type.endsWith("64") ? 8 : 4, count: count ? Number.parseInt(count) : 1 };
  parsed.set(field, result);
  return result;
}

function put(view: DataView, type: string, offset: number, value: number | bigint): void {
  if (type.endsWith("64")) view.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
  else view.setUint32(offset, Number(value) >>> 0, true);
}

function get(view: DataView, type: string, offset: number): number | bigint {
  if (type === "i64") return view.getBigInt64(offset, true);
  if (type === "u64") return view.getBigUint64(offset, true);
  return type === "i32" ? view.getInt32(offset, true) : view.getUint32(offset, true);
}
