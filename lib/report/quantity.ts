const prefixes: readonly (readonly [string, number])[] = [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]];

/** Bytes for people: `64 GiB`, `1.5 MiB`, `512 B`; at most three digits that matter. */
export function formatBytes(bytes: number): string {
  for (const [unit, factor] of prefixes) {
    if (bytes >= factor) return `${trim(bytes / factor)} ${unit}`;
  }
  return `${bytes} B`;
}

/** Nanoseconds for people: `850 ns`, `12.3 us`, `4.56 ms`, `1.20 s`. */
export function formatNs(ns: number): string {
  if (ns < 1e3) return `${trim(ns)} ns`;
  if (ns < 1e6) return `${trim(ns / 1e3)} us`;
  if (ns < 1e9) return `${trim(ns / 1e6)} ms`;
  return `${trim(ns / 1e9)} s`;
}

function trim(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? Number(value.toFixed(1)).toString() : Number(value.toFixed(2)).toString();
}
