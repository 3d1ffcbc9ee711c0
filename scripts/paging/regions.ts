import { NoSuchObjectError, RefusedError } from "../../lib/errors.ts";
import type { ObservedRegion } from "../../lib/paging/observed.ts";

/** Regions of a process that was asked for, or why there are none. */
export function regionsOf(regions: ObservedRegion[] | null, pid: number): ObservedRegion[] {
  if (regions === null) {
    throw new RefusedError(`Cannot look into process ${pid}: there is none, or it belongs to another user`, {
      remedy: "Look at the processes that have regions: nodeos paging stat",
    });
  }
  if (regions.length > 0) return regions;
  throw new NoSuchObjectError(`Cannot show regions of process ${pid}: it has none`, {
    remedy: "Look at the processes that have regions: nodeos paging stat",
  });
}
