import { getAffinity } from "../../ffi/task.ts";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import { RefusedError } from "../../lib/errors.ts";
import { measureNoise, type NoiseMeasurement, type SamplerPlace } from "../../lib/noise/measure.ts";
import type { NoiseRequest } from "../../lib/noise/sample.ts";
import type { Context } from "../context.ts";

/** Where noise can be sampled. */
export interface Site {
  /** CPUs to choose from, ascending. */
  readonly cpus: readonly number[];
  /** Samples on one of them. */
  measure(request: NoiseRequest): NoiseMeasurement;
}

/** The CPUs that this process may use, or those of a container. Throws a `NoSuchObjectError` when there is no such container. */
export async function openSite(context: Pick<Context, "kernel" | "node" | "stateDirectory">, container?: string): Promise<Site> {
  const machine = await context.kernel();
  const site = (cpus: readonly number[], start?: SamplerPlace["start"]): Site => ({
    cpus,
    measure: (request) => measureNoise(machine, request, { directory: scratchDirectory(context.stateDirectory), start }),
  });
  if (container === undefined) return site(getAffinity(0));
  const node = await context.node();
  const { cpus } = node.find(container).spec as ContainerSpec;
  return site(cpus, (argv) => node.start(container, { argv, dieWithParent: true }));
}

/** Our state directory when we may write there, which takes root by default, otherwise the place of what we build. */
function scratchDirectory(stateDirectory: string): string {
  const directories = [stateDirectory, new URL("../../build", import.meta.url).pathname];
  const writable = directories.find(isWritable);
  if (writable !== undefined) return writable;
  throw new RefusedError(`Cannot keep samples for a moment: we may write neither to ${directories.join(" nor to ")}`, {
    remedy: "Run it as root, or as the owner of this checkout",
  });
}

function isWritable(directory: string): boolean {
  try {
    Deno.mkdirSync(directory, { recursive: true });
    Deno.removeSync(Deno.makeTempFileSync({ dir: directory }));
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}
