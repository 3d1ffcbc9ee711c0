import { build } from "../build.ts";
import { outputText } from "./tools.ts";

/** The checkout. */
export const root: string = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** Where kernels and programs are kept. */
export const cache = `${root}/build/vm`;

const here = { cwd: root };

/** Builds what the guests run. */
export async function buildPrograms(): Promise<void> {
  await build();
  for (const name of ["probe", "insitu", "memory_probe", "memory_stream"]) await compile(`tests/vm/${name}.c`, `${cache}/${name}`);
  await compile("tests/vm/pausing_yield.c", `${cache}/pausing_yield.so`, "-shared", "-fPIC");
}

/**
 * The kernel's argument that says how fast the guests' clock runs. Left to itself a guest measures it while the host
 * does other things, and some then took it for many times faster than it was: their timers never came.
 */
export async function clockArgument(): Promise<string> {
  await compile("scripts/vm/tsc.c", `${cache}/tsc`);
  return `tsc_early_khz=${(await outputText(`${cache}/tsc`, [])).trim()}`;
}

async function compile(source: string, program: string, ...more: readonly string[]): Promise<void> {
  const flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-pthread", ...more];
  await outputText(Deno.env.get("CC") ?? "gcc", [...flags, "-o", program, source], here);
}

/** Checks and compiles on the host, where that takes a tenth of the time. */
export async function prepareTests(tests: readonly string[]): Promise<void> {
  const paths = new Set(["scripts/nodeos.ts", ...tests]);
  for (const command of ["check", "cache"]) await outputText(Deno.execPath(), [command, "-q", ...paths], here);
}
