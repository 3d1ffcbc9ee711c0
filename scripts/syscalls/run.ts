import { parseSyscalls } from "../../lib/container/syscall_wish.ts";
import { policyOf } from "../../lib/container/wish_compiler.ts";
import { UsageError } from "../../lib/errors.ts";
import { table } from "../../lib/report/table.ts";
import { differences } from "../../lib/syscall/difference.ts";
import { explainPolicy, explainProfiles } from "../../lib/syscall/explain.ts";
import { ociSeccomp } from "../../lib/syscall/oci.ts";
import type { Policy } from "../../lib/syscall/policy.ts";
import type { Context } from "../context.ts";
import type { SyscallsFlags } from "./command.ts";
import { showCalls, switchCalls } from "./container.ts";

const columnsMax = 110;

/** Shows profiles or a container's calls, or switches some. */
export default async function syscalls(this: Context, flags: SyscallsFlags, name?: string, ...switches: string[]): Promise<void> {
  const { profile, against, oci, json } = flags;
  if (name !== undefined && (profile !== undefined || oci || against !== undefined)) {
    throw new UsageError("Cannot show a container and a profile together", { remedy: `nodeos syscalls ${name}, or --profile` });
  }
  if (profile === undefined && (against !== undefined || oci)) {
    throw new UsageError(`Cannot use --${oci ? "oci" : "against"} without --profile`, { remedy: "nodeos syscalls --profile cnk" });
  }
  if (oci && against !== undefined) {
    throw new UsageError("Cannot use --oci and --against together: one prints a profile, the other differences");
  }
  if (name !== undefined) return switches.length > 0 ? await switchCalls(this, flags, name, switches) : await showCalls(this, flags, name);
  if (profile === undefined) return showProfiles(this, json);
  const policy = policyOf(parseSyscalls(profile));
  if (oci) return this.print(JSON.stringify(ociSeccomp(policy), null, 2));
  if (against !== undefined) return showDifference(this, policy, policyOf(parseSyscalls(against)), [profile, against], json);
  const rows = explainPolicy(policy);
  if (json) return this.json({ profile: policy.profile, tiers: rows });
  for (const { action, where, count, calls } of rows) {
    this.print(`${action}, ${where === "filter" ? "in the filter" : "at the ServiceOS, switchable"}: ${count}`);
    this.print(wrapped(calls));
  }
}

function showProfiles(context: Context, json: boolean): void {
  const rows = explainProfiles();
  if (json) return context.json({ profiles: rows });
  context.print(table([{ title: "PROFILE" }, { title: "WHAT IT DOES" }], rows.map(({ name, doc }) => [name, doc])));
}

function showDifference(context: Context, from: Policy, to: Policy, names: readonly [string, string], json: boolean): void {
  const rows = differences(from, to);
  if (json) return context.json({ from: names[0], to: names[1], differences: rows });
  if (rows.length === 0) return context.say("nodeos: they do the same with every call");
  context.print(table([{ title: "CALL" }, { title: names[0] }, { title: names[1] }], rows.map(({ call, from, to }) => [call, from, to])));
}

/** Words in lines of a terminal's width, two columns in. */
function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const line = lines.at(-1);
    if (line === undefined || line.length + word.length + 1 > columnsMax) lines.push(`  ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.join("\n");
}
