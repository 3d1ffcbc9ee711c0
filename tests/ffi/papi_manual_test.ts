/** The example of `ffi/papi/PAPI.md`. */
import assert from "node:assert/strict";
import { PowerBoard } from "../../lib/power/glue/board.ts";
import { energyMeter, meter, snapshotAt } from "../lib/power/meters.ts";
import { newPath, test } from "./paging_programs.ts";
import { papiPreload } from "./papi_programs.ts";
import { checkout } from "./programs.ts";

const [, program] = /^```c\n(.*?)^```$/ms.exec(Deno.readTextFileSync(`${checkout}ffi/papi/PAPI.md`))!;

async function compile(source: string, ...more: readonly string[]): Promise<string | null> {
  const path = newPath("papi.c"), made = newPath("papi");
  Deno.writeTextFileSync(path, source);
  const args = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", path, "-o", made, "-lpapi", ...more];
  try {
    return (await new Deno.Command("gcc", { args, stdout: "null", stderr: "null" }).output()).success ? made : null;
  } catch {
    return null;
  }
}

const canCompile = await compile("#include <papi.h>\nint main(void) { return PAPI_library_init(PAPI_VER_CURRENT) == 0; }\n") !== null;

test("the example of the manual counts energy and reads a limit", canCompile ? "" : " [needs papi.h and gcc]", async () => {
  const example = await compile(program);
  assert.ok(example !== null, "it compiles");
  const path = newPath("board");
  using board = PowerBoard.create([energyMeter("package0/energy"), meter("package0/power-limit")], path);
  let joules = 0;
  const show = () => board.publish(snapshotAt(joules, [joules++, 162.5]));
  show();
  const timer = setInterval(show, 1);
  const { code, stdout, stderr } = await new Deno.Command(example, {
    env: { LD_PRELOAD: papiPreload, NODEOS_POWER_BOARD: path },
  }).output();
  clearInterval(timer);
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
  const [, counted] = /^17\.388: (\d+)\.000000 J below a limit of 162\.500 W\n$/.exec(new TextDecoder().decode(stdout)) ??
    assert.fail(new TextDecoder().decode(stdout));
  assert.ok(Number(counted) <= joules);
});
