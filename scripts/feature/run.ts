import { decideSwitch, type Switch } from "../../lib/container/switch.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { UsageError } from "../../lib/errors.ts";
import { nodeFeatures } from "../../lib/feature/node_features.ts";
import { holdingOf, type Ledger, replaceHolding } from "../../lib/plan/ledger.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import { cacheWish, schedulingWish } from "../flags.ts";
import { printPlan } from "../print_plan.ts";
import type { FeatureFlags } from "./command.ts";

/** Lists or switches features. */
export default async function feature(this: Context, flags: FeatureFlags, ...words: string[]): Promise<void> {
  const [name, verb, ...names] = words;
  if (name === undefined) return listAll(this, flags);
  const node = await this.node();
  const spec = node.find(name).spec as ContainerSpec;
  if (verb === undefined) return list(this, flags, spec, node.left());
  const switches = names.map((word) => parseSwitch(verb, word));
  if (switches.length === 0) {
    throw new UsageError("Cannot switch no feature", {
      remedy: `Name some: nodeos feature ${name} ${verb} irqs; nodeos feature lists them`,
    });
  }
  const decide = (_: unknown, ledger: Ledger) => [decideAll(ledger, name, switches)];
  if (flags.dryRun) return printPlan(this, node.planChange(decide), flags.json);
  const [changed] = await node.change(decide);
  if (flags.json) return this.json({ container: changed });
  this.say(`nodeos: container ${name} has ${words.slice(2).join(", ")} ${verb}d now`);
}

function parseSwitch(verb: string, word: string): Switch {
  if (verb !== "enable" && verb !== "disable") {
    throw new UsageError(`Cannot ${JSON.stringify(verb)} a feature`, { remedy: "Write enable or disable" });
  }
  const at = word.indexOf("=");
  if (at < 0) return { feature: word, enable: verb === "enable" };
  const [key, value] = [word.slice(0, at), word.slice(at + 1)];
  const enable = verb === "enable";
  if (key === "scheduling") return { feature: key, enable, scheduling: schedulingWish(value) };
  if (key === "devices") return { feature: key, enable, devices: value.split(",").filter(Boolean) };
  if (key === "cache") return { feature: key, enable, cache: cacheWish(value) };
  throw new UsageError(`Cannot give ${JSON.stringify(key)} a value`, { remedy: "It is enabled or disabled" });
}

function decideAll(ledger: Ledger, name: string, switches: readonly Switch[]): ContainerSpec {
  for (const wanted of switches) {
    const spec = decideSwitch(ledger, name, wanted);
    ledger = replaceHolding(ledger, { ...holdingOf(ledger, name)!, spec });
  }
  return holdingOf(ledger, name)!.spec as ContainerSpec;
}

function listAll(context: Context, { json }: FeatureFlags): void {
  const known = nodeFeatures.map(({ name, doc, words: [enabled, disabled], reach }) => ({ name, doc, enabled, disabled, reach }));
  if (json) return context.json({ features: known });
  const rows = known.map(({ name, enabled, reach, doc }) => [name, enabled, reach === "node" ? "whole node" : "its CPUs", doc]);
  context.print(table([{ title: "FEATURE" }, { title: "ENABLED" }, { title: "CONCERNS" }, { title: "WHAT IT DOES" }], rows));
  context.print(
    "\nBesides these, which concern the container alone: loadBalancing, swap, scheduling=POLICY, devices=PATH,..., cache=l3:PERCENT,....",
  );
}

function list(
  context: Context,
  { json }: FeatureFlags,
  { name, quiet, loadBalancing, swap, scheduling, devices, cache }: ContainerSpec,
  left: readonly { feature: string; lines: readonly string[] }[],
): void {
  const states = [
    ...nodeFeatures.map((feature) => ({ name: feature.name, value: feature.words[quiet.includes(feature.name) ? 0 : 1] })),
    { name: "loadBalancing", value: loadBalancing },
    { name: "swap", value: swap },
    { name: "scheduling", value: scheduling.policy },
    { name: "devices", value: devices === null ? "all" : devices.join(", ") || "the harmless ones" },
    { name: "cache", value: cache === null ? "shared" : `l3 ${cache.l3 ?? 100} %, memory bandwidth ${cache.memoryBandwidth ?? 100} %` },
  ];
  if (json) return context.json({ name, features: Object.fromEntries(states.map(({ name, value }) => [name, value])), left });
  context.print(table([{ title: `CONTAINER ${name}` }, { title: "" }], states.map(({ name, value }) => [name, value])));
  if (left.length > 0) context.print("\nSTAYS (on the CPUs of containers, whatever is done)");
  for (const { feature, lines } of left) for (const line of lines) context.print(`  ${feature}: ${line}`);
}
