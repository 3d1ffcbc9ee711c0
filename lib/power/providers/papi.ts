import { describePapiEvent, type PapiDescription, PapiEvents } from "../../../ffi/papi.ts";
import { errnoText, SysError } from "../../../ffi/errors.ts";
import { RefusedError } from "../../errors.ts";
import type { Change } from "../../plan/step.ts";
import { eventPrefix, parseEventName } from "../papi_events.ts";
import type { Lack, Meter, Provider, Reading, Unit } from "../meter.ts";

/** The part of PAPI that a provider uses. */
export interface Papi {
  /** See {@link describePapiEvent}. */
  describe(name: string): PapiDescription | null;
  /** See {@link PapiEvents}. */
  open(names: readonly string[], options: { readonly pid?: number }): Pick<PapiEvents, "errors" | "read"> & Disposable;
}

/** That of the running machine, `libpapi.so.7` when it is there. */
export const papi: Papi = { describe: describePapiEvent, open: (names, options) => new PapiEvents(names, options) };

/** How to read an event. */
interface Entry {
  readonly meter: Meter;
  readonly isDouble: boolean;
  /** How many of the event's unit make the meter's. */
  readonly scale: number;
  /** Whether -1 says that there is no value. */
  readonly hasNone: boolean;
  /** Its place among those that are open. */
  readonly index: number;
}

/** What a name and a description say of an event. */
type Shape = Pick<Entry, "isDouble" | "scale" | "hasNone"> & Pick<Meter, "unit" | "kind">;

/** What events of software begin with. PAPI tells nothing of them but a description. */
const softwarePrefix = "sde:::";

const letters: Readonly<Record<string, Unit>> = { J: "J", W: "W", Hz: "Hz", s: "s", C: "degC", degC: "degC", "%": "%" };
const prefixes: Readonly<Record<string, number>> = { n: 1e9, u: 1e6, m: 1e3, "": 1, k: 1e-3, M: 1e-6, G: 1e-9 };

/** The unit that a component of PAPI writes, such as `nJ` or `mW`, with how many of it make ours; a plain number is `count`. */
export function parsePapiUnit(text: string): { readonly unit: Unit; readonly scale: number } {
  const [, prefix, letter] = /^([numkMG]?)(J|W|Hz|s|C|degC|%)$/.exec(text.trim()) ?? [];
  return letter === undefined ? { unit: "count", scale: 1 } : { unit: letters[letter], scale: prefixes[prefix] };
}

function shapeOf(name: string, description: PapiDescription): Shape {
  const { unit: text, isDouble, isMoment } = description;
  const ours = parseEventName(name);
  if (ours !== null) return { ...ours, isDouble: false, hasNone: true };
  const { unit, scale } = parsePapiUnit(text);
  const isGauge = isMoment || name.startsWith(softwarePrefix) || unit === "W" || unit === "degC" || unit === "%" || unit === "Hz";
  return { unit, scale, isDouble, hasNone: isUndescribed(name, description), kind: isGauge ? "gauge" : "counter" };
}

/** Whose events are counted. */
export interface PapiOptions {
  /** Those of a process: of its first thread, and what that starts later; those of this process by default. */
  readonly pid?: number;
  /** Those of a process that is told by {@link PapiProvider.attach}: until then there are no values. */
  readonly isForProgram?: boolean;
}

/**
 * Counters of PAPI as meters with the names `papi/EVENT`, beside those of the machine: whatever a component of PAPI counts, and
 * what software registers in this process.
 *
 * @param events As `papi_avail` and `papi_native_avail` list them, such as `PAPI_TOT_CYC`.
 * @param options Whose, for events of a process. Events of the machine, and those that software registers here, are what they are.
 */
export function papiProvider(events: readonly string[], options: PapiOptions = {}, from: Papi = papi): PapiProvider {
  const found: { name: string; shape: Shape; doc: string }[] = [];
  const lacks: Lack[] = [];
  for (const name of new Set(events)) {
    const described = describe(name, from);
    if (typeof described === "string") lacks.push({ what: `papi/${name}`, why: described });
    else found.push({ name, shape: shapeOf(name, described), doc: described.doc });
  }
  if (found.length === 0) return new PapiProvider(null, [], lacks, () => null);
  const names = found.map(({ name }) => name);
  const open = from.open(names, options);
  const entries = found.flatMap(({ name, shape, doc }, index): Entry[] => {
    if (open.errors[index] === 0) return [{ ...shape, index, meter: meterOf(name, shape, doc) }];
    lacks.push({ what: `papi/${name}`, why: reasonOfPapi(open.errors[index]) });
    return [];
  });
  if (!options.isForProgram) return new PapiProvider(open, entries, lacks, () => open);
  // That was to see what can be counted.
  open[Symbol.dispose]();
  return new PapiProvider(null, entries, lacks, (pid) => from.open(names, { pid }));
}

/** The description of an event, or why it cannot be had. */
function describe(name: string, from: Papi): PapiDescription | string {
  try {
    const described = from.describe(name);
    if (described === null) return reasons.ENOENT;
    if (name.startsWith(eventPrefix) && isUndescribed(name, described)) {
      return "libnodeos-papi.so is not loaded into this process, or the board of power has no such meter";
    }
    return described;
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    return error.code === "ENOENT" ? "libpapi.so.7 is not installed" : reasonOfPapi(-error.errno);
  }
}

/** An event of software that nobody registered is described by its name, as is one that was registered without a description. */
function isUndescribed(name: string, { doc }: PapiDescription): boolean {
  return name.startsWith(softwarePrefix) && doc === name.slice(softwarePrefix.length);
}

function meterOf(name: string, { unit, kind, scale, isDouble }: Shape, doc: string): Meter {
  const max = 2 ** 63 / scale;
  return {
    name: `papi/${name}`,
    provider: "papi",
    unit,
    kind,
    range: { min: kind === "counter" ? 0 : -max, max },
    resolution: isDouble ? Number.EPSILON : 1 / scale,
    domain: { kind: "node", index: 0 },
    permission: null,
    provenance: doc === "" ? `event ${name} of PAPI` : `event ${name} of PAPI: ${doc}`,
    isWritable: false,
  };
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "PAPI knows no such event here: papi_avail and papi_native_avail list those that there are",
  EBUSY: "there are too few counters for it beside the others",
  EPERM: "it is not permitted: it needs CAP_PERFMON, or a lower kernel.perf_event_paranoid",
  EOPNOTSUPP: "its part of PAPI does not work here: papi_component_avail says why",
  EINVAL: "PAPI does not take it",
  ENODEV: "libpapi.so.7 does not start",
};

function reasonOfPapi(error: number): string {
  const { code } = errnoText(-error);
  return reasons[code] ?? `PAPI could not count it (${code})`;
}

/** Events that are being counted. */
export type OpenEvents = ReturnType<Papi["open"]>;

/** See {@link papiProvider}. */
export class PapiProvider implements Provider {
  /** See {@link Provider.name}. */
  readonly name = "papi";
  /** See {@link Provider.meters}. */
  readonly meters: readonly Meter[];
  readonly #entries: ReadonlyMap<Meter, Entry>;
  #open: OpenEvents | null;

  /** Takes events that are open; with `null`, they will be by `openFor`. */
  constructor(
    open: OpenEvents | null,
    entries: readonly Entry[],
    readonly lacks: readonly Lack[],
    readonly openFor: (pid: number) => OpenEvents | null,
  ) {
    this.#open = open;
    this.#entries = new Map(entries.map((entry) => [entry.meter, entry]));
    this.meters = [...this.#entries.keys()];
  }

  /**
   * Begins to count what a process does, where {@link PapiOptions.isForProgram} is set; call it once, before the process runs.
   *
   * @returns What could not be counted of it.
   */
  attach(pid: number): readonly Lack[] {
    if (this.#open !== null) return [];
    const open = this.#open = this.openFor(pid);
    return [...this.#entries.values()].flatMap(({ meter, index }) =>
      open!.errors[index] === 0 ? [] : [{ what: meter.name, why: reasonOfPapi(open!.errors[index]) }]
    );
  }

  /** See {@link Provider.prepare}. */
  prepare(meters: readonly Meter[]): () => readonly Reading[] {
    const entries = meters.map((meter) => this.#entries.get(meter)!);
    return () => {
      if (this.#open === null) return entries.map(() => ({ reason: "the program that it is counted for has not started" }));
      const { values, errors } = this.#open.read();
      const doubles = new Float64Array(values.buffer);
      return entries.map(({ index, isDouble, scale, hasNone }): Reading => {
        if (errors[index] < 0) return { reason: reasonOfPapi(errors[index]) };
        if (hasNone && values[index] === -1n) return { reason: "it has no value now, or nobody registered it in this process" };
        return (isDouble ? doubles[index] : Number(values[index])) / scale;
      });
    };
  }

  /** See {@link Provider.plan}. */
  plan(meter: Meter): Change[] {
    throw new RefusedError(`Cannot set ${meter.name}: it is not an actuator`);
  }

  /** Stops counting; again does nothing. */
  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
  }
}
