import { parseCpuList } from "../../lib/kernel/cpulist.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { helperPath, samplerArguments } from "../../lib/noise/measure.ts";
import { decodeNoise, type NoiseRequest } from "../../lib/noise/sample.ts";
import { noiseStatistics } from "../../lib/noise/statistics.ts";
import { formatNs } from "../../lib/report/quantity.ts";
import { table } from "../../lib/report/table.ts";
import { type Group, quantile, type Series } from "./measure.ts";
import type { Place, Way } from "./noise/place.ts";
import { removeStale, waysOf } from "./noise/ways.ts";

const rounds = 6;
const sampleSeconds = 4;
/** How long the load has run before the sampling begins. */
const settleMs = 1000;

/** What one way lost to others; `runsNs` is the time lost in each second, round by round. */
interface NoiseSeries extends Series {
  /** The same as a share of the time. */
  readonly lostPercent: readonly number[];
  /** Longest detour of each round. */
  readonly worstNs: readonly number[];
  /** 99.9 % of the detours of each round were no longer. */
  readonly p99_9Ns: readonly number[];
}

/** Noise of one CPU under the same load, by the ways to give a program a CPU of its own: in turns, in rotating order. */
export async function benchNoise(): Promise<Group[]> {
  const cpus = parseCpuList(new KernelRoot().read("/sys/devices/system/cpu/online"));
  const cpu = cpus[cpus.length - 1];
  const all = waysOf({ cpu, others: cpus.slice(0, -1) });
  const ways = all.filter(({ missing }) => missing === null);
  const threads = 2 * cpus.length;
  await removeStale();
  const series = ways.map(({ name }) => ({
    name,
    runsNs: [] as number[],
    lostPercent: [] as number[],
    worstNs: [] as number[],
    p99_9Ns: [] as number[],
  }));
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("Cannot go on: interrupted"));
  // Places are left in order: a cpuset of ours would keep its CPU from everybody else.
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
  try {
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < ways.length; turn++) {
        const index = (turn + round) % ways.length;
        const { lostNs, lostPercent, worstNs, percentilesNs, durationNs } = await measure(ways[index], cpu, threads, interrupted.signal);
        series[index].runsNs.push(lostNs / (durationNs / 1e9));
        series[index].lostPercent.push(lostPercent);
        series[index].worstNs.push(worstNs);
        series[index].p99_9Ns.push(percentilesNs.p99_9);
      }
    }
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, interrupt);
  }
  return [{
    title:
      `Noise of CPU ${cpu} under a load of ${threads} threads: detours of 1 us or longer, ${sampleSeconds} s in each of ${rounds} rounds`,
    series,
    table: describe(series),
    notes: [
      "Medians of the rounds, and the worst round; to plain: median by median, less is better.",
      ...ways.flatMap(({ note }) => note ?? []),
      ...all.flatMap(({ name, missing }) => missing === null ? [] : [`Left out: ${name} (${missing}).`]),
    ],
  }];
}

async function measure(way: Way, cpu: number, threads: number, signal: AbortSignal) {
  await using place = await enter(way);
  const directory = Deno.makeTempDirSync({ prefix: "noise-samples-" });
  const path = `${directory}/samples.bin`;
  const request: NoiseRequest = { mode: "detour", cpu, durationNs: sampleSeconds * 1e9, quantumNs: 100_000, thresholdNs: 1000 };
  // Should we be killed, it ends by itself.
  const loadSeconds = sampleSeconds + 120;
  await using _load = await startLoad(place.load([helperPath(), "load", `--threads=${threads}`, `--seconds=${loadSeconds}`]), signal);
  try {
    const [program, ...args] = place.program(samplerArguments(request, path));
    const sampler = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped", signal });
    const { success, stderr } = await sampler.output();
    signal.throwIfAborted();
    if (!success) throw new Error(`Cannot measure ${way.name}: ${new TextDecoder().decode(stderr).trim()}`);
    return noiseStatistics(decodeNoise(Deno.readFileSync(path)));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** On a machine with other users the CPU may be somebody's for a moment. */
async function enter(way: Way): Promise<Place> {
  for (let attempt = 1;; attempt++) {
    try {
      return await way.enter();
    } catch (error) {
      if (attempt === 15) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

/** A load that runs, and has done so for a while; it must still do so when it is ended. */
async function startLoad(argv: readonly string[] | null, signal: AbortSignal): Promise<AsyncDisposable> {
  if (argv === null) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const [program, ...args] = argv;
  const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  let isEnded = false;
  child.status.then(() => isEnded = true);
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  return {
    async [Symbol.asyncDispose]() {
      const wasEnded = isEnded;
      if (!wasEnded) child.kill("SIGTERM");
      const { code } = await child.status;
      if (!signal.aborted && (wasEnded || code !== 0)) throw new Error(`Cannot measure: the load ended with ${code}, or too early`);
    },
  };
}

function describe(series: readonly NoiseSeries[]): string {
  const titles = ["NOISE", "WORST", "TO PLAIN", "LONGEST DETOUR", "WORST", "TO PLAIN", "P99.9", "WORST", "ROUNDS"];
  const percent = (value: number) => `${Number(value.toPrecision(3))} %`;
  const median = (values: readonly number[]) => quantile(values, 0.5);
  const rows = series.map(({ name, lostPercent, worstNs, p99_9Ns }) => {
    const [first] = series;
    const ratio = (own: readonly number[], plain: readonly number[]) => `${Number((median(own) / median(plain)).toPrecision(3))}`;
    return [
      name,
      percent(median(lostPercent)),
      percent(Math.max(...lostPercent)),
      ratio(lostPercent, first.lostPercent),
      formatNs(median(worstNs)),
      formatNs(Math.max(...worstNs)),
      ratio(worstNs, first.worstNs),
      formatNs(median(p99_9Ns)),
      formatNs(Math.max(...p99_9Ns)),
      `${lostPercent.length}`,
    ];
  });
  return table([{ title: "" }, ...titles.map((title) => ({ title, right: true }))], rows);
}
