import type { LaunchRequest } from "../../ffi/launch.ts";
import type { Site } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";

/** Where the threads of a container have to be, and how they are born. */
export type Birth = Pick<LaunchRequest, "scheduling" | "memory"> & {
  /** The kernel will not spread the threads over the CPUs: give each one of its own. */
  readonly placeThreads?: boolean;
};

/** One feature of a container: a wish becomes changes. Enabled or disabled per container; a new one is a new file. */
export interface Feature<Wish> {
  /** Its key in a specification. */
  readonly name: string;
  /** One sentence for `--help` and the documentation. */
  readonly doc: string;
  /** The lean choice. */
  readonly default: Wish;
  /** What has to change, in order. Throws a `RefusedError` when this machine cannot do it. */
  plan(site: Site, wish: Wish): Change[];
  /** How programs of the container are started. */
  birth?(site: Site, wish: Wish): Birth;
}
