import type { Architecture } from "./arch.ts";
import type { CallCounter } from "./board.ts";
import { isPastFilter, mayExecute, noSuchCall, objection, type Policy, type Rule } from "./rules.ts";
import { formatVerdict } from "./switches.ts";
import { type Call, callNamed, callNumbered, callsByNumber } from "./table.ts";

/** Calls that every filter has to allow, so that a program starts and ends: they are not recorded. */
export function unrecorded(architecture: Architecture): Call[] {
  return [...callsByNumber(architecture).values()].filter((call) => objection(call, { action: "deny", errno: noSuchCall }) !== null);
}

/**
 * A policy that counts every call and leaves it to the program. Calls that are otherwise never looked at are, too: a
 * signal that arrives in the microseconds before we have seen such a call makes it return EINTR, if its handler was set
 * without SA_RESTART.
 */
export function recordingPolicy(architecture: Architecture): Policy {
  const needed = new Set(unrecorded(architecture));
  const rules = [...callsByNumber(architecture).values()].map((call): Rule => {
    if (isPastFilter(call)) return { call, action: "deny", errno: noSuchCall, notified: false };
    return needed.has(call) ? { call, action: "allow", notified: false } : { call, action: "record", notified: true };
  });
  return { architecture, profile: "recording", rules, unknown: { action: "allow" } };
}

/** How often a path was named by a call. */
export interface PathUse {
  /** The call. */
  readonly call: string;
  /** The path, as the program wrote it. */
  readonly path: string;
  /** How often. */
  readonly count: number;
}

/** Reads what a forwarder recorded: lines of call number, thread and path, with tabs between; a torn last line is left out. */
export function parseRecord(text: string, architecture: Architecture): PathUse[] {
  const uses = new Map<string, { call: string; path: string; count: number }>();
  for (const line of text.split("\n").slice(0, -1)) {
    const [number, , ...rest] = line.split("\t");
    const path = rest.join("\t");
    const call = callNumbered(architecture, Number(number))?.name ?? number;
    const key = `${call}\t${path}`;
    const use = uses.get(key);
    if (use === undefined) uses.set(key, { call, path, count: 1 });
    else use.count++;
  }
  return [...uses.values()].sort((a, b) => b.count - a.count || (a.path < b.path ? -1 : 1));
}

/** A call that a program made. */
export interface CallUse {
  /** Its name. */
  readonly call: string;
  /** How often. */
  readonly count: number;
}

/** Which calls were made, the most frequent first. */
export function usesOf(counters: Readonly<Record<string, Pick<CallCounter, "calls">>>): CallUse[] {
  return Object.entries(counters).map(([call, { calls }]) => ({ call, count: calls })).sort((a, b) =>
    b.count - a.count || (a.call < b.call ? -1 : 1)
  );
}

/**
 * The smallest profile under which the recorded run could have been made, as YAML.
 *
 * @param name What to call the profile.
 * @param command The program that was recorded, for the comment.
 */
export function writeProfile(name: string, command: readonly string[], uses: readonly CallUse[], architecture: Architecture): string {
  const always = unrecorded(architecture).map((call) => call.name);
  const groups = Map.groupBy(uses.map(({ call }) => call).sort(), (call) => callNamed(call)?.group ?? "unknown");
  const lines = [...groups].sort(([a], [b]) => a < b ? -1 : 1).map(([group, calls]) => `  # ${group}\n${listed(calls)}`);
  return [
    `# What a run of this needed, as nodeos trace saw it: ${JSON.stringify(command.join(" "))}`,
    `name: ${word(name)}`,
    `doc: ${JSON.stringify(`What one run of ${command[0].split("/").at(-1)} needed`)}`,
    `default: deny:${noSuchCall}`,
    "allow:",
    ...lines,
    "  # start and end of every program",
    listed(always),
    "",
  ].join("\n");
}

/** A name, in quotes where YAML would take it for something else than a word. */
function word(name: string): string {
  return /^(true|false|null)$/i.test(name) ? JSON.stringify(name) : name;
}

function listed(calls: readonly string[]): string {
  return calls.map((call) => `  - ${call}`).join("\n");
}

/** What a policy does with a call that a run made. */
export interface CheckedUse extends CallUse {
  /** As in `allow`, `inject` or `deny:ENOSYS`. */
  readonly action: string;
  /** The run would have been refused it. */
  readonly isDenied: boolean;
  /** It would have gone to the ServiceOS. */
  readonly isForwarded: boolean;
}

/** Compares a run with a policy. */
export function checkUses(policy: Policy, uses: readonly CallUse[]): CheckedUse[] {
  const rules = new Map(policy.rules.map((rule) => [rule.call.name, rule]));
  return uses.map(({ call, count }) => {
    const rule = rules.get(call);
    const verdict = rule ?? policy.unknown;
    const isForwarded = rule !== undefined && rule.action !== "allow" && rule.action !== "deny" && mayExecute(rule);
    return { call, count, action: formatVerdict(verdict), isDenied: verdict.action === "deny", isForwarded };
  });
}
