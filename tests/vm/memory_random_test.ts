import { randomChangesTest } from "./memory_random.ts";

const mib = 2 ** 20;

randomChangesTest(() => ({
  a: [{ bytes: 8 * mib, node: 1 }, { bytes: 3 * mib + 4096, node: 0, pageBytes: 4096, object: "halo" }],
  b: [{ bytes: 4 * mib, node: 0 }, { bytes: 6 * mib, node: 2, object: "field" }],
  c: [{ node: 3, backend: "node" }, { bytes: 1 * mib, node: 2, pageBytes: 4096, object: "log" }],
}));
