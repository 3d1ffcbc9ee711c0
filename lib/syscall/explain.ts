import { loadProfile, profileNames } from "./profile.ts";
import type { Policy, Rule } from "./rules.ts";
import { formatVerdict } from "./switches.ts";

/** Calls to which the same happens, as a row of a table. */
export interface PolicyRow {
  /** What happens, as in `allow`, `forward` or `deny:ENOSYS`. */
  readonly action: string;
  /** Who decides it: the filter in the kernel, for good, or the ServiceOS, where it can be switched. */
  readonly where: "filter" | "ServiceOS";
  /** How many calls. */
  readonly count: number;
  /** Their names, sorted. */
  readonly calls: readonly string[];
}

/** A profile that comes with us, as a row of a table. */
export interface ProfileRow {
  /** Its name. */
  readonly name: string;
  /** What it is for. */
  readonly doc: string;
}

/** What costs least comes first. */
const order = ["allow filter", "deny filter", "allow ServiceOS", "forward ", "inject ", "handle ", "record ", "deny ServiceOS"];

/** A policy by tiers, from calls that cost nothing to those that are denied; a tier without calls has no row. */
export function explainPolicy({ rules }: Pick<Policy, "rules">): PolicyRow[] {
  const tiers = Map.groupBy(rules, (rule) => `${formatVerdict(rule)} ${whereOf(rule)}`);
  return [...tiers.values()].toSorted((a, b) => rankOf(a[0]) - rankOf(b[0]) || (formatVerdict(a[0]) < formatVerdict(b[0]) ? -1 : 1))
    .map((tier) => ({
      action: formatVerdict(tier[0]),
      where: whereOf(tier[0]),
      count: tier.length,
      calls: tier.map(({ call }) => call.name).toSorted(),
    }));
}

/** The profiles that come with us, the least strict first. */
export function explainProfiles(): ProfileRow[] {
  return profileNames.map((name) => ({ name, doc: loadProfile(name).doc }));
}

function whereOf({ notified }: Rule): PolicyRow["where"] {
  return notified ? "ServiceOS" : "filter";
}

function rankOf(rule: Rule): number {
  return order.findIndex((tier) => `${rule.action} ${whereOf(rule)}`.startsWith(tier));
}
