import { isKernelBefore } from "../../../lib/kernel/release.ts";
import { switchingTest } from "../feature_cases.ts";
import { isGuest, kernel } from "../guest.ts";

// The other hardware thread of its core is nobody's.
if (isGuest && isKernelBefore(kernel, 6, 2)) {
  Deno.test.ignore("features smtSiblings [open: before Linux 6.2 the kcompactd of a NUMA node does not get its CPUs back]", () => {});
} else {
  switchingTest(["smtSiblings"], [4]);
}
