import assert from "node:assert/strict";
import { readProcessMemory } from "../../../lib/memory/mappings.ts";
import type { Unit } from "../../../lib/memory/unit.ts";
import { errno } from "../../../ffi/errors.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";
import { MiB } from "./machines.ts";

/** One mapping of smaps; sizes in KiB. */
function mapping(
  start: string,
  path: string,
  { rss = 0, anonymous = 0, huge = 0 }: { rss?: number; anonymous?: number; huge?: number },
): string {
  return [
    `${start}-7ffffffff000 rw-p 00000000 00:00 0 ${path === "" ? "" : `                  ${path}`}`,
    "Size:               9999 kB",
    `Rss:               ${rss} kB`,
    `Anonymous:         ${anonymous} kB`,
    "AnonHugePages:         0 kB",
    "Shared_Hugetlb:        0 kB",
    `Private_Hugetlb:    ${huge} kB`,
    "VmFlags: rd wr mr mw me ac sd",
    "",
  ].join("\n");
}

const huge: Unit = { id: "node1", backend: "hugetlb", node: 1, nodes: [1], bytes: 4 * MiB, pageBytes: 2 * MiB };
const whole: Unit = { id: "node1", backend: "node", node: 1, nodes: [1], bytes: 1024 * MiB, pageBytes: 4096 };
const dax: Unit = { id: "field", backend: "devdax", node: 1, nodes: [1], bytes: MiB, pageBytes: 4096, object: "field", device: "dax0.0" };

Deno.test("readProcessMemory() tells units from what lies outside, by mapping, the largest first", () => {
  const smaps = [
    mapping("559900000000", "/usr/bin/solver", { rss: 40, anonymous: 8 }),
    mapping("559a00000000", "[heap]", { rss: 64, anonymous: 64 }),
    mapping("7f0000000000", "", { rss: 20, anonymous: 20 }),
    mapping("7f0100000000", "", { rss: 12, anonymous: 12 }),
    mapping("7f0200000000", "/anon_hugepage (deleted)", { huge: 2048 }),
    mapping("7f0300000000", "/run/nodeos/memory/sim/4KiB-node0/halo", { rss: 100 }),
    mapping("7f0400000000", "/run/nodeos/memory/other/4KiB-node0/halo", { rss: 16 }),
    mapping("7f0500000000", "/dev/dax0.0", { rss: 4 }),
    mapping("7f0600000000", "/usr/lib/unused.so", {}),
  ].join("");
  const files = new MemoryRoot({ "/proc/10/smaps": smaps, "/proc/10/comm": "solver\n" });
  assert.deepEqual(readProcessMemory(files, 10, "sim", [huge, dax]), {
    pid: 10,
    command: "solver",
    unitBytes: (2048 + 100 + 4) * 1024,
    outside: [
      { name: "[heap]", anonymousBytes: 65536, sharedBytes: 0 },
      { name: "/usr/bin/solver", anonymousBytes: 8192, sharedBytes: 32768 },
      { name: "anonymous", anonymousBytes: 32768, sharedBytes: 0 },
      { name: "/run/nodeos/memory/other/4KiB-node0/halo", anonymousBytes: 0, sharedBytes: 16384 },
    ],
  });
});

Deno.test("readProcessMemory() counts what lies on a whole node as its unit", () => {
  const smaps = mapping("559a00000000", "[heap]", { rss: 64, anonymous: 64 }) + mapping("7f0000000000", "", { rss: 20, anonymous: 20 }) +
    mapping("7f0100000000", "/usr/lib/libm.so.6", { rss: 40, anonymous: 8 });
  const numaMaps = "7f0100000000 default file=/usr/lib/libm.so.6 anon=2 N0=8 N1=2 kernelpagesize_kB=4\n" +
    "559a00000000 default heap anon=16 dirty=16 N0=4 N1=12 kernelpagesize_kB=4\n7f0000000000 bind:1 anon=5 N1=5 kernelpagesize_kB=4\n";
  const files = new MemoryRoot({ "/proc/10/smaps": smaps, "/proc/10/numa_maps": numaMaps, "/proc/10/comm": "a\n" });
  assert.deepEqual(readProcessMemory(files, 10, "sim", [whole]), {
    pid: 10,
    command: "a",
    unitBytes: (48 + 20 + 8) * 1024,
    // What lies elsewhere of a library is taken for copies of its file.
    outside: [{ name: "/usr/lib/libm.so.6", anonymousBytes: 0, sharedBytes: 32768 }, {
      name: "[heap]",
      anonymousBytes: 16384,
      sharedBytes: 0,
    }],
  });
});

Deno.test("readProcessMemory() is null for a process that has ended, or is not ours to look at", () => {
  assert.equal(readProcessMemory(new MemoryRoot({}), 10, "sim", []), null);
  assert.equal(readProcessMemory(new MemoryRoot({ "/proc/10/smaps": { errno: errno.EACCES } }), 10, "sim", []), null);
});
