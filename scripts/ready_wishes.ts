/**
 * Profiles of ours, compiled by `deno task install`: parsing and compiling one takes longer than all the rest of
 * `nodeos run`.
 *
 * @module
 */

import type { SyscallRequest } from "../lib/container/syscall_wish.ts";
import type { CompiledWish } from "../lib/container/wish_compiler.ts";

const parts = ["board", "filter", "policy"] as const;

/** Writes the files of a compiled profile into a directory that is there. */
export function writeReadyWish(directory: string, profile: string, { board, filter, policy }: CompiledWish): void {
  const bytes = { board, filter, policy: new TextEncoder().encode(JSON.stringify(policy)) };
  for (const part of parts) Deno.writeFileSync(`${directory}/${profile}.${part}`, bytes[part]);
}

/**
 * The compiled profile that a wish is, or `null` when it has to be compiled.
 *
 * @param directory Where they lie: the directory of an installed command, `null` in a checkout, where sources change.
 */
export function readyWish(
  { profile, switches = [], switchable = [], spinUs }: SyscallRequest,
  directory: string | null = import.meta.url.endsWith(".js") ? import.meta.dirname! : null,
): CompiledWish | null {
  if (directory === null || !/^[a-z-]+$/.test(profile) || switches.length + switchable.length > 0 || spinUs !== undefined) return null;
  try {
    const [board, filter, policy] = parts.map((part) => Deno.readFileSync(`${directory}/${profile}.${part}`));
    return { board, filter, policy: JSON.parse(new TextDecoder().decode(policy)) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
