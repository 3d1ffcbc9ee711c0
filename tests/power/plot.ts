import { type PowerPanel, type PowerPoint, powerSvg } from "../../lib/report/power_svg.ts";
import { complaints, judge, meanWatts } from "./judge.ts";
import { readScenarios, runScenario, type Scenario, type Trace } from "./scenario.ts";

/** From behind to the front. */
const shown = ["open loop", "hardware RAPL only", "ours"] as const;
/** About two points for each pixel. */
const pointCount = 700;

/** Draws one scenario under all policies as SVG. */
export function plotScenario(scenario: Scenario): string {
  const traces = shown.map((name) => runScenario(scenario, name));
  const uncapped = runScenario(scenario, "uncapped");
  const legend = traces.map((trace, index) => {
    const same = traces.slice(index + 1).find(({ joules }) => joules.at(-1) === trace.joules.at(-1));
    return { name: trace.policy, note: same ? "the same" : remark(scenario, trace, uncapped) };
  });
  const chart = { title: `Scenario ${scenario.name}`, subtitle: scenario.about, legend };
  return powerSvg(chart, panelsOf(scenario, traces), scenario.seconds);
}

function remark(scenario: Scenario, trace: Trace, uncapped: Trace): string {
  if (scenario.judge === "heat") return `throttled ${trace.throttledSeconds.toFixed(1)} s, work ${trace.work.toFixed(0)}`;
  const stretches = judge(scenario, trace, uncapped);
  const kept = stretches.filter((stretch) => complaints(stretch).length === 0).length;
  return `kept ${kept} of ${stretches.length}`;
}

function panelsOf(scenario: Scenario, traces: readonly Trace[]): PowerPanel[] {
  const capPoints = steps(traces[0].capWatts);
  const reached = scenario.limitCelsius === null ? 0 : scenario.package.prochotCelsius;
  const level = (value: number): PowerPoint[] => [{ seconds: 0, value }];
  const panels: PowerPanel[] = [
    {
      yTitle: "power, W",
      runs: traces.map((trace) => windowMeans(trace)),
      limits: [{ name: "cap", points: capPoints }],
    },
    { yTitle: "frequency, GHz", runs: traces.map(({ hertz }) => ranges(hertz, 1e-9)) },
    {
      yTitle: "hottest core, °C",
      runs: traces.map(({ hottestCelsius }) => ranges(hottestCelsius, 1)),
      limits: reached ? [{ name: "hardware throttles", points: level(reached) }] : [],
    },
  ];
  const clocks = traces.map(({ coreCount, dutySixteenths }) => Float64Array.from(coreCount, (cores, at) => cores * dutySixteenths[at]));
  if (clocks.some((values) => values.some((value) => value !== values[0]))) {
    panels.splice(2, 0, { yTitle: "cores x duty", runs: clocks.map((values) => ranges(values, 1 / 16)) });
  }
  return panels;
}

/** Mean power over the window that counts, until each moment. */
function windowMeans(trace: Trace): PowerPoint[] {
  const count = trace.joules.length;
  const stride = Math.max(1, Math.round(count / pointCount));
  const points: PowerPoint[] = [];
  for (let ms = stride; ms < count; ms += stride) {
    const window = Math.min(ms, Math.round(trace.windowSeconds[ms] * 1000));
    points.push({ seconds: ms / 1000, value: meanWatts(trace, ms - window, ms) });
  }
  return points;
}

/** Mean and range of each stretch. */
function ranges(values: ArrayLike<number>, factor: number): PowerPoint[] {
  const stride = Math.max(1, Math.round(values.length / pointCount));
  const points: PowerPoint[] = [];
  for (let start = 0; start + stride <= values.length; start += stride) {
    let [low, high, sum] = [Infinity, -Infinity, 0];
    for (let ms = start; ms < start + stride; ms++) {
      low = Math.min(low, values[ms]);
      high = Math.max(high, values[ms]);
      sum += values[ms];
    }
    points.push({ seconds: (start + stride / 2) / 1000, value: factor * sum / stride, low: factor * low, high: factor * high });
  }
  return points;
}

/** Where a value changes. */
function steps(values: ArrayLike<number>): PowerPoint[] {
  const points: PowerPoint[] = [];
  for (let ms = 0; ms < values.length; ms++) {
    if (ms === 0 || values[ms] !== values[ms - 1]) points.push({ seconds: ms / 1000, value: values[ms] });
  }
  return points;
}

if (import.meta.main) {
  const [flag, folder] = Deno.args;
  if (flag !== "--out" || !folder) {
    console.error("usage: deno run -A tests/power/plot.ts --out DIR");
    Deno.exit(2);
  }
  await Deno.mkdir(folder, { recursive: true });
  for (const scenario of readScenarios()) {
    const path = `${folder}/${scenario.name}.svg`;
    await Deno.writeTextFile(path, plotScenario(scenario));
    console.log(path);
  }
}
