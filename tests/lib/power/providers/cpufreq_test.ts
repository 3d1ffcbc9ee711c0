import assert from "node:assert/strict";
import { cpufreqProvider } from "../../../../lib/power/providers/cpufreq.ts";
import { bare, intelWithKernel, PowerMachine } from "../machines.ts";

Deno.test("cpufreqProvider() has frequency and its limits of each policy, in hertz", () => {
  using machine = new PowerMachine(intelWithKernel);
  const { meters } = cpufreqProvider(machine);
  assert.equal(meters.length, 12);
  const limit = meters.find(({ name }) => name === "cpu2/frequency-max")!;
  assert.deepEqual([limit.range, limit.isWritable, limit.unit], [{ min: 1e9, max: 3.2e9 }, true, "Hz"]);
  assert.equal(meters.find(({ name }) => name === "cpu2/frequency")!.isWritable, false);
});

Deno.test("cpufreqProvider() says that a virtual machine has none", () => {
  using machine = new PowerMachine(bare);
  assert.match(cpufreqProvider(machine).lacks[0].why, /virtual/);
});
