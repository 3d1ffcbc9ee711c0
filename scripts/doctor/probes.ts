import { libraryPath, variable } from "../../ffi/library.ts";
import { capabilities, effectiveUid, probeSyscall } from "../../ffi/mod.ts";
import type { Probes } from "../../lib/kernel/doctor.ts";

/** Probes that answer for this machine. Throws when the native library cannot be loaded. */
export function liveProbes(): Probes {
  const uid = effectiveUid();
  const word = capabilities();
  return {
    uid,
    capabilities: word < 0n ? null : word,
    syscall: probeSyscall,
    library: { path: libraryPath(), problem: null },
    compiler: findCompiler(),
  };
}

/** Probes of a captured machine: nothing can be tried there. `library` and `compiler` as {@link Probes} has them. */
export function mute(library: Probes["library"] = null, compiler?: string | null): Probes {
  return { uid: null, capabilities: null, syscall: () => null, library, compiler };
}

/** Path of the C compiler that a build would find, or of another one; `null` when there is none. */
export function findCompiler(): string | null {
  const names = [variable("CC"), "gcc", "cc", "clang"].filter((name) => name !== undefined && name !== "") as string[];
  const directories = (variable("PATH") ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(":");
  for (const name of names) {
    for (const path of name.includes("/") ? [name] : directories.map((directory) => `${directory}/${name}`)) {
      if (isFile(path)) return path;
    }
  }
  return null;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}
