/** A machine whose system calls we know. */
export type Architecture = "x86_64" | "aarch64";

/** Every machine whose system calls we know. */
export const architectures: readonly Architecture[] = ["x86_64", "aarch64"];

/** How the kernel names an architecture to a filter: `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`. */
export const auditArch: Readonly<Record<Architecture, number>> = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };

/** The architecture of an `AUDIT_ARCH_*` number, or `null` for one that we do not know. */
export function architectureOfAudit(audit: number): Architecture | null {
  return architectures.find((architecture) => auditArch[architecture] === audit) ?? null;
}

/** The architecture of this machine, or `null` when we do not know its system calls. */
export function hostArchitecture(): Architecture | null {
  return architectures.find((architecture) => architecture === Deno.build.arch) ?? null;
}
