import type { ExpandLimits } from "../../lib/power/control/expand.ts";
import { buildLadders, foot, type Ladders, type Rung, rungBelow } from "../../lib/power/control/ladder.ts";
import { withLimit } from "../../lib/power/control/rapl.ts";
import { decodePackageLimits, decodePowerInfo, decodeUnits, type PowerInfo, type RaplUnits } from "../../lib/power/registers.ts";
import { Governor } from "../../lib/power/governor/governor.ts";
import type { CoreRequest, RuntimeNews, RuntimePort, RuntimeThreads, ThreadPlaces } from "../../lib/power/governor/runtime.ts";
import type { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { serverPackage } from "../../lib/power/simulated/parameters.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { InProcessMachine } from "./in_process.ts";
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

/** The governor, with everything between it and the registers that it has on a machine. */
function ours({ device, units }: Machine, { limitCelsius, workload: { threads }, answerSeconds, windowSeconds }: Scenario): Policy {
  const machine = new InProcessMachine(device);
  const runtime = new FollowingRuntime(device, threads, answerSeconds, () => machine.nowNs);
  const governor = Governor.open({ registry: machine.registry, session: machine, runtime, windowSeconds, limitCelsius });
  let counts = Number(device.read(0, registers.PKG_ENERGY_STATUS)!);
  return {
    step({ powerWatts, dtSeconds }, setpoint) {
      // The scenario's meter errs; the counter that it would have shown does so as well, and wraps.
      counts = (counts + powerWatts * dtSeconds / units.joulesPerCount) % 2 ** 32;
      machine.energyCount = BigInt(Math.floor(counts));
      governor.windowSeconds = setpoint.windowSeconds;
      const [{ activeCores }] = governor.step(setpoint.capWatts, machine.nowNs);
      device.place(runtime.threads.cores.slice(0, activeCores));
    },
  };
}

/** A runtime that follows requests after some time, or never, and whose threads can be moved. */
class FollowingRuntime implements RuntimePort {
  readonly limits: ExpandLimits;
  readonly threads: Threads;
  readonly #answerSeconds: number | null;
  readonly #nowNs: () => bigint;
  #asked: (CoreRequest & { readonly atNs: bigint }) | null = null;

  constructor(device: SimulatedPackage, activity: readonly number[], answerSeconds: number | null, nowNs: () => bigint) {
    this.limits = { coresMin: coresMin(activity.length), coresMax: activity.length, answerSeconds: 0.1 };
    this.threads = new Threads(device.placement, activity);
    this.#answerSeconds = answerSeconds;
    this.#nowNs = nowNs;
  }

  ask(request: CoreRequest): void {
    this.#asked = { ...request, atNs: this.#nowNs() };
  }

  poll(): RuntimeNews {
    const asked = this.#asked;
    const isDue = asked !== null && this.#answerSeconds !== null && Number(this.#nowNs() - asked.atNs) / 1e9 >= this.#answerSeconds - 1e-6;
    if (isDue) this.#asked = null;
    return { answer: isDue ? { request: asked.request, activeCores: asked.wantedCores } : null, heartbeatSeconds: [] };
  }

  enforce(): void {}
}

class Threads implements RuntimeThreads {
  constructor(public cores: readonly number[], readonly activity: readonly number[]) {}

  look(): ThreadPlaces {
    return { cores: this.cores, activity: this.activity };
  }
  place(cores: readonly number[]): void {
    this.cores = cores;
  }
}
