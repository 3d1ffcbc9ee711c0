import { parse } from "yaml";
import { decodeUnits } from "../../lib/power/registers.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { type PackageParameters, serverPackage } from "../../lib/power/simulated/parameters.ts";
import { Noise } from "../../lib/power/simulated/random.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { type Phase, steadyWorkload, type Workload } from "../../lib/power/simulated/workload.ts";
import { type Policy, type PolicyName, policyOf } from "./policies.ts";

/** Something that happens to a package at a moment. */
export interface ScenarioEvent {
  readonly atSeconds: number;
  readonly capWatts?: number;
  readonly windowSeconds?: number;
  readonly ambientCelsius?: number;
  readonly lock?: true;
}

/** A scenario file. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly seconds: number;
  readonly seed: number;
  readonly package: PackageParameters;
  readonly workload: Workload;
  readonly placement: readonly number[] | null;
  readonly priorWatts: number;
  readonly energyCount: number;
  readonly capWatts: number;
  readonly windowSeconds: number;
  /** What temperature control keeps below; `null` without. */
  readonly limitCelsius: number | null;
  readonly events: readonly ScenarioEvent[];
  readonly periodSeconds: number;
  readonly noisePercent: number;
  /** Share of the polls that do not happen. */
  readonly missedShare: number;
  /** How long a runtime takes to use other cores; `null` when it never answers. */
  readonly answerSeconds: number | null;
  /** What is judged: whether a cap is kept, or how the package is cooled. */
  readonly judge: "cap" | "heat";
  /** The policies that break what must hold; the comparison is worth something only if there are such. */
  readonly broken: readonly PolicyName[];
}

const required = ["about", "seconds", "capWatts", "windowSeconds", "judge", "broken"] as const;
const optional: Readonly<Record<string, unknown>> = {
  seed: 1,
  package: {},
  workload: {},
  placement: null,
  priorWatts: 150,
  energyCount: 0,
  limitCelsius: null,
  events: [],
  periodSeconds: 0.01,
  noisePercent: 0,
  missedShare: 0,
  answerSeconds: 0.03,
};

/** Reads a scenario; refuses keys that are not known, which would be silently without effect. */
export function parseScenario(name: string, text: string): Scenario {
  const found = parse(text) as Record<string, unknown>;
  for (const key of required) if (!(key in found)) throw new SyntaxError(`Cannot read scenario ${name}: ${key} is missing`);
  const check = (what: string, value: unknown, known: readonly string[]) => {
    const stranger = Object.keys(value as object).find((key) => !known.includes(key));
    if (stranger) throw new SyntaxError(`Cannot read scenario ${name}: there is no ${what} ${stranger}`);
  };
  const all = { ...optional, ...found } as unknown as Scenario;
  check("key", found, [...required, ...Object.keys(optional)]);
  check("package parameter", all.package, Object.keys(serverPackage));
  check("workload key", all.workload, Object.keys(steadyWorkload));
  for (const event of all.events) check("event", event, ["atSeconds", "capWatts", "windowSeconds", "ambientCelsius", "lock"]);
  return { ...all, name, package: { ...serverPackage, ...all.package }, workload: { ...steadyWorkload, ...all.workload } };
}

/** All scenarios beside this file, by name. */
export function readScenarios(): Scenario[] {
  const folder = new URL("./scenarios/", import.meta.url);
  return [...Deno.readDirSync(folder)]
    .filter(({ name }) => name.endsWith(".yaml"))
    .map(({ name }) => parseScenario(name.replace(/\.yaml$/, ""), Deno.readTextFileSync(new URL(name, folder))))
    .sort((a, b) => a.name < b.name ? -1 : 1);
}

/** What happened, millisecond by millisecond. */
export interface Trace {
  readonly policy: PolicyName;
  /** Energy since the start at the end of each millisecond. */
  readonly joules: Float64Array;
  readonly capWatts: Float64Array;
  readonly windowSeconds: Float64Array;
  readonly hertz: Float64Array;
  readonly coreCount: Uint8Array;
  readonly dutySixteenths: Uint8Array;
  readonly hottestCelsius: Float64Array;
  readonly throttledSeconds: number;
  readonly work: number;
  readonly heartbeatCount: number;
}

/** Runs a scenario under a policy. */
export function runScenario(scenario: Scenario, policyName: PolicyName): Trace {
  const { workload, seed, energyCount, priorWatts } = scenario;
  const device = new SimulatedPackage(scenario.package, { workload, seed, energyCount, priorWatts });
  if (scenario.placement !== null) device.place(scenario.placement);
  const noise = new Noise(seed + 1000);
  const policy: Policy = policyOf(policyName, scenario, device);
  const count = Math.round(scenario.seconds * 1000);
  const trace = emptyTrace(policyName, count);
  const setpoint = { capWatts: scenario.capWatts, windowSeconds: scenario.windowSeconds, limitCelsius: scenario.limitCelsius };
  const meter = new Meter(device);
  const period = Math.round(scenario.periodSeconds * 1000);
  for (let ms = 0; ms < count; ms++) {
    for (const event of scenario.events) if (Math.round(event.atSeconds * 1000) === ms) happen(event, device, setpoint);
    const isDue = ms % period === 0 && noise.fraction() >= scenario.missedShare;
    if (isDue && ms > 0) policy.step(meter.read(ms / 1000, 1 + scenario.noisePercent / 100 * noise.normal()), setpoint);
    device.advance(0.001);
    record(trace, ms, device, setpoint);
  }
  const { throttledSeconds, work } = device.truth();
  return { ...trace, throttledSeconds, work, heartbeatCount: device.takeHeartbeats().length };
}

interface Setpoint {
  capWatts: number;
  windowSeconds: number;
  limitCelsius: number | null;
}

function happen(event: ScenarioEvent, device: SimulatedPackage, setpoint: Setpoint): void {
  setpoint.capWatts = event.capWatts ?? setpoint.capWatts;
  setpoint.windowSeconds = event.windowSeconds ?? setpoint.windowSeconds;
  if (event.ambientCelsius !== undefined) device.setAmbient(event.ambientCelsius);
  if (event.lock) device.lockLimits();
}

/** Power from two reads of the energy counter, which wraps. */
class Meter {
  readonly #device: SimulatedPackage;
  readonly #joulesPerCount: number;
  #count: bigint;
  #seconds = 0;

  constructor(device: SimulatedPackage) {
    this.#device = device;
    this.#joulesPerCount = decodeUnits(device.read(0, registers.RAPL_POWER_UNIT)!).joulesPerCount;
    this.#count = device.read(0, registers.PKG_ENERGY_STATUS)!;
  }

  read(seconds: number, factor: number): { powerWatts: number; dtSeconds: number } {
    const count = this.#device.read(0, registers.PKG_ENERGY_STATUS)!;
    const dtSeconds = seconds - this.#seconds;
    const joules = Number((count - this.#count) & 0xffffffffn) * this.#joulesPerCount;
    [this.#count, this.#seconds] = [count, seconds];
    return { powerWatts: factor * joules / dtSeconds, dtSeconds };
  }
}

function emptyTrace(policy: PolicyName, count: number): Trace {
  const numbers = () => new Float64Array(count);
  return {
    policy,
    joules: numbers(),
    capWatts: numbers(),
    windowSeconds: numbers(),
    hertz: numbers(),
    coreCount: new Uint8Array(count),
    dutySixteenths: new Uint8Array(count),
    hottestCelsius: numbers(),
    throttledSeconds: 0,
    work: 0,
    heartbeatCount: 0,
  };
}

function record(trace: Trace, ms: number, device: SimulatedPackage, { capWatts, windowSeconds }: Setpoint): void {
  const { energyJoules, frequencyHz, hottestCelsius } = device.truth();
  const modulation = Number(device.read(device.placement[0], registers.CLOCK_MODULATION)!);
  trace.joules[ms] = energyJoules;
  trace.capWatts[ms] = capWatts;
  trace.windowSeconds[ms] = windowSeconds;
  trace.hertz[ms] = frequencyHz;
  trace.coreCount[ms] = device.placement.length;
  trace.dutySixteenths[ms] = modulation & 0x10 ? modulation & 0xf : 16;
  trace.hottestCelsius[ms] = hottestCelsius;
}

/** Moments, in seconds, after which a policy has to settle: the start, events, and changes of phase. */
export function disturbances({ events, workload: { phases }, seconds }: Scenario): number[] {
  const at = [0, ...events.map(({ atSeconds }) => atSeconds)];
  const cycleSeconds = phases.reduce((sum, { durationSeconds }: Phase) => sum + durationSeconds, 0);
  if (phases.length > 1 && Number.isFinite(cycleSeconds)) {
    for (let start = 0; start < seconds; start += cycleSeconds) {
      let change = start;
      for (const { durationSeconds } of phases) {
        at.push(change);
        change += durationSeconds;
      }
    }
  }
  return [...new Set(at.filter((second) => second < seconds))].sort((a, b) => a - b);
}
