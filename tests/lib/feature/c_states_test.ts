import assert from "node:assert/strict";
import { cStates } from "../../../lib/feature/c_states.ts";
import { linesOf } from "./scene.ts";

const path = (cpu: number) => `/sys/devices/system/cpu/cpu${cpu}/power/pm_qos_resume_latency_us`;

Deno.test("cStates off keeps each of the container's CPUs awake, and no other", () => {
  const machine = Object.fromEntries([0, 1, 2, 3, 4].map((cpu) => [path(cpu), "0\n"]));
  assert.deepEqual(linesOf(cStates, machine), [`${path(2)} <- n/a`, `${path(3)} <- n/a`]);
  assert.deepEqual(linesOf(cStates, machine, { cpus: [0] }), [`${path(0)} <- n/a`]);
});

Deno.test("cStates changes nothing on CPUs and kernels that cannot be told", () => {
  assert.deepEqual(linesOf(cStates, { [path(3)]: "50\n" }), [`${path(3)} <- n/a`]);
  assert.deepEqual(linesOf(cStates, {}), []);
});
