import type { Policy, Rule } from "./rules.ts";
import { formatVerdict } from "./switches.ts";

/** A call that two policies treat differently. */
export interface Difference {
  /** The call; {@link unknownCalls} for those that we do not know. */
  readonly call: string;
  /** What the first does, as in `allow`, `allow, switchable` or `deny:ENOSYS`; {@link absent} without such a call. */
  readonly from: string;
  /** What the second does. */
  readonly to: string;
}

/** Stands for the calls of kernels newer than we. */
export const unknownCalls = "(unknown calls)";
/** Stands where an architecture has no such call. */
export const absent = "no such call";

/**
 * What changes from one policy to another: rows by the call numbers of the first, then calls that only the second has,
 * then calls that we do not know.
 */
export function differences(from: Policy, to: Policy): Difference[] {
  const before = new Map(from.rules.map((rule) => [rule.call.name, rule]));
  const after = new Map(to.rules.map((rule) => [rule.call.name, rule]));
  const rows = [...new Set([...before.keys(), ...after.keys()])].map((call) => ({
    call,
    from: formatRule(before.get(call)),
    to: formatRule(after.get(call)),
  }));
  const unknown = { call: unknownCalls, from: formatVerdict(from.unknown), to: formatVerdict(to.unknown) };
  return [...rows, unknown].filter((row) => row.from !== row.to);
}

function formatRule(rule: Rule | undefined): string {
  if (rule === undefined) return absent;
  return rule.action === "allow" && rule.notified ? "allow, switchable" : formatVerdict(rule);
}
