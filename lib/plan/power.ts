import { cards } from "../../ffi/cards.ts";
import { errno, SysError } from "../../ffi/errors.ts";
import { managementPort } from "../../ffi/management_port.ts";
import { MsrDevices, type MsrDriver, type MsrRequest } from "../../ffi/msr.ts";
import type { Driver } from "./kernel.ts";

/** What an `msr` step is about. */
export interface MsrPlace extends MsrRequest {
  /** The bits that it is about; the others are not touched. */
  readonly mask: bigint;
  /** Whose devices are used. */
  readonly driver: MsrDriver;
}

/** The text of a place: `DRIVER:CPU:0xREGISTER:0xMASK`. */
export function formatMsr({ driver, cpu, address, mask }: MsrPlace): string {
  return `${driver}:${cpu}:${formatRegister(BigInt(address))}:${formatRegister(mask)}`;
}

/** The value of a register as a step has it. */
export function formatRegister(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/** The parts of `DRIVER:CPU:0xREGISTER:0xMASK`. Throws a `SyntaxError` if it is none. */
export function splitMsr(what: string): MsrPlace {
  const [, driver, cpu, address, mask] = /^(msr|msr-safe):(\d+):(0x[0-9a-f]+):(0x[0-9a-f]+)$/.exec(what) ?? [];
  if (mask === undefined) {
    throw new SyntaxError(`Cannot read ${JSON.stringify(what)} as a register: it reads "DRIVER:CPU:0xREGISTER:0xMASK"`);
  }
  return { driver: driver as MsrDriver, cpu: Number(cpu), address: Number(address), mask: BigInt(mask) };
}

const absent: readonly number[] = [errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP, errno.EIO];

/** Bits of a register of one CPU; hexadecimal. */
export const msrDriver: Driver = {
  read(kernel, what) {
    const { driver, mask, ...request } = splitMsr(what);
    try {
      using devices = new MsrDevices(kernel.base, driver);
      const { values: [value], errors: [error] } = devices.read([request]);
      if (error === 0) return formatRegister(value & mask);
      throw new SysError(`read register ${formatRegister(BigInt(request.address))} in ${devices.path(request.cpu)}`, -error);
    } catch (error) {
      if (error instanceof SysError && absent.includes(error.errno)) return null;
      throw error;
    }
  },
  write(kernel, what, value) {
    // A register that was not there had no value before.
    if (value === null) return;
    const { driver, mask, ...request } = splitMsr(what);
    using devices = new MsrDevices(kernel.base, driver);
    devices.write(request, BigInt(value), mask);
  },
};

/** The limit that firmware or a driver keeps of a device: `hsmp:SOCKET` or `nvml:UUID`; milliwatts. */
export const powerDriver: Driver = {
  read(kernel, what) {
    if (kernel.base !== "/") return null;
    const { kind, name } = splitPower(what);
    try {
      if (kind === "hsmp") return `${managementPort.call(Number(name), 6)[0]}`;
      const card = cardOf(name);
      const milliwatts = card < 0 ? null : cards.fact(card, "limitMilliwatts");
      return milliwatts === null ? null : `${milliwatts}`;
    } catch (error) {
      if (error instanceof SysError && absent.includes(error.errno)) return null;
      throw error;
    }
  },
  write(kernel, what, value) {
    if (value === null || kernel.base !== "/") return;
    const { kind, name } = splitPower(what);
    if (kind === "hsmp") managementPort.call(Number(name), 5, [Number(value)]);
    else cards.setLimit(cardOf(name), Number(value));
  },
};

function splitPower(what: string): { kind: string; name: string } {
  const [, kind, name] = /^(hsmp|nvml):([\w-]+)$/.exec(what) ?? [];
  if (name === undefined) throw new SyntaxError(`Cannot read ${JSON.stringify(what)} as a device: it reads "hsmp:SOCKET" or "nvml:UUID"`);
  return { kind, name };
}

/** Cards may change their numbers, not their names; -1 when it is gone. */
function cardOf(uuid: string): number {
  return Array.from({ length: cards.count() }, (_, card) => cards.uuid(card)).indexOf(uuid);
}
