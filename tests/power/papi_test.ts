/** Tools of PAPI, as Debian has them, on a simulated package. */
import assert from "node:assert/strict";
import { SimulatedPackage } from "../../lib/power/simulated/package.ts";
import { missingTools, papiLibrary } from "../ffi/papi_programs.ts";
import { runSimulated, simulatedTest } from "./simulation.ts";

const lack = missingTools("papi_native_avail", "papi_command_line").slice(2, -1) || null;

simulatedTest("tools of PAPI list and read what we measure", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-papi-" });
  try {
    const names = [
      "package0_energy_uj",
      "package0_power_uw",
      "package0_power_limit_uw",
      "package0_temperature_mdegc",
      "age_us",
      "nothing_uw",
    ];
    const script = new URL("papi_board.ts", import.meta.url).pathname;
    const { code, out, err } = await runSimulated([new SimulatedPackage()], [
      Deno.execPath(),
      ...["run", "-q", "-A", script, `${directory}/board`, papiLibrary],
      ...names.map((name) => `sde:::nodeos::${name}`),
    ]);
    assert.deepEqual([code, err], [0, ""]);
    const { events, listed, counted, limit } = JSON.parse(out.join("\n"));
    const shown = [...listed.matchAll(/^\| (sde:::nodeos::\w+) +\|$/gm)].map(([, name]) => name);
    assert.deepEqual(shown.toSorted(), [...events, "sde:::nodeos::age_us"].toSorted());
    assert.match(listed, /\| sde:::nodeos::package0_power_limit_uw +\|\n\| +\S.*in microwatts +\|$/m);
    assert.match(listed, /\n0$/);
    const values = names.map((name) => Number(new RegExp(`^sde:::nodeos::${name} : \\t(-?\\d+) $`, "m").exec(counted)?.[1] ?? NaN));
    const [energy, power, cap, temperature, age, nothing] = values;
    assert.ok(energy >= 0 && energy < 1e12, counted);
    assert.ok(power > 10e6 && power < 1000e6, counted);
    assert.equal(cap, limit * 1e6);
    assert.ok(temperature > 10e3 && temperature < 110e3, counted);
    assert.ok(age >= 0, counted);
    // PAPI takes what nobody registered, and says -1.
    assert.equal(nothing, -1);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}, lack);
