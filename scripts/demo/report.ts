import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import { noiseStatistics } from "../../lib/noise/statistics.ts";
import { htmlReport, type ReportPart } from "../../lib/report/html.ts";
import { formatNs } from "../../lib/report/quantity.ts";
import { type Column, table } from "../../lib/report/table.ts";
import { formatPercent, noiseCharts } from "../noise_charts.ts";
import type { Setting } from "./measure.ts";

/** All that the demo has to tell. */
export interface DemoResult {
  /** What ran. */
  readonly programName: string;
  /** Who wrote it. */
  readonly programOrigin: string;
  /** Processor and kernel. */
  readonly machine: string;
  /** CPUs of the container; the ServiceOS had the rest. */
  readonly containerCpus: readonly number[];
  /** CPUs of the ServiceOS. */
  readonly serviceCpus: readonly number[];
  /** Outside first; the container is missing when we are not root. */
  readonly settings: readonly Setting[];
  /** What was changed to make the container, one line a step. */
  readonly steps: string;
  /** What still ran on the container's CPU, by name. */
  readonly remaining: string;
  /** Which system calls went to the ServiceOS; empty without a container. */
  readonly calls: string;
  /** What was left alone, and whether it is as it was. */
  readonly untouched: string;
  /** A picture of the machine, as an SVG document. */
  readonly topology: string;
  /** When, ISO 8601. */
  readonly date: string;
}

const columns: readonly Column[] = [
  { title: "" },
  ...["RUN TIME (MEDIAN)", "SLOWEST RUN", "CPU LOST", "LONGEST ABSENCE", "P99.9"].map((title) => ({ title, right: true })),
];

/** The table that the terminal and the page share. */
export function resultTable(settings: readonly Setting[]): string {
  return table(columns, rows(settings));
}

function rows(settings: readonly Setting[]): string[][] {
  const lines = settings.map((setting) => {
    const { lostPercent, worstNs, percentilesNs } = noiseStatistics(setting.noise.samples);
    return [
      setting.name,
      seconds(median(setting.runsMs)),
      seconds(Math.max(...setting.runsMs)),
      formatPercent(lostPercent),
      formatNs(worstNs),
      formatNs(percentilesNs.p99_9),
    ];
  });
  if (settings.length < 2) return lines;
  const [a, b] = settings.map((setting) => ({
    ...noiseStatistics(setting.noise.samples),
    runMs: median(setting.runsMs),
    slowestMs: Math.max(...setting.runsMs),
  }));
  const times = (outside: number, inside: number) => inside === 0 ? "" : `${Number((outside / inside).toPrecision(3))} x`;
  lines.push([
    "better by",
    times(a.runMs, b.runMs),
    times(a.slowestMs, b.slowestMs),
    times(a.lostPercent, b.lostPercent),
    times(a.worstNs, b.worstNs),
    times(a.percentilesNs.p99_9, b.percentilesNs.p99_9),
  ]);
  return lines;
}

/** The page: numbers first, then pictures, then every change and what was not changed. */
export function demoPage(result: DemoResult): string {
  const { settings } = result;
  const charts = noiseCharts(
    `Noise on CPU ${result.containerCpus[0]} while a load competes`,
    settings.map(({ name, noise }) => ({ name, samples: noise.samples })),
  );
  const [outside, inside] = settings;
  const figures = inside === undefined ? [] : [
    { value: seconds(median(inside.runsMs)), label: "run time in the container", note: `outside: ${seconds(median(outside.runsMs))}` },
    {
      value: formatPercent(noiseStatistics(inside.noise.samples).lostPercent),
      label: "of the CPU lost to others",
      note: `outside: ${formatPercent(noiseStatistics(outside.noise.samples).lostPercent)}`,
    },
    {
      value: formatNs(noiseStatistics(inside.noise.samples).worstNs),
      label: "longest absence",
      note: `outside: ${formatNs(noiseStatistics(outside.noise.samples).worstNs)}`,
    },
  ];
  const runs: ReportPart = {
    kind: "table",
    columns: [{ title: "setting" }, { title: "run" }, { title: "time", right: true }, { title: "what the program says" }],
    rows: settings.flatMap(({ name, runsMs, figures }) => runsMs.map((ms, index) => [name, `${index + 1}`, seconds(ms), figures[index]])),
    caption: "Every run, in the order they ran",
  };
  return htmlReport({
    title: "A Compute Container on this node",
    summary: `${result.programName}: ${result.programOrigin}. Outside, it shares CPUs with a load of ours; in the container, CPUs ${
      formatCpuList(result.containerCpus)
    } are its own, and the load has CPUs ${formatCpuList(result.serviceCpus)}.`,
    sections: [
      {
        heading: "What changed",
        parts: [
          ...(figures.length > 0 ? [{ kind: "figures", figures } as const] : []),
          { kind: "table", columns, rows: rows(settings) },
          runs,
        ],
      },
      {
        heading: "Noise",
        parts: [
          { kind: "svg", svg: charts.timeline, caption: "Each mark is a time when the CPU was elsewhere: when, and for how long" },
          { kind: "svg", svg: charts.histogram, caption: "How often absences of each length occurred" },
          { kind: "text", text: result.remaining },
          ...(result.calls ? [{ kind: "text", text: result.calls } as const] : []),
        ],
      },
      {
        heading: "The machine",
        parts: [{ kind: "svg", svg: result.topology, caption: "Who owned which CPU during the second setting" }, {
          kind: "text",
          text: result.machine,
        }],
      },
      { heading: "Every change that was made, and put back", parts: [{ kind: "code", text: result.steps }] },
      { heading: "What was not touched", parts: [{ kind: "text", text: result.untouched }] },
    ],
    footer:
      `${result.machine}\n${result.date}, argo-nodeos demo. The figures are of this run on this machine; a virtual machine has neighbours of its own.`,
  });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
