/** What of a program's calls is forwarded. */
export type Mode = "path" | "path+fd+data";

/** The modes, and the groups of system calls that each forwards. */
export const modes: Readonly<Record<Mode, readonly string[]>> = { path: ["path"], "path+fd+data": ["path", "fd", "data"] };

/**
 * Words of a command that runs a program with calls forwarded; the program follows. `{switches}` becomes
 * `@path=forward,@fd=forward`, `{groups}` becomes `path,fd`.
 */
export function prefixFor(mode: Mode, prefix: readonly string[]): string[] {
  const groups = modes[mode];
  return prefix.map((word) =>
    word.replaceAll("{switches}", groups.map((group) => `@${group}=forward`).join()).replaceAll("{groups}", groups.join())
  );
}

/** A command of `forwarded.ts` when all that the mode forwards goes back to the program: the filter is the same. */
export function prefixOfFilter(mode: Mode, prefix: readonly string[]): string[] {
  return prefix.map((word) => word.replaceAll("{switches}", modes[mode].map((group) => `@${group}=switchable`).join()));
}
