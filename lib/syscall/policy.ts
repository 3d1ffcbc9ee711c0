import { UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import type { Architecture } from "./arch.ts";
import { expand } from "./groups.ts";
import { inOrder, isName, type Layer, saidTwice, type Target } from "./layer.ts";
import { loadProfile } from "./profile.ts";
import {
  confinesCallerOnly,
  fitted,
  has,
  isPastFilter,
  mayExecute,
  noSuchCall,
  objection,
  type Policy,
  reasonInFilter,
  type Rule,
} from "./rules.ts";
import { formatVerdict, parseSwitch, type Verdict } from "./switches.ts";
import { type Call, callsByNumber } from "./table.ts";

export type { Policy, Rule } from "./rules.ts";
export type { Action } from "./switches.ts";
export { type Change, decideSwitch, fixedCalls, switchableCalls } from "./switching.ts";

/** What somebody asks for. */
export interface SyscallWish {
  /** Name of a profile, or the path of one; see `loadProfile()`. */
  readonly profile: string;
  /** Differences from it, as in `openat=allow`, `@path=forward` or `ptrace=deny:EPERM`. */
  readonly switches?: readonly string[];
  /** Calls and groups that may be switched while programs run, besides those of the profile. */
  readonly switchable?: readonly string[];
}

/**
 * Decides what happens to every system call of an architecture.
 *
 * @throws {UsageError} If there is no such profile, call, group or action, or if an action does not fit a call that is
 * named. Of a group the calls are taken that the action fits, at least one; the others keep what they had.
 */
export function resolvePolicy(wish: SyscallWish, architecture: Architecture): Policy {
  const profile = loadProfile(wish.profile);
  const layers = [...profile.layers, layerOf(wish)];
  const verdicts = verdictsOf(layers);
  const switchable = new Set(layers.flatMap(({ switchable }) => switchable.flatMap(switchableOf)));
  const rules = [...callsByNumber(architecture).values()].map((call): Rule => {
    const verdict = isPastFilter(call)
      ? { action: "deny", errno: noSuchCall } as const
      : verdicts.get(call) ?? defaultOf(call, profile.default);
    const notified = reasonInFilter(call) === null && (verdict.action !== "allow" || switchable.has(call));
    return { call, ...verdict, notified };
  });
  const unknown = { ...profile.default, action: profile.default.action === "deny" ? "deny" : "allow" } as const;
  return { architecture, profile: profile.name, rules: watched(rules), unknown };
}

/**
 * Wherever somebody may execute calls for a program, those that change who it is, or what it sees, are looked at; and those
 * by which it alone would be confined are refused for good, as by a kernel that has none such.
 */
function watched(rules: readonly Rule[]): readonly Rule[] {
  if (!rules.some(mayExecute)) return rules;
  const traits = ["identity", "namespace", "watches"] as const;
  const isWatched = (call: Call) => traits.some((trait) => has(call, trait)) && reasonInFilter(call) === null;
  return rules.map((rule) => {
    if (confinesCallerOnly(rule.call)) return { call: rule.call, action: "deny", errno: noSuchCall, notified: false };
    return isWatched(rule.call) ? { ...rule, notified: true } : rule;
  });
}

/** Calls that no policy may touch stay allowed when nobody names them. */
function defaultOf(call: Call, verdict: Verdict): Verdict {
  return objection(call, verdict) === null ? verdict : { action: "allow" };
}

/** The differences that somebody asks for. */
function layerOf({ switches = [], switchable = [] }: SyscallWish): Layer {
  const entries = switches.map(parseSwitch);
  for (const { entry, before } of saidTwice(entries)) {
    const [first, second] = [before, entry].map(({ verdict }) => formatVerdict(verdict));
    if (first === second) continue;
    throw new UsageError(`Cannot switch ${quote(entry.target)} to ${first} and to ${second}`, { remedy: "Keep one of them" });
  }
  return { entries, switchable: switchable.map((target) => ({ target })) };
}

/** What layers say of calls, the last that says something; calls that nobody mentions are missing. */
function verdictsOf(layers: readonly Layer[]): ReadonlyMap<Call, Verdict> {
  const verdicts = new Map<Call, Verdict>();
  for (const { entry: { target, verdict, place }, calls } of layers.flatMap(({ entries }) => inOrder(entries))) {
    const fitting = calls.filter((call) => objection(call, verdict) === null);
    if (fitting.length === 0) throw refusal(verdict.action, { target, place }, objection(calls[0], verdict)!);
    for (const call of fitting) verdicts.set(call, { ...verdict, action: fitted(call, verdict.action) });
  }
  return verdicts;
}

function switchableOf(target: Target): Call[] {
  const calls = expand([target.target]);
  const fitting = calls.filter((call) => reasonInFilter(call) === null);
  if (fitting.length === 0) throw refusal("make switchable", target, reasonInFilter(calls[0])!);
  return fitting;
}

function refusal(verb: string, { target, place }: Target, reason: string): UsageError {
  const what = isName(target) ? target : `any call of ${target}`;
  return new UsageError(`Cannot ${verb} ${what}: ${reason}${place === undefined ? "" : ` (${place})`}`, {
    remedy: "Leave it out, or choose another action",
  });
}
