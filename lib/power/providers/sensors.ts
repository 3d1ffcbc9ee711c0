import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import type { Topology } from "../../kernel/topology.ts";
import { listNumbered, readNumber, readText } from "../../kernel/value.ts";
import type { Domain } from "../meter.ts";
import { type FileMeter, FileProvider } from "./files.ts";

/** What there is about a place, and the words that its meters begin with. */
interface Place {
  readonly prefix: string;
  readonly domain: Domain;
}

/** Sensors of chips (hwmon): temperatures in m°C and powers in µW. Source: Documentation/hwmon/sysfs-interface.rst. */
export function hwmonProvider(files: KernelFiles, topology: Topology): FileProvider {
  const root = "/sys/class/hwmon";
  const chips = listNumbered(files, root, "hwmon");
  const lacks = chips.length > 0 ? [] : [{ what: root, why: "the kernel has no sensors" }];
  return new FileProvider(files, "hwmon", chips.flatMap((number) => chipMeters(files, `${root}/hwmon${number}`, number, topology)), lacks);
}

function chipMeters(files: KernelFiles, path: string, number: number, topology: Topology): FileMeter[] {
  const chip = readText(files, `${path}/name`) ?? "chip";
  const names = files.list(path).map(({ name }) => name);
  const packageIndex = packageOf(files, path, names);
  return names.flatMap((name): FileMeter[] => {
    const [, sensor, quantity, file] = /^((temp|power)\d+)_(input|average)$/.exec(name) ?? [];
    // The average of a power, where there is one, says more than what it was at some moment.
    const isWanted = file === "average" ? quantity === "power" : quantity === "temp" || !names.includes(`${sensor}_average`);
    if (quantity === undefined || !isWanted) return [];
    const label = readText(files, `${path}/${sensor}_label`) ?? sensor;
    const unknown = { prefix: `node/${word(chip)}${number}-${word(label)}-`, domain: { kind: "node", index: 0 } as const };
    const place = (quantity === "temp" ? placeOf(chip, label, packageIndex, topology) : null) ?? unknown;
    const celsius = readNumber(files, `${path}/${sensor}_crit`);
    return [sensorMeter(place, quantity === "temp" ? "temperature" : "power", `${path}/${name}`, celsius === null ? null : celsius / 1000)];
  });
}

/** Sensors of a processor are one chip for each package, which its label names. */
function packageOf(files: KernelFiles, path: string, names: readonly string[]): number {
  const labels = names.filter((name) => /^temp\d+_label$/.test(name)).map((name) => readText(files, `${path}/${name}`) ?? "");
  return Number(labels.flatMap((label) => /^Package id (\d+)$/.exec(label)?.[1] ?? [])[0] ?? 0);
}

function placeOf(chip: string, label: string, packageIndex: number, topology: Topology): Place | null {
  if (chip !== "coretemp") return null;
  if (/^Package id \d+$/.test(label)) return { prefix: `package${packageIndex}/`, domain: { kind: "package", index: packageIndex } };
  const id = /^Core (\d+)$/.exec(label)?.[1];
  if (id === undefined) return null;
  const inPackage = (cpu: number) => topology.cpus.find((other) => other.id === cpu)?.package === packageIndex;
  const index = topology.cores.findIndex((core) => core.id === Number(id) && inPackage(core.cpus[0]));
  return index < 0 ? null : { prefix: `core${index}/`, domain: { kind: "core", index } };
}

/** Thermal zones of the kernel. Source: Documentation/driver-api/thermal/sysfs-api.rst. */
export function thermalProvider(files: KernelFiles): FileProvider {
  const root = "/sys/class/thermal";
  const zones = listNumbered(files, root, "thermal_zone").map((number) => {
    const path = `${root}/thermal_zone${number}`;
    const place: Place = {
      prefix: `node/${word(readText(files, `${path}/type`) ?? "zone")}${number}-`,
      domain: { kind: "node", index: 0 },
    };
    const celsius = readNumber(files, `${path}/trip_point_0_temp`);
    return sensorMeter(place, "temperature", `${path}/temp`, celsius === null || celsius <= 0 ? null : celsius / 1000);
  });
  return new FileProvider(files, "thermal", zones);
}

function sensorMeter({ prefix, domain }: Place, quantity: "temperature" | "power", path: string, max: number | null): FileMeter {
  const isTemperature = quantity === "temperature";
  return {
    meter: {
      name: `${prefix}${quantity}`,
      unit: isTemperature ? "degC" : "W",
      kind: "gauge",
      range: { min: isTemperature ? -273 : 0, max: max ?? (isTemperature ? 150 : 1e5) },
      resolution: isTemperature ? 1e-3 : 1e-6,
      domain,
      provenance: path,
    },
    path,
    scale: isTemperature ? 1e-3 : 1e-6,
  };
}

/** A label as part of a name. */
function word(label: string): string {
  return label.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "sensor";
}
