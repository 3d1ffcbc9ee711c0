import assert from "node:assert/strict";
import { numaBalancing } from "../../../lib/feature/numa_balancing.ts";
import { linesOf } from "./scene.ts";

const path = "/proc/sys/kernel/numa_balancing";

Deno.test("numaBalancing off writes 0, whatever sort of balancing the node has", () => {
  for (const now of ["0", "1", "2", "3"]) assert.deepEqual(linesOf(numaBalancing, { [path]: `${now}\n` }), [`${path} <- 0`]);
});

Deno.test("numaBalancing changes nothing on a kernel without it", () => {
  assert.deepEqual(linesOf(numaBalancing, {}), []);
});

Deno.test("numaBalancing is a matter of the whole node", () => {
  assert.equal(numaBalancing.reach, "node");
  assert.deepEqual(numaBalancing.words, ["off", "on"]);
});
