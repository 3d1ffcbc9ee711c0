import { SysError } from "../../../ffi/errors.ts";
import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import type { Change } from "../../plan/step.ts";
import { formatValue, type Lack, type Meter, type Provider, type Reading, reasonOf } from "../meter.ts";

/** A meter whose value is a decimal number in a file of the kernel. */
export interface FileMeter {
  /** What it is; provider, permission, and whether it can be set are filled in. */
  readonly meter: Omit<Meter, "provider" | "permission" | "isWritable" | "obstacle">;
  /** The file. */
  readonly path: string;
  /** The meter's unit for each one of the file. */
  readonly scale: number;
  /** Whether it can be set by writing such a number, if the file may be written. */
  readonly isActuator?: true;
}

/** A provider of numbers in files. A file that is not there is none of its meters. */
export class FileProvider implements Provider {
  /** See {@link Provider.meters}. */
  readonly meters: readonly Meter[];
  /** See {@link Provider.lacks}. */
  readonly lacks: readonly Lack[];
  readonly #entries: ReadonlyMap<Meter, FileMeter>;

  /**
   * Reads each file once, to see what is there.
   *
   * @param found What there may be: a meter whose file is not there is left out, and so is the second one of a name.
   */
  constructor(readonly files: KernelFiles, readonly name: string, found: readonly FileMeter[], lacks: readonly Lack[] = []) {
    const entries = new Map<Meter, FileMeter>();
    const missing: Lack[] = [...lacks];
    const names = new Set<string>();
    for (const entry of found) {
      const reading = readNumber(files, entry);
      if (reading === null || names.has(entry.meter.name)) continue;
      const permission = typeof reading === "number" ? null : reading.reason;
      if (permission === null && entry.meter.unit === "J" && reading === 0) {
        // The kernel hides domains whose counter stands still at 0, for then there is none behind it.
        missing.push({ what: entry.meter.name, why: `its counter stands at 0 (${entry.path}): there is none behind it` });
        continue;
      }
      if (permission !== null) missing.push({ what: entry.meter.name, why: `${entry.path}: ${permission}` });
      names.add(entry.meter.name);
      entries.set(this.#meter(entry, permission), entry);
    }
    this.#entries = entries;
    this.meters = [...entries.keys()];
    this.lacks = missing;
  }

  #meter({ meter, path, isActuator }: FileMeter, permission: string | null): Meter {
    const isWritable = isActuator === true && this.files.exists(path, "write");
    const obstacle = isActuator && !isWritable ? { obstacle: `${path} may not be written` } : {};
    return { ...meter, provider: this.name, permission, isWritable, ...obstacle };
  }

  /** See {@link Provider.prepare}. */
  prepare(meters: readonly Meter[]): () => readonly Reading[] {
    const entries = meters.map((meter) => this.#entries.get(meter)!);
    return () => entries.map((entry) => readNumber(this.files, entry) ?? { reason: `${entry.path} is not there any more` });
  }

  /** See {@link Provider.plan}. */
  plan(meter: Meter, value: number): Change[] {
    const { path, scale } = this.#entries.get(meter)!;
    const count = countOf(value, scale);
    return [{ kind: "file", what: path, to: `${count}`, why: `${meter.name} to ${formatValue(value, meter.unit)}` }];
  }

  /** Nothing stays open. */
  [Symbol.dispose](): void {}
}

/** `null` when the file, or its device, is not there; a device that is there may have no value now. */
function readNumber(files: KernelFiles, { path, scale }: FileMeter): Reading | null {
  let text: string | null;
  try {
    text = files.tryRead(path);
  } catch (error) {
    if (error instanceof SysError || error instanceof Deno.errors.PermissionDenied) return { reason: reasonOf(error) };
    throw error;
  }
  if (text === null) return null;
  // The kernel ends every value with a newline: without one, somebody cut it.
  const match = /^\s*(-?\d+)\s*\n$/.exec(text);
  return match ? scaled(Number(match[1]), scale) : { reason: `${path} holds ${JSON.stringify(text.slice(0, 20))}, and no number` };
}

/** What is written for a value, rounded down; what was read is written as it was. */
function countOf(value: number, scale: number): number {
  const count = scale < 1 ? value * Math.round(1 / scale) : value / scale;
  return Math.floor(count * (1 + 2 ** -50));
}

/** A division by a whole number is exact where a product with a fraction is not. */
function scaled(count: number, scale: number): number {
  return scale < 1 ? count / Math.round(1 / scale) : count * scale;
}
