import { UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { expand } from "./groups.ts";
import { isName } from "./layer.ts";
import { fitted, objection, type Policy, reasonInFilter, type Rule } from "./rules.ts";
import { parseSwitch, type Switch, type Verdict } from "./switches.ts";
import type { Call } from "./table.ts";

/** A call and what happens to it from now on. */
export interface Change extends Verdict {
  /** The call. */
  readonly call: Call;
}

/** A call that a switch does not reach. */
export interface FixedCall {
  /** The call. */
  readonly call: Call;
  /** Why, as a clause. */
  readonly reason: string;
}

/** The rules of the policy that programs were started with. */
type Rules = Pick<Policy, "rules">;

/** The calls whose action can change while programs run, by number. */
export function switchableCalls({ rules }: Rules): Call[] {
  return rules.filter(({ notified }) => notified).map(({ call }) => call);
}

/**
 * Decides what a switch such as `openat=allow` or `@path=forward` changes while programs run. Of a group it changes what
 * can be; {@link fixedCalls} has the rest.
 *
 * @param policy The one that the programs were started with.
 * @throws {UsageError} If it is no switch, or if it can change nothing: with the reason.
 */
export function decideSwitch(policy: Rules, text: string): Change[] {
  const wanted = parseSwitch(text);
  const { action, errno } = wanted.verdict;
  const changes = reach(policy, wanted).flatMap(({ rule, reason }): Change[] =>
    reason === null ? [{ call: rule.call, action: fitted(rule.call, action), ...(errno === undefined ? {} : { errno }) }] : []
  );
  if (changes.length === 0) throw refusal(policy, wanted);
  return changes;
}

/**
 * The calls of a switch that it does not change, with the reason; never one that it names, as that is an error.
 *
 * @throws {UsageError} If it is no switch.
 */
export function fixedCalls(policy: Rules, text: string): FixedCall[] {
  return reach(policy, parseSwitch(text)).flatMap(({ rule, reason }) => reason === null ? [] : [{ call: rule.call, reason }]);
}

/** The rules that a switch is about, each with the reason against it. */
function reach({ rules }: Rules, { target, verdict }: Switch): { rule: Rule; reason: string | null }[] {
  const calls = new Set(expand([target]));
  return rules.filter(({ call }) => calls.has(call)).map((rule) => ({ rule, reason: reasonAgainst(rule, verdict) }));
}

function reasonAgainst(rule: Rule, verdict: Verdict): string | null {
  const { call, notified, action } = rule;
  if (notified) return objection(call, verdict);
  const past = `it was ${action === "allow" ? "allowed" : "denied"} in the filter when the programs started`;
  return reasonInFilter(call) ?? past;
}

function refusal(policy: Rules, wanted: Switch): UsageError {
  const { target, verdict } = wanted;
  const reached = reach(policy, wanted);
  const what = isName(target) ? target : `any call of ${target}`;
  if (reached.length === 0) return new UsageError(`Cannot ${verdict.action} ${what}: this machine has no such call`);
  const { rule, reason } = reached.find(({ rule }) => reasonInFilter(rule.call) === null) ?? reached[0];
  // What is allowed in the filter now could have been left to a switch; other reasons are for good.
  const remedy = !rule.notified && reasonInFilter(rule.call) === null
    ? `Start the programs with it among those that may be switched, as in switchable: [${isName(target) ? target : quote(target)}]`
    : undefined;
  return new UsageError(`Cannot ${verdict.action} ${what}: ${reason}`, { remedy });
}
