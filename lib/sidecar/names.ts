import type { Architecture } from "../syscall/arch.ts";
import { isFilled } from "../syscall/frames.ts";
import { type Call, callsByNumber } from "../syscall/table.ts";
import { constants } from "./constants.ts";
import { type Layout, layoutOf, valueKinds } from "./structures.ts";

/** `struct agent_name` in `ffi/native/forwarder/agent.h`: a name, that of an argument, its layout, whether it is a call's, a value. */
const nameBytes = 32, filledBytes = 14, entryBytes = 56;
/** `struct agent_field` there: a name, its kind, offset and layout. */
const fieldNameBytes = 19, fieldBytes = 24;
/** Both counts stand before them. */
const headBytes = 8;
const encoder = new TextEncoder();

/**
 * The names of calls and constants, and the layouts of structures, as an agent takes them, which reads plain requests by
 * itself. A name that has no room there is left out: requests with it come to the sidecar.
 */
export function encodeNames(architecture: Architecture): Uint8Array<ArrayBuffer> {
  const layouts: Layout[] = [];
  /** 0 stands for none. */
  const numberOf = (layout: Layout | undefined): number => {
    if (layout === undefined) return 0;
    if (!layouts.includes(layout)) layouts.push(layout);
    return layouts.indexOf(layout) + 1;
  };
  const entries = [
    ...[...callsByNumber(architecture)].map(([number, call]) => {
      const filled = filledBy(call);
      return {
        name: call.name,
        filled,
        layout: filled === "" ? 0 : numberOf(layoutOf(call.name, architecture)),
        isCall: true,
        value: number,
      };
    }),
    ...[...constants[architecture]].map(([name, value]) => ({ name, filled: "", layout: 0, isCall: false, value })),
  ].filter(({ name }) => name.length < nameBytes);
  const fields = layouts.flatMap((layout, index) =>
    (typeof layout === "string" ? [{ name: "", kind: layout, offset: 0 }] : layout).map((field) => ({ ...field, layout: index + 1 }))
  );
  const all = new Uint8Array(headBytes + entries.length * entryBytes + fields.length * fieldBytes);
  const view = new DataView(all.buffer);
  view.setUint32(0, entries.length, true);
  view.setUint32(4, fields.length, true);
  for (const [index, { name, filled, layout, isCall, value }] of entries.entries()) {
    const at = headBytes + index * entryBytes;
    encoder.encodeInto(name, all.subarray(at));
    encoder.encodeInto(filled, all.subarray(at + nameBytes));
    all[at + nameBytes + filledBytes] = layout;
    all[at + nameBytes + filledBytes + 1] = Number(isCall);
    view.setBigInt64(at + nameBytes + filledBytes + 2, BigInt(value), true);
  }
  for (const [index, { name, kind, offset, layout }] of fields.entries()) {
    const at = headBytes + entries.length * entryBytes + index * fieldBytes;
    encoder.encodeInto(name, all.subarray(at));
    all[at + fieldNameBytes] = valueKinds[kind];
    view.setUint16(at + fieldNameBytes + 1, offset, true);
    view.setUint16(at + fieldNameBytes + 3, layout, true);
  }
  return all;
}

/** The one argument that a call fills; nothing where it fills more, or none. */
function filledBy(call: Call): string {
  const filled = call.arguments.filter(({ kind }) => isFilled(kind));
  return filled.length === 1 && filled[0].name.length < filledBytes ? filled[0].name : "";
}
