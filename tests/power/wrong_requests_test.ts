import assert from "node:assert/strict";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { checkout } from "../host.ts";
import { runSimulated, simulatedTest } from "./simulation.ts";

const registersOf = (package_: SimulatedPackage) =>
  Array.from({ length: package_.parameters.coreCount }, (_, cpu) => Object.values(registers).map((number) => package_.read(cpu, number)));

simulatedTest("1,000 wrong requests are refused in words on a simulated device, which is as before at the end, bit for bit", async () => {
  const packages = [1, 2].map((seed) => new SimulatedPackage(undefined, { seed, energyCount: 123_456 }));
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-power-journal-", dir: "/dev/shm" });
  try {
    const program = [Deno.execPath(), "run", "-q", "-A", `${checkout}tests/power/wrong_requests.ts`, directory];
    // The firmware has locked two limits; what the packages have then is what they have at the end.
    packages[1].write(0, registers.PKG_POWER_LIMIT, 0x80dd832000dd8320n);
    packages[0].write(0, registers.DRAM_POWER_LIMIT, 0x800000c8n);
    const before = packages.map(registersOf);
    const { code, out, err } = await runSimulated(packages, program, {
      timeScale: 0,
    });
    assert.equal(err, "");
    assert.equal(code, 0);
    const refusals: Record<string, Record<string, number>> = JSON.parse(out[0]);
    assert.deepEqual(Object.keys(refusals).sort(), ["forbidden", "gone", "locked", "outside", "read-only", "unknown"]);
    assert.deepEqual(Object.keys(refusals.unknown), ["NoSuchObjectError"]);
    assert.deepEqual(Object.keys(refusals.forbidden), ["RefusedError"]);
    assert.deepEqual(Object.keys(refusals["read-only"]), ["RefusedError"]);
    assert.equal(Object.values(refusals).flatMap((counts) => Object.values(counts)).reduce((sum, count) => sum + count), 1000);
    assert.deepEqual(packages.map(registersOf), before);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
