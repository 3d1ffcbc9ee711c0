import { SysError } from "../../ffi/errors.ts";
import { RefusedError } from "../errors.ts";
import { drivers, type Kernel } from "./driver.ts";
import type { Drift } from "./executor.ts";

/**
 * Makes steps true again that somebody else undid, in their order, as far as the kernel lets it; what is still different
 * shows when they are verified again.
 */
export function mend(kernel: Kernel, drift: readonly Drift[]): void {
  for (const { step: { kind, what, to } } of drift) {
    try {
      drivers[kind].write(kernel, what, to);
    } catch (error) {
      if (!(error instanceof SysError || error instanceof RefusedError)) throw error;
    }
  }
}
