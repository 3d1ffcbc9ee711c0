import assert from "node:assert/strict";
import { withOwnMemory } from "../../../lib/container/memory_seat.ts";
import type { ContainerSpec } from "../../../lib/container/spec.ts";
import { RefusedError } from "../../../lib/errors.ts";
import { Inventory } from "../../../lib/kernel/inventory.ts";
import type { Programs, Unit } from "../../../lib/memory/unit.ts";
import { captured } from "../../captured.ts";
import { fourNodes, MiB } from "../memory/machines.ts";

const heap: Unit = { id: "node2", backend: "hugetlb", node: 2, nodes: [2], bytes: 64 * MiB, pageBytes: 2 * MiB };

/** What a program of a container with huge pages is started with. */
function born(
  programs: Programs,
  env: Record<string, string> = {},
  addEnv: Record<string, string> = {},
): Record<string, string> | undefined {
  using machine = captured(fourNodes);
  const memory = { units: [heap], policy: "bind", programs, owner: { uid: 0, gid: 0 } } as const;
  return withOwnMemory(new Inventory(machine), { name: "sim", memory } as unknown as ContainerSpec, { argv: ["x"], env, addEnv }).addEnv;
}

Deno.test("withOwnMemory() leaves a launch alone without memory of its own", () => {
  using machine = captured({});
  const request = { argv: ["x"] };
  assert.equal(withOwnMemory(new Inventory(machine), { name: "sim" } as ContainerSpec, request), request);
});

Deno.test("withOwnMemory() puts what it adds in front of what the program would have had", () => {
  const tunables = "glibc.malloc.hugetlb=2:glibc.malloc.mmap_threshold=2097152";
  assert.equal(born("tunable")!.GLIBC_TUNABLES, tunables);
  assert.equal(born("tunable", { GLIBC_TUNABLES: "glibc.malloc.perturb=1" })!.GLIBC_TUNABLES, `${tunables}:glibc.malloc.perturb=1`);
  assert.match(born("preload", { LD_PRELOAD: "/a.so" })!.LD_PRELOAD, /^\/.*\/libnodeos-preload\.so:\/a\.so$/);
  assert.match(born("preload", { LD_PRELOAD: "/a.so" }, { LD_PRELOAD: "/b.so" })!.LD_PRELOAD, /libnodeos-preload\.so:\/b\.so$/);
  assert.deepEqual(born("none", {}, { OTHER: "1" }), {
    OTHER: "1",
    NODEOS_HUGE_PAGES: "2097152",
    NODEOS_HUGE_SHARES: "/run/nodeos/memory/sim/shares",
  });
});

Deno.test("withOwnMemory() refuses to start a program without the allocator that leads it to its pages", () => {
  const former = Deno.env.get("NODEOS_LIB");
  Deno.env.set("NODEOS_LIB", "/nowhere/libnodeos.so");
  try {
    assert.throws(() => born("preload"), (error) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.message, /there is no \/nowhere\/libnodeos-preload\.so$/);
      assert.match(error.remedy!, /memory\.programs: tunable or none/);
      return true;
    });
  } finally {
    if (former === undefined) Deno.env.delete("NODEOS_LIB");
    else Deno.env.set("NODEOS_LIB", former);
  }
});
