import assert from "node:assert/strict";
import { UsageError } from "../../lib/errors.ts";
import { containerFlags } from "../../scripts/flags.ts";
import { requestOf } from "../../scripts/request.ts";

Deno.test("requestOf() makes the request of the flags, and leaves open what they leave open", () => {
  const { name, cpus, count, memory, nodes, unit, pids, scheduling, syscalls, features } = containerFlags;
  const request = requestOf({
    name: name.parse("sim"),
    cpus: cpus.parse("2-3"),
    memory: memory.parse("1GiB"),
    nodes: nodes.parse("0-1"),
    unit: ["1MiB@1", "halo=4KiB"].map(unit.parse),
    pids: pids.parse("64"),
    scheduling: scheduling.parse("cooperative"),
    loadBalancing: "on",
    syscalls: syscalls.parse("cnk,openat=allow"),
    features: features.parse("irqs,watchdog"),
  });
  assert.deepEqual(request, {
    name: "sim",
    cpus: [2, 3],
    cpuCount: undefined,
    nodes: [0, 1],
    memoryBytes: 2 ** 30,
    memory: { units: [{ bytes: 2 ** 20, node: 1 }, { bytes: 4096, object: "halo" }] },
    pidsMax: 64,
    scheduling: { policy: "cooperative", throttle: "lift" },
    loadBalancing: "on",
    quiet: { irqs: true, watchdog: true },
    syscalls: { profile: "cnk", switches: ["openat=allow"] },
  });
  assert.deepEqual(Object.values(requestOf({})).filter((value) => value !== undefined), []);
  assert.equal(requestOf({ count: count.parse("4") }).cpuCount, 4);
});

Deno.test("requestOf() refuses CPUs by number and by count together", () => {
  assert.throws(() => requestOf({ cpus: [1], count: 1 }), UsageError);
});
