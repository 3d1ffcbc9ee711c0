import { decodeTemperature, decodeTemperatureTarget, field } from "../registers.ts";
import type { SimulatedMachine } from "./machine.ts";
import type { SimulatedPackage } from "./package.ts";
import { registers, withField } from "./registers.ts";

/** A step of the fields that hold frequencies, in Hz. */
const ratioHz = 1e8;

/** Adds what other drivers show of a package: temperatures of hwmon and of a thermal zone, its power, frequencies of its CPUs. */
export function addSensors(machine: SimulatedMachine, package_: SimulatedPackage, index: number, firstCpu: number): void {
  addTemperatures(machine, package_, index);
  const power = `sys/class/hwmon/hwmon${2 * index + 1}`;
  machine.addText(`${power}/name`, "power_meter");
  machine.addNumber(`${power}/power1_average`, {
    read: () => {
      const { powerWatts, dramWatts } = package_.truth();
      return BigInt(Math.round((powerWatts + dramWatts) * 1e6));
    },
  });
  for (let cpu = 0; cpu < package_.parameters.coreCount; cpu++) addFrequency(machine, package_, cpu, firstCpu + cpu);
}

function addTemperatures(machine: SimulatedMachine, package_: SimulatedPackage, index: number): void {
  const chip = `sys/class/hwmon/hwmon${2 * index}`;
  const limit = decodeTemperatureTarget(package_.read(0, registers.TEMPERATURE_TARGET) ?? 0n);
  const sensor = (cpu: number, register: number) => ({
    read: () => BigInt((decodeTemperature(package_.read(cpu, register) ?? 0n, limit) ?? 0) * 1000),
  });
  const add = (number: number, label: string, value: { read(): bigint }) => {
    machine.addText(`${chip}/temp${number}_label`, label);
    machine.addText(`${chip}/temp${number}_crit`, limit * 1000);
    machine.addText(`${chip}/temp${number}_max`, (limit - 10) * 1000);
    machine.addNumber(`${chip}/temp${number}_input`, value);
  };
  machine.addText(`${chip}/name`, "coretemp");
  add(1, `Package id ${index}`, sensor(0, registers.PACKAGE_THERM_STATUS));
  for (let core = 0; core < package_.parameters.coreCount; core++) add(core + 2, `Core ${core}`, sensor(core, registers.THERM_STATUS));
  const zone = `sys/class/thermal/thermal_zone${index}`;
  machine.addText(`${zone}/type`, "x86_pkg_temp");
  machine.addText(`${zone}/trip_point_0_temp`, limit * 1000);
  machine.addText(`${zone}/trip_point_0_type`, "passive");
  machine.addNumber(`${zone}/temp`, sensor(0, registers.PACKAGE_THERM_STATUS));
}

function addFrequency(machine: SimulatedMachine, package_: SimulatedPackage, cpu: number, machineCpu: number): void {
  const { minHz, maxHz } = package_.parameters;
  const path = `sys/devices/system/cpu/cpufreq/policy${machineCpu}`;
  const kilohertz = (register: number) => () => BigInt(field(package_.read(cpu, register) ?? 0n, 8, 8) * ratioHz / 1000);
  machine.addText(`${path}/affected_cpus`, machineCpu);
  machine.addText(`${path}/related_cpus`, machineCpu);
  machine.addText(`${path}/scaling_driver`, "acpi-cpufreq");
  machine.addText(`${path}/scaling_governor`, "performance");
  machine.addText(`${path}/cpuinfo_min_freq`, minHz / 1000);
  machine.addText(`${path}/cpuinfo_max_freq`, maxHz / 1000);
  machine.addText(`${path}/scaling_min_freq`, minHz / 1000);
  machine.addNumber(`${path}/scaling_cur_freq`, { read: kilohertz(registers.PERF_STATUS) });
  machine.addNumber(`${path}/scaling_max_freq`, {
    read: kilohertz(registers.PERF_CTL),
    // As the kernel, no further than the machine goes.
    write: (bits) => {
      const hertz = Math.min(maxHz, Math.max(minHz, Number(bits) * 1000));
      package_.write(cpu, registers.PERF_CTL, withField(0n, 8, 8, hertz / ratioHz));
    },
  }, { high: 2n ** 31n });
}
