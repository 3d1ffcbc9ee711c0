import { answerExpand, startExpand, stepExpand } from "../../lib/power/control/expand.ts";
import { buildLadders, foot, type Ladders, type Rung, rungBelow } from "../../lib/power/control/ladder.ts";
import { applyMove, coolestMove } from "../../lib/power/control/placement.ts";
import { withLimit } from "../../lib/power/control/rapl.ts";
import { decodePackageLimits, decodePowerInfo, decodeUnits, type PowerInfo, type RaplUnits } from "../../lib/power/registers.ts";
import { type PackageState, steering } from "../../lib/power/control/steer.ts";
import type { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { serverPackage } from "../../lib/power/simulated/parameters.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import type { Scenario } from "./scenario.ts";

/** Who is compared. */
export const policyNames = ["ours", "hardware RAPL only", "open loop", "uncapped"] as const;
/** One of {@link policyNames}. */
export type PolicyName = typeof policyNames[number];

/** What a policy is told. */
export interface PolicyMeasurement {
  readonly powerWatts: number;
  readonly dtSeconds: number;
}

/** What is wanted of it. */
export interface PolicySetpoint {
  readonly capWatts: number;
  readonly windowSeconds: number;
  readonly limitCelsius: number | null;
}

/** A policy works on registers, as it would on a machine. */
export interface Policy {
  step(measurement: PolicyMeasurement, setpoint: PolicySetpoint): void;
}

/** Makes a policy for a package. */
export function policyOf(name: PolicyName, scenario: Scenario, device: SimulatedPackage): Policy {
  const units = decodeUnits(device.read(0, registers.RAPL_POWER_UNIT)!);
  const machine: Machine = { device, units, info: decodePowerInfo(device.read(0, registers.PKG_POWER_INFO)!, units) };
  switch (name) {
    case "ours":
      return ours(machine, scenario);
    case "hardware RAPL only":
      return hardwareOnly(machine);
    case "open loop":
      return openLoop(machine, scenario.workload.threads.length);
    case "uncapped":
      // The limits that a reset has left are taken away, unless they are locked.
      device.write(0, registers.PKG_POWER_LIMIT, 0n);
      return { step: () => {} };
  }
}

interface Machine {
  readonly device: SimulatedPackage;
  readonly units: RaplUnits;
  readonly info: PowerInfo;
}

/** What is known of every part of this type; of the one at hand, only measurements tell. */
function typicalLadders({ device: { parameters } }: Machine, coreCount: number): Ladders {
  const { minHz, baseHz, maxHz, binHz, uncoreWatts, staticWatts, dynamicWatts } = serverPackage;
  const busy = coreCount / parameters.coreCount;
  return buildLadders({
    minHz,
    baseHz,
    maxHz,
    binHz,
    coreCount,
    coreCountMin: coresMin(coreCount),
    hasDutyCycle: true,
    baseWatts: uncoreWatts + busy * (staticWatts + dynamicWatts),
    uncoreWatts,
    staticWatts: busy * staticWatts,
  });
}

/** A runtime keeps a quarter of its cores. */
function coresMin(coreCount: number): number {
  return Math.max(1, Math.floor(coreCount / 4));
}

function hardwareOnly({ device, units, info }: Machine): Policy {
  let last = "";
  return {
    step(_, { capWatts, windowSeconds }) {
      if (last === `${capWatts} ${windowSeconds}`) return;
      last = `${capWatts} ${windowSeconds}`;
      setLimit({ device, units, info }, Math.max(info.minWatts, capWatts), windowSeconds);
    },
  };
}

/** Sets PL1, and PL2 out of the way; `false` when the register is locked. */
function setLimit({ device, units, info }: Machine, limitWatts: number, windowSeconds: number): boolean {
  const before = device.read(0, registers.PKG_POWER_LIMIT)!;
  if (decodePackageLimits(before, units).isLocked) return false;
  const limit = { limitWatts, windowSeconds, isEnabled: true, isClamped: true };
  return device.write(0, registers.PKG_POWER_LIMIT, withLimit(before, 1, limit, units, info)) === "done";
}

function openLoop(machine: Machine, threadCount: number): Policy {
  const ladders = typicalLadders(machine, threadCount);
  const all = machine.device.placement;
  return {
    step(_, { capWatts }) {
      const fits = [...ladders].filter(([, ladder]) => foot(ladder) <= capWatts).at(-1) ?? [...ladders][0];
      machine.device.place(all.slice(0, fits[0]));
      setRung(machine.device, fits[1][rungBelow(fits[1], capWatts)], all);
    },
  };
}

function setRung(device: SimulatedPackage, { frequencyHz, dutySixteenths }: Rung, cores: readonly number[]): void {
  for (const core of cores) {
    device.write(core, registers.PERF_CTL, BigInt(Math.round(frequencyHz / 1e8)) << 8n);
    device.write(core, registers.CLOCK_MODULATION, dutySixteenths === 16 ? 0n : BigInt(0x10 | dutySixteenths));
  }
}

function ours(machine: Machine, { limitCelsius, workload: { threads }, answerSeconds }: Scenario): Policy {
  const { device, info } = machine;
  const { dieKelvinPerWatt, dieJoulesPerKelvin, sinkKelvinPerWatt, sinkJoulesPerKelvin } = serverPackage;
  const thermal = limitCelsius === null ? null : { dieKelvinPerWatt, dieJoulesPerKelvin, sinkKelvinPerWatt, sinkJoulesPerKelvin };
  const controller = steering({ ladders: typicalLadders(machine, threads.length), info, thermal });
  const runtime = new Runtime(threads.length, answerSeconds);
  let state: PackageState = controller.start();
  let cores: readonly number[] = device.placement;
  let limitedCount = 0n;
  let sinceMoveSeconds = 0;
  return {
    step({ powerWatts, dtSeconds }, setpoint) {
      const count = device.read(0, registers.PKG_PERF_STATUS)!;
      const measurement = {
        powerWatts,
        hottestCelsius: celsiusOf(machine, 0, registers.PACKAGE_THERM_STATUS),
        canLimit: !decodePackageLimits(device.read(0, registers.PKG_POWER_LIMIT)!, machine.units).isLocked,
        activeCores: runtime.activeCores,
        isLimiting: Number((count - limitedCount) & 0xffffffffn) * machine.units.secondsPerCount > dtSeconds / 2,
      };
      limitedCount = count;
      const answer = controller.step(state, measurement, setpoint, dtSeconds);
      state = answer.state;
      const { limit, rung, thermal, wantedCores } = answer.setting;
      if (limit !== null) setLimit(machine, limit.limitWatts, limit.windowSeconds);
      sinceMoveSeconds += dtSeconds;
      if (
        thermal !== null && setpoint.limitCelsius !== null && thermal.predictedCelsius > setpoint.limitCelsius - 8 && sinceMoveSeconds > 0.3
      ) {
        cores = moved(machine, cores, threads, powerWatts);
        sinceMoveSeconds = 0;
      }
      runtime.step(wantedCores, dtSeconds);
      device.place(cores.slice(0, runtime.activeCores));
      setRung(device, rung, cores);
    },
  };
}

/** A runtime that follows requests after some time, or never; who is silent for too long is held to its floor. */
class Runtime {
  activeCores: number;
  readonly #answerSeconds: number | null;
  readonly #limits;
  #state;
  #asked: { readonly request: number; readonly wantedCores: number } | null = null;
  #sinceSeconds = 0;

  constructor(coreCount: number, answerSeconds: number | null) {
    this.activeCores = coreCount;
    this.#answerSeconds = answerSeconds;
    this.#limits = { coresMin: coresMin(coreCount), coresMax: coreCount, answerSeconds: 0.1 };
    this.#state = startExpand(this.#limits);
  }

  step(wantedCores: number, dtSeconds: number): void {
    const { state, setting } = stepExpand(this.#state, wantedCores, this.#limits, dtSeconds);
    this.#state = state;
    this.#sinceSeconds += dtSeconds;
    if (setting.send !== null) [this.#asked, this.#sinceSeconds] = [setting.send, 0];
    if (this.#asked !== null && this.#answerSeconds !== null && this.#sinceSeconds >= this.#answerSeconds) {
      const answer = { request: this.#asked.request, activeCores: this.#asked.wantedCores };
      this.#state = answerExpand(this.#state, answer, this.#limits).state;
      this.#asked = null;
    }
    this.activeCores = setting.enforcedCores ?? this.#state.activeCores;
  }
}

function moved(machine: Machine, cores: readonly number[], threads: readonly number[], powerWatts: number): readonly number[] {
  const { coreCount, uncoreWatts, coreKelvinPerWatt } = serverPackage;
  const activity = threads.reduce((sum, one) => sum + one, 0);
  const move = coolestMove({
    cores,
    threadWatts: threads.map((one) => (powerWatts - uncoreWatts) * one / activity),
    coreCelsius: Array.from({ length: coreCount }, (_, core) => celsiusOf(machine, core, registers.THERM_STATUS)),
    kelvinPerWatt: coreKelvinPerWatt * 0.5,
  });
  return move === null ? cores : applyMove(cores, move);
}

function celsiusOf({ device }: Machine, core: number, register: number): number {
  const target = Number(device.read(core, registers.TEMPERATURE_TARGET)! >> 16n & 0xffn);
  return target - Number(device.read(core, register)! >> 16n & 0x7fn);
}
