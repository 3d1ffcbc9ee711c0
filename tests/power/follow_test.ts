import assert from "node:assert/strict";
import { SimulatedDevice } from "../../lib/power/simulated/device.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { registers } from "../../lib/power/simulated/registers.ts";
import { checkout } from "../host.ts";
import { compile, openMpLack } from "../ffi/runtime_cores/programs.ts";
import { simulatedTest } from "./simulation.ts";

simulatedTest("under a cap below what all cores draw, a program of OpenMP goes down to fewer threads and back, and is right", async () => {
  const package_ = new SimulatedPackage(undefined, { priorWatts: 120 });
  const all = package_.placement;
  const [limitBefore, controlBefore] = [package_.read(0, registers.PKG_POWER_LIMIT), package_.read(9, registers.PERF_CTL)];
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-follow-" });
  try {
    const script = `${checkout}tests/power/governed.ts`;
    const command = [
      Deno.execPath(),
      "run",
      "-A",
      "-q",
      "--no-check",
      script,
      directory,
      compile("regions", "-fopenmp"),
      "130,16,16",
      "52,4,12",
      "130,16,16",
    ];
    await using device = new SimulatedDevice([package_], command, { process: { stdin: "null", stdout: "piped", stderr: "piped" } });
    const errors = new Response(device.child.stderr).text();
    const seen = new Set<number>();
    let rest = "";
    for await (const text of device.child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const { threads, sum } = JSON.parse(line);
        assert.equal(sum, 100000 * 99999 / 2);
        seen.add(threads);
        // The package feels what the program does.
        package_.place(all.slice(0, threads));
      }
    }
    assert.equal(await device.ended(), 0, await errors);
    assert.ok(seen.has(16) && seen.size > 1, `${[...seen]}`);
    assert.deepEqual([package_.read(0, registers.PKG_POWER_LIMIT), package_.read(9, registers.PERF_CTL)], [limitBefore, controlBefore]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}, openMpLack);
