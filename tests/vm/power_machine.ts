import { KernelRoot } from "../../ffi/kernel_root.ts";
import { MsrDevices } from "../../ffi/msr.ts";
import { formatMsr } from "../../lib/plan/power.ts";
import { Policy } from "../../lib/power/access/policy.ts";
import type { SessionOptions } from "../../lib/power/access/session.ts";
import type { Provider } from "../../lib/power/meter.ts";
import { Registry } from "../../lib/power/registry.ts";
import { meter } from "../lib/power/meters.ts";

/** Where its limit is. */
export const limitPlace = { cpu: 1, address: 0x610 } as const;
const mask = 0x7fffn;

const limit = meter("package0/power-limit", { provider: "guest", isWritable: true });

/**
 * The limit of a package by the register that an emulated processor does not have: it reads as 0, and takes whatever is
 * written without effect. Everything between it and us is real.
 */
function guestProvider(devices: MsrDevices): Provider {
  return {
    name: limit.provider,
    meters: [limit],
    lacks: [],
    prepare: () => () => [Number(devices.read([limitPlace]).values[0] & mask) / 8],
    plan: (_meter, value) => [{
      kind: "msr",
      what: formatMsr({ ...limitPlace, mask, driver: "msr" }),
      to: `0x${Math.floor(value * 8).toString(16)}`,
      why: "the limit",
    }],
    [Symbol.dispose]: () => devices[Symbol.dispose](),
  };
}

/** What a session on that limit is made of, as root. Dispose its registry. */
export function guestSession(stateDirectory: string): SessionOptions {
  const registry = new Registry([guestProvider(new MsrDevices("/"))]);
  const person = { uid: 0, user: "root", groups: [] };
  return { kernel: new KernelRoot(), registry, directory: `${stateDirectory}/power`, policy: Policy.rootOnly, person };
}
