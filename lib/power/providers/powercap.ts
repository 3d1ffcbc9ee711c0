import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { readNumber, readText } from "../../kernel/value.ts";
import type { Domain, Lack } from "../meter.ts";
import { type FileMeter, FileProvider } from "./files.ts";

const root = "/sys/class/powercap";

interface Zone {
  readonly path: string;
  /** What its meters begin with: `package0/`, or `package0/cores-`. */
  readonly prefix: string;
  readonly domain: Domain;
}

/**
 * Power zones of the kernel (powercap), nested as they are: energy counters, limits and their windows.
 *
 * Source: Documentation/power/powercap/powercap.rst. Since Linux 5.10 only root reads the counters.
 */
export function powercapProvider(files: KernelFiles): FileProvider {
  const zones = findZones(files);
  const lacks: Lack[] = zones.length > 0
    ? []
    : [{ what: root, why: "the kernel has no power zones: its module intel_rapl_msr is not loaded" }];
  return new FileProvider(files, "powercap", zones.flatMap((zone) => zoneMeters(files, zone)), lacks);
}

/** All zones, those at the top first; the kernel shows nested ones in both places, captured machines in one. */
function findZones(files: KernelFiles): Zone[] {
  const top = files.list(root).map(({ name }) => name).filter((name) => /^[a-z-]+:\d+$/.test(name));
  return top.toSorted(byControl).flatMap((name) => {
    const zone = zoneOf(files, `${root}/${name}`, null);
    return zone === null ? [] : [zone, ...nestedZones(files, zone, name)];
  });
}

/** Zones of registers before those that are mapped in memory, and by number. */
function byControl(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

function nestedZones(files: KernelFiles, parent: Zone, name: string): Zone[] {
  const pattern = new RegExp(`^${name}:\\d+$`);
  const nested = files.list(parent.path).map((entry) => entry.name).filter((entry) => pattern.test(entry));
  return nested.flatMap((entry) => zoneOf(files, `${parent.path}/${entry}`, parent) ?? []);
}

function zoneOf(files: KernelFiles, path: string, parent: Zone | null): Zone | null {
  const name = readText(files, `${path}/name`);
  if (name === null) return null;
  const other = /intel-rapl-(\w+):/.exec(path)?.[1];
  const suffix = other === undefined ? "" : `${other}-`;
  const [, number, die] = /^package-(\d+)(?:-die-(\d+))?$/.exec(name) ?? [];
  if (number !== undefined) {
    const prefix = `package${number}/${die === undefined ? "" : `die${die}-`}${suffix}`;
    return { path, prefix, domain: { kind: "package", index: Number(number) } };
  }
  if (name === "psys") return { path, prefix: `psys0/${suffix}`, domain: { kind: "psys", index: 0 } };
  if (parent === null) return null;
  const index = parent.domain.index;
  if (name === "dram") return { path, prefix: `dram${index}/${suffix}`, domain: { kind: "dram", index } };
  const part = ({ core: "cores", uncore: "graphics" } as Record<string, string>)[name] ?? name;
  return { path, prefix: `${parent.prefix}${part}-`, domain: parent.domain };
}

function zoneMeters(files: KernelFiles, { path, prefix, domain }: Zone): FileMeter[] {
  const maxMicrojoules = readNumber(files, `${path}/max_energy_range_uj`) ?? 2 ** 32;
  const wrap = maxMicrojoules / 1e6;
  const energy: FileMeter = {
    meter: {
      name: `${prefix}energy`,
      unit: "J",
      kind: "counter",
      range: { min: 0, max: wrap },
      resolution: 1e-6,
      wrap,
      domain,
      provenance: `${path}/energy_uj`,
    },
    path: `${path}/energy_uj`,
    scale: 1e-6,
  };
  return [energy, ...[0, 1, 2].flatMap((number) => constraintMeters(files, { path, prefix, domain }, number))];
}

const quantities: Readonly<Record<string, string>> = {
  long_term: "power-limit",
  short_term: "power-limit-short",
  peak_power: "power-limit-peak",
};

function constraintMeters(files: KernelFiles, { path, prefix, domain }: Zone, number: number): FileMeter[] {
  const constraint = `${path}/constraint_${number}`;
  const quantity = quantities[readText(files, `${constraint}_name`) ?? ""];
  if (quantity === undefined) return [];
  const maxMicrowatts = readNumber(files, `${constraint}_max_power_uw`) ?? 0;
  const meter = (name: string, unit: "W" | "s", file: string, max: number): FileMeter => ({
    meter: {
      name: `${prefix}${name}`,
      unit,
      kind: "gauge",
      range: { min: 1e-6, max },
      resolution: 1e-6,
      domain,
      provenance: file,
    },
    path: file,
    scale: 1e-6,
    isActuator: true,
  });
  // A limit above the highest of this constraint's own is possible, and the kernel says 0 where it does not know.
  return [
    meter(quantity, "W", `${constraint}_power_limit_uw`, maxMicrowatts > 0 ? maxMicrowatts / 1e6 : 4095),
    meter(`${quantity}-window`, "s", `${constraint}_time_window_us`, 128),
  ];
}
