import type { KernelFiles, KernelWriter } from "../../ffi/kernel_root.ts";
import { NoSuchObjectError, RefusedError } from "../../lib/errors.ts";
import { currentPerson } from "../../lib/power/access/person.ts";
import { matches, type Person, Policy } from "../../lib/power/access/policy.ts";
import { loadPolicy } from "../../lib/power/access/policy_file.ts";
import type { Meter } from "../../lib/power/meter.ts";
import { type PapiProvider, papiProvider } from "../../lib/power/providers/papi.ts";
import { Registry } from "../../lib/power/registry.ts";
import type { SnapshotReader } from "../../lib/power/snapshot.ts";
import { quote } from "../../lib/quote.ts";
import type { Context } from "../context.ts";

/** Where root says who may do what; without it root may do everything, and others nothing. */
export const policyPath = "/etc/nodeos/power.yaml";

/** What helps on a machine without power meters. */
export const tryRemedy = "See how it works on a simulated package: nodeos power simulate -- nodeos power list";

/** The power of the running machine, and who asks for it. */
export interface PowerMachine extends Disposable {
  /** Its files. */
  readonly kernel: KernelFiles & KernelWriter;
  /** Its meters. */
  readonly registry: Registry;
  /** Who may do what. */
  readonly policy: Policy;
  /** Who asks. */
  readonly person: Person;
  /** Counters of PAPI that are asked for. */
  readonly papi?: PapiProvider;
}

/** How {@link openPower} looks for meters. */
export interface PowerOptions {
  /**
   * Where the policy is.
   * @default {policyPath}
   */
  readonly path?: string;
  /** Whether counters of PAPI are those of a program that is started later: not of nodeos. */
  readonly isForProgram?: boolean;
}

/** Names of counters of PAPI begin so; there are too many to list, and each costs something. */
const papiPrefix = "papi/";

/**
 * Finds the meters of the machine, and what the user may do with them.
 *
 * @param names Meters that are asked for: counters of PAPI are looked for when they are named.
 */
export async function openPower(
  context: Pick<Context, "kernel">,
  names: readonly string[] = [],
  { path = policyPath, isForProgram = false }: PowerOptions = {},
): Promise<PowerMachine> {
  const kernel = await context.kernel();
  const policy = withRoot(await loadPolicy(path));
  const events = names.filter((name) => name.startsWith(papiPrefix)).map((name) => name.slice(papiPrefix.length));
  const papi = events.length > 0 ? papiProvider(events, { isForProgram }) : undefined;
  const registry = Registry.open(kernel, papi === undefined ? [] : [papi]);
  return { kernel, registry, policy, person: currentPerson(kernel), papi, [Symbol.dispose]: () => registry[Symbol.dispose]() };
}

/** Root may do everything unless the policy says what root may do: grants for others take nothing away. */
export function withRoot(policy: Policy): Policy {
  const { users, groups } = policy;
  return users.has("0") || users.has("root") ? policy : new Policy(new Map([...Policy.rootOnly.users, ...users]), groups);
}

/** The name that finds a meter again, also where another provider has one of the same name. */
export function keyOf({ provider, name }: Meter): string {
  return `${provider}:${name}`;
}

/** Reads meters again and again, in this order. */
export function readerOf({ registry }: PowerMachine, meters: readonly Meter[]): SnapshotReader {
  return registry.reader(meters.map(keyOf));
}

/** Meters that somebody names; `*` stands for any part between two slashes. Each once, in the order of the registry. */
export function findMeters({ registry }: Pick<PowerMachine, "registry">, names: readonly string[]): Meter[] {
  const found = new Set<Meter>();
  for (const name of names) {
    const some = name.includes("*") ? registry.meters.filter((meter) => matches(name, meter.name)) : [registry.find(name)];
    if (some.length === 0) {
      throw new NoSuchObjectError(`Cannot find a meter: no name matches ${quote(name)}`, { remedy: "See all of them: nodeos power list" });
    }
    for (const meter of some) found.add(meter);
  }
  return [...found];
}

/**
 * Meters to be read: those that somebody names, or, without names, all that `isUsual` says and the user may read.
 *
 * @throws {NoSuchObjectError} If there is none of a name.
 * @throws {RefusedError} If one that was named may not be read, or nothing is left.
 */
export function chooseMeters(machine: PowerMachine, names: readonly string[], isUsual: (meter: Meter) => boolean): Meter[] {
  const { registry, policy, person } = machine;
  if (names.length > 0) {
    const meters = findMeters(machine, names);
    for (const meter of meters) {
      policy.checkRead(person, meter);
      if (meter.permission !== null) throw new RefusedError(`Cannot read ${meter.name}: ${meter.permission}`);
    }
    return meters;
  }
  const meters = usualMeters(machine, isUsual);
  if (meters.length > 0) return meters;
  const usual = registry.meters.filter(isUsual);
  const readable = usual.filter((meter) => meter.permission === null);
  if (readable.length > 0) policy.checkRead(person, readable[0]);
  if (usual.length > 0) throw new RefusedError(`Cannot read ${usual[0].name}: ${usual[0].permission}`);
  throw new NoSuchObjectError(`Cannot read power: this machine shows no meter of it`, {
    remedy: [...registry.lacks.map(({ what, why }) => `${what}: ${why}`), tryRemedy].join("\n  "),
  });
}

/** All meters that `isUsual` says and the user may read: maybe none. */
export function usualMeters({ registry, policy, person }: PowerMachine, isUsual: (meter: Meter) => boolean): Meter[] {
  return registry.meters.filter((meter) => isUsual(meter) && meter.permission === null && policy.mayRead(person, meter)).sort(byKind);
}

const kinds = ["package", "dram", "gpu", "psys", "node", "core", "cpu"];

/** The parts of a machine that have power of their own first. */
export function byKind(a: Meter, b: Meter): number {
  return kinds.indexOf(a.domain.kind) - kinds.indexOf(b.domain.kind);
}

/** Whether a meter counts energy, or tells power. */
export function isPower({ unit, name }: Meter): boolean {
  return unit === "J" || unit === "W" && !/-limit/.test(name);
}

/** What shows how a machine is: power, and of packages limit, temperature, and whether they are held back. */
export function isOverview(meter: Meter): boolean {
  const { name, domain: { kind } } = meter;
  if (kind === "core" || kind === "cpu") return false;
  return isPower(meter) || /^gpu\d+\/temperature$|^package.*(temperature|throttled-time|power-limit)$/.test(name);
}

/** What a trace has: the overview, and what CPUs run at. */
export function isTraced(meter: Meter): boolean {
  return isOverview(meter) || /^cpu\d+\/frequency$/.test(meter.name);
}
