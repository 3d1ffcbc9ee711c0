import assert from "node:assert/strict";
import { papiVersion } from "../../ffi/papi.ts";
import { PowerBoard } from "../../lib/power/glue/board.ts";
import { energyMeter, meter, snapshotAt } from "../lib/power/meters.ts";
import { hasCompiler } from "./host.ts";
import { papiPreload } from "./papi_programs.ts";
import { sanitizer } from "./sanitizer.ts";

const here = new URL(".", import.meta.url).pathname;
// The library opens on first use and stays open: within a test that would count as a leak.
const isThere = papiVersion() !== null;

/** What `papi_events.ts` prints of events, in a process with another environment. */
async function ask(pid: number, events: readonly string[], env: Readonly<Record<string, string>>) {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", `${here}papi_events.ts`, `${pid}`, ...events],
    env: { ...sanitizer, ...env },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function inDirectory(fn: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "nodeos-papi-" });
  try {
    await fn(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

async function compileLibrary(directory: string, ...files: string[]): Promise<string> {
  const path = `${directory}/libpapi.so.7.0`;
  const { success, stderr } = await new Deno.Command("gcc", { args: ["-shared", "-fPIC", "-o", path, ...files] }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return path;
}

const ignore = !hasCompiler, note = ignore ? " [needs gcc]" : "";

Deno.test({
  name: `events of PAPI are counted in sets of their components, and each refusal is that of its event${note}`,
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      await compileLibrary(directory, `${here}papi_library.c`);
      const events = ["CYCLES", "node:::ENERGY", "FULL", "LOCKED", "OFF", "node:::WATTS", "NONE", "BROKEN"];
      const { version, described, opened, refusals, meters, values, missing, lacks } = await ask(7, events, { LD_LIBRARY_PATH: directory });
      assert.equal(version, "7.1");
      const counts = { isDouble: false, isMoment: false };
      assert.deepEqual(described, [
        { doc: "Cycles of a process", unit: "", ...counts },
        { doc: "Energy of the node", unit: "nJ", ...counts },
        { doc: "One too many", unit: "", ...counts },
        { doc: "Not permitted to start", unit: "", ...counts },
        "EOPNOTSUPP",
        { doc: "Power of the node", unit: "W", isDouble: true, isMoment: true },
        null,
        { doc: "Fails when it is read", unit: "", ...counts },
      ]);
      const started = [0, 0, -16, -1, -95, 0, -2, 0];
      const bits = Number(new BigInt64Array(new Float64Array([205.5]).buffer)[0]);
      assert.deepEqual(opened, { started, values: [101007, 5e9, 0, 0, 0, bits, 0, 0], errors: started.with(7, -5) });
      assert.deepEqual(refusals, ["EINVAL", "EINVAL", [-22], [-22]]);
      assert.deepEqual(meters, [
        "papi/BROKEN count counter",
        "papi/CYCLES count counter",
        "papi/node:::ENERGY J counter",
        "papi/node:::WATTS W gauge",
      ]);
      assert.deepEqual(values, [null, 101007, 5, 205.5]);
      assert.deepEqual(missing, [{ name: "papi/BROKEN", reason: "PAPI could not count it (EIO)" }]);
      assert.deepEqual(lacks, [
        "papi/OFF: its part of PAPI does not work here: papi_component_avail says why",
        "papi/NONE: PAPI knows no such event here: papi_avail and papi_native_avail list those that there are",
        "papi/FULL: there are too few counters for it beside the others",
        "papi/LOCKED: it is not permitted: it needs CAP_PERFMON, or a lower kernel.perf_event_paranoid",
      ]);
    }),
});

Deno.test({
  name: `events of a process that may not be looked at are refused, those of the machine are not${note}`,
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      await compileLibrary(directory, `${here}papi_library.c`);
      const { opened } = await ask(4242, ["CYCLES", "node:::ENERGY"], { LD_LIBRARY_PATH: directory });
      assert.deepEqual(opened, { started: [-1, 0], values: [0, 5e9], errors: [-1, 0] });
      const own = await ask(0, ["CYCLES"], { LD_LIBRARY_PATH: directory });
      assert.deepEqual(own.opened, { started: [0], values: [1000], errors: [0] });
    }),
});

Deno.test({
  name: `a library of PAPI that is another one, or none, is no library${note}`,
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      Deno.writeTextFileSync(`${directory}/empty.c`, "int PAPI_library_init(int version) { return version; }\n");
      await compileLibrary(directory, `${directory}/empty.c`);
      const { version, opened, lacks, meters } = await ask(0, ["CYCLES"], { LD_LIBRARY_PATH: directory });
      assert.deepEqual([version, opened, meters], [null, "ENODEV", []]);
      assert.deepEqual(lacks, ["papi/CYCLES: libpapi.so.7 does not start"]);
    }),
});

Deno.test("without PAPI its events are lacking", () =>
  inDirectory(async (directory) => {
    // What is no library hides one that is installed.
    for (const end of [".7.0", ".7.1", ".7.2", ".7", ""]) Deno.writeTextFileSync(`${directory}/libpapi.so${end}`, "");
    const { version, lacks, opened } = await ask(0, ["PAPI_TOT_CYC"], { LD_LIBRARY_PATH: directory });
    assert.deepEqual([version, lacks, opened], [null, ["papi/PAPI_TOT_CYC: libpapi.so.7 is not installed"], "ENOENT"]);
  }));

Deno.test({
  name: `PAPI itself reads our events in our stream${isThere ? "" : " [needs libpapi.so.7]"}`,
  ignore: !isThere,
  fn: () =>
    inDirectory(async (directory) => {
      const path = `${directory}/board`;
      using board = PowerBoard.create([energyMeter("package0/energy"), meter("core3/temperature", { unit: "degC" }), meter("gone")], path);
      board.publish(snapshotAt(1, [1, 61.25, null]));
      board.publish(snapshotAt(2, [181, 61.25, null]));
      const events = ["package0_energy_uj", "package0_power_uw", "core3_temperature_mdegc", "gone_uw", "missing_uw"];
      const { meters, values, missing, lacks } = await ask(0, events.map((name) => `sde:::nodeos::${name}`), {
        NODEOS_POWER_BOARD: path,
        LD_PRELOAD: papiPreload,
      });
      assert.deepEqual(meters, [
        "papi/sde:::nodeos::core3_temperature_mdegc degC gauge",
        "papi/sde:::nodeos::gone_uw W gauge",
        "papi/sde:::nodeos::package0_energy_uj J counter",
        "papi/sde:::nodeos::package0_power_uw W gauge",
      ]);
      // A counter of PAPI begins at 0 when counting starts.
      assert.deepEqual(values, [61.25, null, 0, 180]);
      assert.deepEqual(missing, [{
        name: "papi/sde:::nodeos::gone_uw",
        reason: "it has no value now, or nobody registered it in this process",
      }]);
      assert.deepEqual(lacks, [
        "papi/sde:::nodeos::missing_uw: libnodeos-papi.so is not loaded into this process, or the board of power has no such meter",
      ]);
    }),
});
