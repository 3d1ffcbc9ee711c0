import { didYouMean, RefusedError, UsageError } from "../errors.ts";
import type { CacheWish } from "../feature/cache.ts";
import { nodeFeatures, quietPreset } from "../feature/node_features.ts";
import type { SchedulingWish } from "../feature/scheduling.ts";
import type { Ledger } from "../plan/ledger.ts";
import { quote } from "../quote.ts";
import { findSpec } from "./ledger_specs.ts";
import type { ContainerSpec } from "./spec.ts";

/** A feature of a running container, to be switched on or off. */
export interface Switch {
  /** Name of the feature, or `quiet` for all of that preset. */
  readonly feature: string;
  /** On or off. */
  readonly enable: boolean;
  /** What to switch `scheduling` to; fair when it is disabled. */
  readonly scheduling?: SchedulingWish;
  /** What to switch `devices` to; all when it is disabled. */
  readonly devices?: readonly string[];
  /** What to switch `cache` to; none when it is disabled. */
  readonly cache?: CacheWish;
}

/** Features of a container's own that are simply on or off, in the words of a specification. */
const ownSwitches = {
  loadBalancing: (spec: ContainerSpec, enable: boolean): ContainerSpec => ({ ...spec, loadBalancing: enable ? "on" : "off" }),
  swap: (spec: ContainerSpec, enable: boolean): ContainerSpec => ({ ...spec, swap: enable ? "on" : "off" }),
} as const;

/** Names that `nodeos feature` takes. */
export const switchNames: readonly string[] = [
  "quiet",
  ...nodeFeatures.map(({ name }) => name),
  ...Object.keys(ownSwitches),
  "scheduling",
  "devices",
  "cache",
];

/**
 * Decides what a container becomes when a feature is switched.
 *
 * @throws {UsageError} If there is no such feature, {RefusedError} if it cannot be switched while programs run,
 * {NoSuchObjectError} if there is no such container.
 */
export function decideSwitch(ledger: Ledger, name: string, wanted: Switch): ContainerSpec {
  const { feature, enable, scheduling, devices, cache } = wanted;
  const spec = findSpec(ledger, name);
  if (spec.role === "service") {
    throw new RefusedError("Cannot switch features of the ServiceOS", { remedy: "Features are containers' wishes; name a container" });
  }
  if (Object.hasOwn(ownSwitches, feature)) return checked(ownSwitches[feature as keyof typeof ownSwitches](spec, enable));
  if (feature === "scheduling") return checked({ ...spec, scheduling: schedulingOf(enable, scheduling) });
  if (feature === "devices") return { ...spec, devices: enable ? given(feature, devices, "devices=/dev/nvidia0") : null };
  if (feature === "cache") return { ...spec, cache: enable ? given(feature, cache, "cache=l3:50%") : null };
  const chosen = feature === "quiet" ? quietPreset : nodeFeatures.map(({ name }) => name).filter((known) => known === feature);
  if (chosen.length === 0) {
    throw new UsageError(`Cannot find a feature ${quote(feature)}${didYouMean(feature.slice(0, 40), switchNames)}`, {
      remedy: `There are: ${switchNames.join(", ")}`,
    });
  }
  const isOn = (known: string) => chosen.includes(known) ? enable : spec.quiet.includes(known);
  return { ...spec, quiet: nodeFeatures.map(({ name }) => name).filter(isOn) };
}

function schedulingOf(enable: boolean, wish: SchedulingWish | undefined): SchedulingWish {
  if (!enable) return { policy: "fair" };
  if (wish === undefined) throw new UsageError("Cannot enable scheduling without a policy", { remedy: "Write scheduling=cooperative" });
  if (wish.policy !== "deadline") return wish;
  throw new RefusedError("Cannot give running programs a deadline: a budget belongs to one thread", {
    remedy: "Start the program anew in a container with that scheduling",
  });
}

function given<T>(feature: string, value: T | undefined, example: string): T {
  if (value !== undefined) return value;
  throw new UsageError(`Cannot enable ${feature} without a value`, { remedy: `Write it, as in ${example}` });
}

/** A deadline task belongs to a whole scheduling domain. */
function checked(spec: ContainerSpec): ContainerSpec {
  if (spec.scheduling.policy !== "deadline" || spec.loadBalancing === "on") return spec;
  throw new RefusedError("Cannot switch load balancing off under scheduling deadline", {
    remedy: "Change the scheduling first: nodeos feature NAME disable scheduling",
  });
}
