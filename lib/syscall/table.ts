/**
 * The system calls of Linux on x86-64 and aarch64, up to Linux 7.0: their numbers, arguments, and what may be done with them.
 *
 * @module
 */

import type { Architecture } from "./arch.ts";
import { eventCalls } from "./table/event.ts";
import { fileCalls } from "./table/file.ts";
import { identityCalls } from "./table/identity.ts";
import { memoryCalls } from "./table/memory.ts";
import { networkCalls } from "./table/network.ts";
import { pathCalls } from "./table/path.ts";
import { processCalls } from "./table/process.ts";
import type { Argument, Call } from "./table/row.ts";
import { systemCalls } from "./table/system.ts";
import { timeCalls } from "./table/time.ts";

export { type Argument, type ArgumentKind, argumentKinds, type Bytes, type Call, type Group, type Trait, traitNames } from "./table/row.ts";

/** Every system call of all architectures, each once. */
export const calls: readonly Call[] = [
  ...pathCalls,
  ...fileCalls,
  ...eventCalls,
  ...memoryCalls,
  ...processCalls,
  ...timeCalls,
  ...identityCalls,
  ...networkCalls,
  ...systemCalls,
];

const byName = new Map(calls.map((call) => [call.name, call]));
const byNumber: Readonly<Record<Architecture, ReadonlyMap<number, Call>>> = { x86_64: numbered("x86_64"), aarch64: numbered("aarch64") };

/** Calls by number, in ascending order. */
function numbered(architecture: Architecture): ReadonlyMap<number, Call> {
  const entries = calls.flatMap((call): [number, Call][] => {
    const number = call.numbers[architecture];
    return number === undefined ? [] : [[number, call]];
  });
  return new Map(entries.sort(([a], [b]) => a - b));
}

/** The call of that name, as the kernel spells it. */
export function callNamed(name: string): Call | undefined {
  return byName.get(name);
}

/** The call of that number. */
export function callNumbered(architecture: Architecture, number: number): Call | undefined {
  return byNumber[architecture].get(number);
}

/** The calls that an architecture has, by number in ascending order. */
export function callsByNumber(architecture: Architecture): ReadonlyMap<number, Call> {
  return byNumber[architecture];
}

/** Size of the structure that an argument points to, in bytes; 0 for one of a kind other than `in` and `out`. */
export function bytesOf(argument: Argument, architecture: Architecture): number {
  const { bytes = 0 } = argument;
  return typeof bytes === "number" ? bytes : bytes[architecture];
}
