import assert from "node:assert/strict";
import fc from "fast-check";
import { NodeosError } from "../../../../lib/errors.ts";
import type { Person } from "../../../../lib/power/access/policy.ts";
import type { Meter } from "../../../../lib/power/meter.ts";
import type { Registry } from "../../../../lib/power/registry.ts";
import { alice, aliceMay, root } from "./site.ts";

/** A wrong request. */
export interface WrongRequest {
  /** Whether to read or to set. */
  readonly verb: "read" | "set";
  /** What it names. */
  readonly name: string;
  /** The value to set. */
  readonly value: number;
  /** Who asks. */
  readonly person: Person;
  /** What is wrong, in a word. */
  readonly sort: "unknown" | "outside" | "read-only" | "forbidden";
}

const notNumbers = fc.constantFrom(NaN, Infinity, -Infinity);

/** Requests that nobody may grant, of whatever a machine has: unknown domains, values out of range and none, meters, those of others. */
export function wrongRequests(registry: Registry): fc.Arbitrary<WrongRequest> {
  const actuators = registry.all.filter(({ isWritable }) => isWritable);
  const only = registry.all.filter(({ isWritable }) => !isWritable);
  const forbidden = fc.constantFrom(...actuators).chain((meter) => {
    const { min, max } = meter.range;
    const [low, high] = meter.name === aliceMay.name ? [aliceMay.max + 0.01, max] : [min, max];
    return wrong("forbidden", alice, fc.constant(fullName(meter)), fc.double({ min: low, max: high, noNaN: true }));
  });
  const unread = fc.constantFrom(...registry.all.filter(({ domain: { kind, index } }) => kind !== "package" || index !== 0));
  return fc.oneof(
    wrong("unknown", root, unknownName(registry), fc.double()),
    fc.constantFrom(...actuators).chain((meter) => wrong("outside", root, fc.constant(fullName(meter)), outside(meter))),
    wrong("read-only", root, fc.constantFrom(...only).map(fullName), fc.double({ noNaN: true })),
    forbidden,
    wrong("unknown", root, unknownName(registry), fc.constant(0), "read"),
    wrong("forbidden", alice, unread.map(fullName), fc.constant(0), "read"),
  );
}

function fullName({ provider, name }: Meter): string {
  return `${provider}:${name}`;
}

function wrong(
  sort: WrongRequest["sort"],
  person: Person,
  name: fc.Arbitrary<string>,
  value: fc.Arbitrary<number>,
  verb: WrongRequest["verb"] = "set",
): fc.Arbitrary<WrongRequest> {
  return fc.record({ verb: fc.constant(verb), name, value, person: fc.constant(person), sort: fc.constant(sort) });
}

/** Windows below 0 are among them. */
function outside({ range: { min, max } }: Meter): fc.Arbitrary<number> {
  return fc.oneof(notNumbers, fc.double({ max: min, maxExcluded: true }), fc.double({ min: max, minExcluded: true }));
}

/** A domain of a number that is not there, a quantity that it does not have, or anything at all. */
function unknownName(registry: Registry): fc.Arbitrary<string> {
  const quantities = registry.all.map(({ name }) => name.slice(name.indexOf("/") + 1));
  const domain = fc.tuple(
    fc.constantFrom("package", "core", "cpu", "dram", "gpu", "psys", "node", "socket"),
    fc.integer({ min: -1, max: 5000 }),
  );
  const names = fc.oneof(
    fc.tuple(domain, fc.constantFrom(...quantities)).map(([[kind, index], quantity]) => `${kind}${index}/${quantity}`),
    fc.constantFrom(...registry.all).map(({ provider, name }) => `${provider}:${provider}:${name}`),
    fc.string(),
  );
  const known = new Set(registry.all.flatMap((meter) => [meter.name, fullName(meter)]));
  return names.filter((name) => !known.has(name));
}

/** Checks that a call is refused, in words that say so, and that it is not for a reason of ours. Returns the sort of the error. */
export function refusalOf(act: () => unknown): string {
  let name = "";
  assert.throws(act, (error) => {
    assert(error instanceof NodeosError && error.message.startsWith("Cannot "), `${error}`);
    assert(!/only reads/.test(error.message), "the policy let it through");
    name = error.name;
    return true;
  });
  return name;
}
