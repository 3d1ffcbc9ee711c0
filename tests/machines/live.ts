import { errnoText } from "../../ffi/errors.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";

/** The running machine, for looking only. */
export const live = new KernelRoot();

// The library opens on first use and stays open: within a test that would count as a leak.
live.exists("/proc");
errnoText(1);
