import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import { listNumbered, readNumber } from "../../kernel/value.ts";
import { type FileMeter, FileProvider } from "./files.ts";

const root = "/sys/devices/system/cpu/cpufreq";

/**
 * Frequencies of CPUs as the kernel sees and limits them, by the first CPU of those that share a clock.
 *
 * Source: Documentation/admin-guide/pm/cpufreq.rst.
 */
export function cpufreqProvider(files: KernelFiles): FileProvider {
  const policies = listNumbered(files, root, "policy");
  const lacks = policies.length > 0 ? [] : [{ what: root, why: "the kernel does not set frequencies here, as in most virtual machines" }];
  return new FileProvider(files, "cpufreq", policies.flatMap((number) => policyMeters(files, number)), lacks);
}

function policyMeters(files: KernelFiles, number: number): FileMeter[] {
  const path = `${root}/policy${number}`;
  const hertz = (name: string) => (readNumber(files, `${path}/${name}`) ?? 0) * 1000;
  const range = { min: hertz("cpuinfo_min_freq"), max: hertz("cpuinfo_max_freq") };
  const meter = (name: string, file: string): FileMeter => ({
    meter: {
      name: `cpu${number}/${name}`,
      unit: "Hz",
      kind: "gauge",
      range,
      resolution: 1000,
      domain: { kind: "cpu", index: number },
      provenance: `${path}/${file}`,
    },
    path: `${path}/${file}`,
    scale: 1000,
  });
  return [
    meter("frequency", "scaling_cur_freq"),
    { ...meter("frequency-max", "scaling_max_freq"), isActuator: true },
    { ...meter("frequency-min", "scaling_min_freq"), isActuator: true },
  ];
}
