/**
 * Runs a program on a simulated package: `deno run -A scripts/power/simulate.ts [--time-scale N] [--packages N] -- PROGRAM`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { SimulatedDevice } from "../../lib/power/simulated/device.ts";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";

if (import.meta.main) {
  const options = { "time-scale": { type: "string", default: "1" }, packages: { type: "string", default: "1" } } as const;
  const { values, positionals } = parseArgs({ args: Deno.args, options, allowPositionals: true });
  const packageCount = Number(values.packages);
  if (positionals.length === 0 || !(Number.isInteger(packageCount) && packageCount >= 1 && packageCount <= 8)) {
    console.error("usage: simulate.ts [--time-scale 0..1000] [--packages 1..8] -- PROGRAM [ARGUMENT]...");
    Deno.exit(2);
  }
  const packages = Array.from({ length: packageCount }, (_, index) => new SimulatedPackage(undefined, { seed: index + 1 }));
  await using device = new SimulatedDevice(packages, positionals, { timeScale: Number(values["time-scale"]) });
  // A terminal sends it to the program as well, which decides; what is sent to us is meant for the program.
  const [ignore, forward] = [() => {}, () => device.child.kill("SIGTERM")];
  Deno.addSignalListener("SIGINT", ignore);
  Deno.addSignalListener("SIGTERM", forward);
  Deno.exitCode = await device.ended();
  Deno.removeSignalListener("SIGINT", ignore);
  Deno.removeSignalListener("SIGTERM", forward);
}
