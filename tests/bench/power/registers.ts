import type { MsrRequest } from "../../../ffi/msr.ts";

/** CPUs of the benchmark. */
export const cpuCount = 64;
/** Registers of each, as `reads.c` has them: energies, limits, temperatures, clocks. */
export const addresses: readonly number[] = [0x611, 0x610, 0x19c, 0x1b1, 0xe7, 0xe8, 0x198, 0x619];

/** All of them, CPU by CPU. */
export function requestsOf(cpus: number): MsrRequest[] {
  return Array.from({ length: cpus }, (_, cpu) => addresses.map((address) => ({ cpu, address }))).flat();
}
