import type { Meter, Unit } from "../../lib/power/meter.ts";
import { table } from "../../lib/report/table.ts";
import type { Context } from "../context.ts";
import { byKind, findMeters, isPower, openPower, type PowerMachine, tryRemedy } from "./machine.ts";
import { show, showWhole } from "./words.ts";

/** Flags of `nodeos power list`. */
export interface ListFlags {
  /** Only what is not there. */
  readonly lacks: boolean;
  /** One JSON document. */
  readonly json: boolean;
}

/** Meters of one row: those that differ in the number of what they are about only. */
interface Row {
  readonly name: string;
  readonly meters: readonly Meter[];
  readonly provenance: string;
}

/** Shows what can be read and set, and what the machine could have. */
export default async function list(this: Context, { lacks, json }: ListFlags, ...names: string[]): Promise<void> {
  using machine = await openPower(this, names);
  const { registry } = machine;
  const meters = lacks ? [] : names.length === 0 ? registry.meters : findMeters(machine, names);
  if (json) return this.json({ meters: meters.map((meter) => describe(machine, meter)), lacks: registry.lacks });
  const rows = names.length === 0 ? fold(meters) : meters.map((meter) => ({ name: meter.name, meters: [meter], provenance: from(meter) }));
  if (rows.length > 0) this.print(draw(machine, rows.toSorted((a, b) => byKind(a.meters[0], b.meters[0]))));
  const obstacles = new Set(meters.flatMap(({ name, obstacle }) => obstacle === undefined ? [] : [`${name}: ${obstacle}`]));
  if (obstacles.size > 0) this.print(`\nCannot be set now:\n${[...obstacles].map((line) => `  ${line}`).join("\n")}`);
  if (names.length > 0) return;
  if (registry.lacks.length > 0) {
    const lines = registry.lacks.map(({ what, why }) => `  ${what}: ${why}`);
    this.print(`${rows.length > 0 ? "\n" : ""}Not on this machine, or not for this user:\n${lines.join("\n")}`);
  } else if (lacks) this.print("Nothing is lacking that we know of");
  if (!registry.meters.some(({ name }) => /^package\d+\/(energy|power)$/.test(name))) this.print(`\n${tryRemedy}`);
}

function from({ provenance, provider }: Meter): string {
  return provenance.startsWith("/") ? provenance : `${provider}: ${provenance}`;
}

/** `cpu0/frequency` to `cpu15/frequency` are one row, `cpu0-15/frequency`. */
function fold(meters: readonly Meter[]): Row[] {
  const groups = new Map<string, Meter[]>();
  for (const meter of meters) {
    const { name, unit, range, resolution, isWritable, permission, provider, domain } = meter;
    const parts = [
      domain.kind,
      name.replace(/^([a-z]+)\d+\//, "$1/"),
      unit,
      range.min,
      range.max,
      resolution,
      isWritable,
      permission,
      provider,
    ];
    const key = parts.join(" ");
    groups.set(key, [...groups.get(key) ?? [], meter]);
  }
  return [...groups.values()].flatMap((group): Row[] => {
    const [{ name, domain: { index: first } }] = group;
    const indexes = group.map(({ domain: { index } }) => index);
    const isRange = group.length > 1 && indexes.every((index, at) => index === first + at) && name.includes(`${first}/`);
    if (!isRange) return group.map((meter) => ({ name: meter.name, meters: [meter], provenance: from(meter) }));
    const numbered = new Set(group.map((meter) => withoutNumber(from(meter), meter.domain.index)));
    return [{
      name: name.replace(`${first}/`, `${first}-${indexes.at(-1)}/`),
      meters: group,
      provenance: numbered.size === 1 ? [...numbered][0] : `${from(group[0])}, ...`,
    }];
  });
}

/** `register 0x19a of CPU 3` is `register 0x19a of CPU N` for number 3. */
function withoutNumber(text: string, index: number): string {
  return text.replace(new RegExp(`(?<![0-9a-fx])${index}(?![0-9a-fx])|(?<=policy)${index}(?!\\d)`, "g"), "N");
}

function draw(machine: PowerMachine, rows: readonly Row[]): string {
  const right = { right: true } as const;
  return table(
    [
      { title: "METER" },
      { title: "UNIT" },
      { title: "FROM", ...right },
      { title: "TO", ...right },
      { title: "STEP", ...right },
      { title: "ACCESS" },
      { title: "WHERE" },
    ],
    rows.map(({ name, meters: [meter], provenance }) => {
      const { unit, range: { min, max }, resolution, kind } = meter;
      // A counter that begins again counts on: its end says little.
      const range = kind === "counter" ? ["", ""] : [plain(min, unit), plain(max, unit)];
      return [name, show(null, unit)[1], ...range, plain(resolution, unit), accessOf(machine, meter), provenance];
    }),
  );
}

/** Frequencies have a prefix; anything else is in the unit of its row. */
function plain(value: number, unit: Unit): string {
  return unit === "Hz" ? showWhole(value, unit) : `${Number(value.toPrecision(Math.abs(value) < 1 ? 3 : 6))}`;
}

function accessOf({ policy, person }: PowerMachine, meter: Meter): string {
  if (!policy.mayRead(person, meter)) return "none: policy";
  const { permission, isWritable } = meter;
  if (permission !== null) return "none";
  return isWritable && policy.maySet(person, meter) ? "read, set" : "read";
}

function describe({ policy, person }: PowerMachine, meter: Meter) {
  return {
    ...meter,
    isPower: isPower(meter),
    mayRead: policy.mayRead(person, meter),
    maySet: meter.isWritable && policy.maySet(person, meter),
  };
}
