const root = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/**
 * Where a linted file lies in the repository, as a path such as `lib/plan/apply.ts`.
 *
 * @param filename As a rule's context has it: absolute, or relative to the repository in tests.
 * @throws {RangeError} If the file is outside the repository, where rules about folders would pass everything.
 */
export function placeOf(filename: string): string {
  if (!filename.startsWith("/")) return filename.replace(/^\.\//, "");
  if (!filename.startsWith(root)) throw new RangeError(`Cannot lint ${filename}: the rules know folders below ${root} only`);
  return filename.slice(root.length);
}

/** The place that a relative import names, seen from the file at `place`; `null` for packages, built-in modules and URLs. */
export function resolveFrom(place: string, specifier: string): string | null {
  if (!specifier.startsWith("./") && !specifier.startsWith("../")) return null;
  // Two made-up folders above the repository keep a path that leaves it from looking like one inside.
  const path = new URL(specifier, `file:///outside/root/${place}`).pathname;
  return path.startsWith("/outside/root/") ? path.slice("/outside/root/".length) : path;
}

/** The folder that decides what a file may import: `lib/plan`, `ffi`, `scripts`, or the file itself at the top of `lib/`. */
export function layerOf(place: string): string {
  const [top, second] = place.split("/");
  return top === "lib" ? `lib/${second}` : top;
}
