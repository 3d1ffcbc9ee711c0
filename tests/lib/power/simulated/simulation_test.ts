import assert from "node:assert/strict";
import { SimulatedPackage } from "../../../../lib/power/simulated/package.ts";
import { Simulation } from "../../../../lib/power/simulated/simulation.ts";

Deno.test("Simulation keeps its files in the directory that it is given, and removes it with all that is in it", () => {
  const parent = Deno.makeTempDirSync();
  try {
    const directory = `${parent}/simulated`;
    const simulation = new Simulation([new SimulatedPackage()], { timeScale: 0, directory });
    assert.equal(simulation.directory, directory);
    assert.deepEqual(simulation.variables, { NODEOS_SIMULATED: `${directory}/machine` });
    const [helper, ...args] = simulation.argvOf(["cat", "x"]);
    assert.match(helper, /\/nodeos-helper$/);
    assert.deepEqual([args[0], ...args.slice(-3)], ["simulate", "--", "cat", "x"]);
    assert.equal(Deno.statSync(directory).mode! & 0o777, 0o700);
    Deno.mkdirSync(`${directory}/state`);
    simulation[Symbol.dispose]();
    simulation[Symbol.dispose]();
    assert.deepEqual([...Deno.readDirSync(parent)], []);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
});

Deno.test("Simulation refuses a time scale that is none before it makes anything", () => {
  for (const timeScale of [-1, 1001, NaN]) {
    assert.throws(() => new Simulation([new SimulatedPackage()], { timeScale, directory: "/nonexistent/x" }), RangeError);
  }
});

Deno.test("time passes in a simulation while the event loop turns", async () => {
  const package_ = new SimulatedPackage();
  using _simulation = new Simulation([package_], { timeScale: 10 });
  while (package_.truth().seconds < 0.05) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(package_.truth().energyJoules > 0);
});
