import { NoSuchObjectError, RefusedError, UsageError } from "../../lib/errors.ts";
import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import type { NoiseRequest } from "../../lib/noise/sample.ts";
import { logHistogram, noiseStatistics } from "../../lib/noise/statistics.ts";
import type { Context } from "../context.ts";
import { noiseCharts } from "../noise_charts.ts";
import type { Flags } from "./command.ts";
import { openSite, type Site } from "./launch.ts";
import { attributionTable, meaning, type Measured, statisticsTable } from "./words.ts";

/** What a command says to whom. */
type Words = Pick<Context, "print" | "say" | "json">;

/** As a file: the picture is printed, instead of the tables. */
const stdout = "-";

/** `nodeos noise`: samples, shows, and writes pictures. */
export default async function noise(this: Context, flags: Flags): Promise<void> {
  report(this, flags, await openSite(this, flags.container));
}

/** Samples at a site and shows what came out. Throws what the flags, the site or a file refuses. */
export function report(context: Words, flags: Flags, site: Site): void {
  const toStdout = [flags.svg, flags.timeline, flags.json ? stdout : undefined].filter((path) => path === stdout).length;
  if (toStdout > 1 || (toStdout === 1 && !flags.json && flags.mode === "both")) {
    throw new UsageError("Cannot print several documents to stdout", { remedy: "Give all of them but one a file of their own" });
  }
  const cpu = chooseCpu(flags, site.cpus);
  const modes = flags.mode === "both" ? ["fwq", "detour"] as const : [flags.mode];
  const measured = modes.map((mode): Measured => {
    const request: NoiseRequest = {
      mode,
      cpu,
      durationNs: flags.seconds * 1e9,
      quantumNs: flags.quantum * 1e3,
      thresholdNs: flags.threshold * 1e3,
    };
    context.say(`Sampling CPU ${cpu} for ${flags.seconds} s (${mode})`);
    return { request, container: flags.container, ...site.measure(request) };
  });
  for (const one of measured) writePictures(context, flags, one);
  if (flags.json) {
    context.json({ cpu, container: flags.container ?? null, runs: measured.map(describe) });
  }
  if (toStdout > 0) return;
  const detours = measured.at(-1)!;
  context.print(statisticsTable(measured));
  if (detours.attributions.length > 0) context.print(`\n${attributionTable(detours.attributions)}`);
  context.print(`\n${meaning(detours)}`);
}

function chooseCpu({ cpu, container }: Flags, cpus: readonly number[]): number {
  if (cpu === undefined) return cpus[cpus.length - 1];
  if (cpus.includes(cpu)) return cpu;
  const whose = container === undefined ? "this process may run on" : `container ${container} has`;
  throw new NoSuchObjectError(`Cannot sample CPU ${cpu}: it is none of those that ${whose}`, {
    remedy: `Choose from ${formatCpuList(cpus)}`,
  });
}

function writePictures(context: Words, { svg, timeline, mode, container }: Flags, { request, samples }: Measured): void {
  if (svg === undefined && timeline === undefined) return;
  const place = container === undefined ? `CPU ${request.cpu}` : `CPU ${request.cpu} in container ${container}`;
  const charts = noiseCharts(`Noise on ${place}`, [{ name: place, samples }]);
  for (const [path, picture] of [[svg, charts.histogram], [timeline, charts.timeline]] as const) {
    if (path === undefined) continue;
    if (path === stdout) {
      context.print(picture);
      continue;
    }
    const name = mode === "both" ? withSuffix(path, request.mode) : path;
    writeFile(name, picture);
    context.say(`Wrote ${name}`);
  }
}

/** `noise.svg` becomes `noise-fwq.svg`. */
function withSuffix(path: string, suffix: string): string {
  return path.replace(/(\.[^./]*)?$/, (extension) => `-${suffix}${extension}`);
}

function writeFile(path: string, text: string): void {
  try {
    Deno.writeTextFileSync(path, text);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new RefusedError(`Cannot write ${path}: this command may write below its own directory only`, {
        remedy: "Print the picture instead, with - as the file: --svg - > FILE",
        cause: error,
      });
    }
    if (!(error instanceof Error)) throw error;
    throw new UsageError(`Cannot write ${path}: ${error.message.replace(/^(.*?)(?: \(os error \d+\))?(?::.*)?$/, "$1").toLowerCase()}`, {
      cause: error,
    });
  }
}

/** One run as JSON: units in the keys. */
function describe({ samples, attributions }: Measured): Record<string, unknown> {
  const { offsetsNs: _offsets, lengthsNs, ...head } = samples;
  return { ...head, ...noiseStatistics(samples), histogram: logHistogram(lengthsNs), attributions };
}
