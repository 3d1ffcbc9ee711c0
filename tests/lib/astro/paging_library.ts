import { RefusedError } from "../../../lib/errors.ts";
import { PageBuffer } from "../../../lib/paging/buffer.ts";
import { Region } from "../../../lib/paging/region.ts";
import { fitsStore } from "../../../lib/paging/stores.ts";

/** The ending of a test's name that says why it is skipped where the kernel gives no userfaultfd, if it is. */
export const pagingNote = canPage() ? "" : " [needs userfaultfd]";

/** Tries it outside of any test: the library stays open, and the test that is the first to use it would seem to leak it. */
function canPage(): boolean {
  using buffer = new PageBuffer(2 ** 20);
  const tile = { path: null, fileOffsetBytes: 0, count: 1, bitpix: -32, scale: 1, zero: 0, blank: null } as const;
  try {
    using region = Region.mapSync(fitsStore([tile]), { buffer, readOnly: true });
    region.read(0, new Float32Array(1));
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}
