/**
 * Writes to a register, so that the kernel says so once and taints itself: import it before `guest.ts` looks at the node,
 * since no test can take that back.
 *
 * @module
 */

import { MsrDevices } from "../../ffi/msr.ts";

if (Deno.permissions.querySync({ name: "env", variable: "NODEOS_GUEST" }).state === "granted" && Deno.env.get("NODEOS_GUEST") === "1") {
  using devices = new MsrDevices("/");
  devices.write({ cpu: 0, address: 0x610 }, 0n, 1n);
}
