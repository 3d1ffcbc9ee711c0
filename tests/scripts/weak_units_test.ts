import assert from "node:assert/strict";
import type { ContainerSpec } from "../../lib/container/spec.ts";
import type { Unit } from "../../lib/memory/unit.ts";
import { weakUnits } from "../../scripts/weak_units.ts";

const limit: Unit = { id: "limit", backend: "limit", node: -1, nodes: [], bytes: 3 * 2 ** 20, pageBytes: 4096 };
const spec = (name: string, ...units: Unit[]) => ({ name, memory: units.length === 0 ? undefined : { units } }) as unknown as ContainerSpec;

Deno.test("weakUnits() warns of a limit that nobody asked for, and of no other unit", () => {
  const warned = weakUnits([spec("sim", limit), spec("viz"), spec("log", { ...limit, backend: "node" })], [
    { name: "sim", memory: { units: [{ bytes: limit.bytes }] } },
    { name: "viz" },
    { name: "log", memory: { units: [{}] } },
  ]);
  assert.deepEqual(warned, ["nodeos: no page belongs to container sim: its 3MiB are a limit only (nodeos memory backends says why)"]);
});

Deno.test("weakUnits() does not repeat what somebody asked for, and knows a container whose name was made up", () => {
  const asked = { memory: { units: [{ bytes: limit.bytes, backend: "limit" }] } } as const;
  assert.deepEqual(weakUnits([spec("run-77", limit)], [asked]), []);
  assert.equal(weakUnits([spec("run-77", limit)], [{ memory: { units: [{ bytes: limit.bytes }] } }]).length, 1);
});
