import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Feature } from "./feature.ts";

/** How many threads a container may have at once; `null` is as many as the machine. */
export type PidsMax = number | null;

/** An upper limit of a container's threads: a fork bomb stays inside. */
export const pids: Feature<PidsMax> = {
  name: "pids",
  doc: "The most threads that the container's programs may have together",
  default: null,
  plan(site: Site, max: PidsMax): Change[] {
    if (max === null) return [];
    const { directory, changes } = takeSeat(site, "pids", "limit its threads");
    return [...changes, { kind: "file", what: `${directory}/pids.max`, to: `${max}`, why: "thread limit", initial: "max" }];
  },
};
