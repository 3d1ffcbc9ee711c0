import { type LaunchRequest } from "../../ffi/launch.ts";
import { libraryPath, variable } from "../../ffi/library.ts";
import { RefusedError } from "../errors.ts";
import type { Inventory } from "../kernel/inventory.ts";
import { memoryBirth } from "../memory/birth.ts";
import type { ContainerSpec } from "./spec.ts";

/** Lists, with what stands between their parts: ours come in front of what the program would have had. */
const lists: Readonly<Record<string, string>> = { LD_PRELOAD: ":", GLIBC_TUNABLES: ":" };

/** A launch into a container with memory for itself: born with its policy, its limit, and what leads it to huge pages. */
export function withOwnMemory(inventory: Inventory, { name, memory }: ContainerSpec, request: LaunchRequest): LaunchRequest {
  if (memory === undefined) return request;
  const path = `${libraryPath().replace(/[^/]*$/, "")}libnodeos-preload.so`;
  const { variables, ...birth } = memoryBirth(inventory, name, memory, path);
  if (variables.LD_PRELOAD !== undefined && !isFile(path)) {
    throw new RefusedError(`Cannot lead programs of container ${name} to its huge pages: there is no ${path}`, {
      remedy: "Build it (deno task build), or give the container memory.programs: tunable or none",
    });
  }
  const addEnv = Object.entries(variables).map(([key, value]) => {
    const former = lists[key] === undefined ? undefined : request.addEnv?.[key] ?? (request.env ? request.env[key] : variable(key));
    return [key, former ? `${value}${lists[key]}${former}` : value];
  });
  return { ...request, ...birth, addEnv: { ...request.addEnv, ...Object.fromEntries(addEnv) } };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
