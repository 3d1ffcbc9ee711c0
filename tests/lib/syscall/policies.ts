import assert from "node:assert/strict";
import fc from "fast-check";
import type { Architecture } from "../../../lib/syscall/arch.ts";
import { errnoNames } from "../../../lib/syscall/errno.ts";
import type { Policy, Rule } from "../../../lib/syscall/policy.ts";
import { formatVerdict } from "../../../lib/syscall/switches.ts";
import { callsByNumber } from "../../../lib/syscall/table.ts";

/** The rule of one call. */
export function ruleOf({ rules }: Policy, name: string): Rule {
  return rules.find(({ call }) => call.name === name) ?? assert.fail(`there is no ${name}`);
}

/** What happens to some calls, in words: `allow`, `forward, notified`. */
export function words(policy: Policy, ...names: string[]): string[] {
  return names.map((name) => ruleOf(policy, name)).map((rule) => `${formatVerdict(rule)}${rule.notified ? ", notified" : ""}`);
}

/** A profile of one's own, in a file that is removed in the end. */
export class ProfileFile implements Disposable {
  readonly path = Deno.makeTempFileSync({ prefix: "nodeos-profile-", suffix: ".yaml" });

  constructor(text: string) {
    Deno.writeTextFileSync(this.path, `name: mine\n${text}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}

/** The same policy, for a program without a ServiceOS: what it would execute is allowed, what it would deny is denied in the filter. */
export function alone(policy: Policy): Policy {
  const rules = policy.rules.map((rule): Rule =>
    rule.action === "deny" ? { ...rule, notified: false } : { call: rule.call, action: "allow", notified: false }
  );
  return { ...policy, rules };
}

/** Policies as no profile would make them: any verdict for any call. */
export function anyPolicy(architecture: Architecture): fc.Arbitrary<Policy> {
  const denied = fc.constantFrom(...errnoNames).map((errno) => ({ action: "deny" as const, errno }));
  const inFilter = fc.oneof(fc.constant({ action: "allow" as const }), denied);
  const verdict = fc.oneof(
    inFilter.map((verdict) => ({ ...verdict, notified: false })),
    fc.constant({ action: "forward" as const, notified: true }),
  );
  const calls = [...callsByNumber(architecture).values()];
  return fc.record({
    verdicts: fc.array(verdict, { minLength: calls.length, maxLength: calls.length }),
    unknown: inFilter,
  }).map(({ verdicts, unknown }) => ({
    architecture,
    profile: "any",
    rules: calls.map((call, index) => ({ call, ...verdicts[index] })),
    unknown,
  }));
}
