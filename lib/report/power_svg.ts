import { linearScale, linearTicks, type Scale } from "./axis.ts";
import { px, seriesColor, words } from "./chart.ts";
import { escapeMarkup } from "./markup.ts";
import { clipText, textWidth } from "./topology_layout.ts";

/** A quantity at a moment; with a range when it stands for a stretch of time. */
export interface PowerPoint {
  /** Time since the start. */
  readonly seconds: number;
  /** The quantity, or its mean. */
  readonly value: number;
  /** The least in the stretch. */
  readonly low?: number;
  /** The most in the stretch. */
  readonly high?: number;
}

/** One quantity of all runs on the axis of time. */
export interface PowerPanel {
  /** Words beside the axis, with the unit: `power, W`. */
  readonly yTitle: string;
  /** One list of points for each run, ascending in time; the last one lies in front. */
  readonly runs: readonly (readonly PowerPoint[])[];
  /** What runs are to be compared with: a cap, a temperature; drawn as steps. */
  readonly limits?: readonly { readonly name: string; readonly points: readonly PowerPoint[] }[];
}

/** Words of a power chart. */
export interface PowerChart {
  /** One line above the panels. */
  readonly title: string;
  /** A smaller line below it. */
  readonly subtitle?: string;
  /** Name and short remark of each run. */
  readonly legend: readonly { readonly name: string; readonly note?: string }[];
}

const width = 800;
const [left, right] = [72, 776];
const [firstTop, panelHeight, gap] = [88, 128, 22];
const fonts = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";
const limitColor = "#14181f";

/** Draws panels of power, frequency, temperature and the like above each other, over one axis of time, as one SVG document. */
export function powerSvg(chart: PowerChart, panels: readonly PowerPanel[], durationSeconds: number): string {
  const height = firstTop + panels.length * (panelHeight + gap) + 32;
  const x = linearScale([0, durationSeconds], [left, right]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="${fonts}" font-size="12" fill="#3d4451">`,
    `<title>${escapeMarkup(chart.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    words(left - 48, 26, chart.title, `font-size="16" font-weight="600" fill="#14181f"`),
    ...(chart.subtitle ? [words(left - 48, 45, chart.subtitle, `fill="#5c6470"`)] : []),
    ...legend(chart),
    ...panels.flatMap((panel, index) => drawPanel(panel, x, firstTop + index * (panelHeight + gap), index === panels.length - 1)),
    "</svg>",
    "",
  ].join("\n");
}

/** One line under the titles; names and remarks follow each other, remarks shortened when there is no room. */
function legend({ legend }: PowerChart): string[] {
  // Names are bold, and fonts differ.
  const nameWidths = legend.map(({ name }) => 17 + 8 + 22 + 1.1 * textWidth(name, 12));
  const noteWidths = legend.map(({ note }) => note ? textWidth(note, 12) : 0);
  const sum = (widths: readonly number[]) => widths.reduce((sum, one) => sum + one, 0);
  const scale = Math.max(0, Math.min(1, (right - left + 48 - sum(nameWidths)) / Math.max(1, sum(noteWidths))));
  let at = left - 48;
  return legend.flatMap(({ name, note = "" }, index) => {
    const x = at;
    const remark = scale < 1 ? clipText(note, scale * textWidth(note, 12), 12) : note;
    at += nameWidths[index] + scale * noteWidths[index];
    return [
      `<rect x="${px(x)}" y="58" width="11" height="11" rx="2" fill="${colorOf(index, legend.length)}"/>`,
      `<text x="${px(x + 17)}" y="68"><tspan font-weight="600" fill="#14181f">${escapeMarkup(name)}</tspan>` +
      `${remark ? `<tspan dx="8" fill="#5c6470">${escapeMarkup(remark)}</tspan>` : ""}</text>`,
    ];
  });
}

/** The run in front, the last one, has the colour of what is, as in the other charts. */
function colorOf(index: number, count: number): string {
  return seriesColor(count === 1 ? 0 : [2, 0, 1, 3][(index + 3 - Math.min(3, count)) % 4], count);
}

function drawPanel({ yTitle, runs, limits = [] }: PowerPanel, x: Scale, top: number, isLast: boolean): string[] {
  const bottom = top + panelHeight;
  const domain = domainOf([...runs, ...limits.map(({ points }) => points)].flat());
  const y = linearScale(domain, [bottom, top]);
  const ticks = linearTicks(domain, 4, (value) => String(Number(value.toPrecision(6))));
  const times = linearTicks(x.domain, 10, (seconds) => isLast ? `${seconds} s` : "");
  return [
    ...ticks.map(({ value, label }) =>
      `<path d="M${left} ${px(y.at(value))}H${right}" stroke="#dde1e7"/>` + words(left - 8, y.at(value) + 4, label, `text-anchor="end"`)
    ),
    ...times.map(({ value, label }) =>
      `<path d="M${px(x.at(value))} ${top}V${bottom}" stroke="#eef0f4"/>` +
      (label && words(x.at(value), bottom + 17, label, `text-anchor="middle"`))
    ),
    `<text transform="translate(20 ${px((top + bottom) / 2)}) rotate(-90)" text-anchor="middle" fill="#5c6470">${
      escapeMarkup(yTitle)
    }</text>`,
    ...runs.flatMap((points, index) => drawRun(points, x, y, colorOf(index, runs.length))),
    ...limits.flatMap((limit) => drawLimit(limit, x, y)),
    `<path d="M${left} ${top}V${bottom}H${right}" fill="none" stroke="#8a929e"/>`,
  ];
}

/** A little more than what there is to show. */
function domainOf(points: readonly PowerPoint[]): readonly [number, number] {
  const [low, high] = points.reduce(
    ([low, high], point) => [Math.min(low, point.low ?? point.value), Math.max(high, point.high ?? point.value)],
    [Infinity, -Infinity],
  );
  if (low > high) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - margin, high + margin];
}

function drawRun(points: readonly PowerPoint[], x: Scale, y: Scale, color: string): string[] {
  if (points.length === 0) return [];
  const at = ({ seconds }: PowerPoint, value: number) => `${px(x.at(seconds))} ${px(y.at(value))}`;
  const line = `<path d="M${points.map((point) => at(point, point.value)).join("L")}" fill="none" stroke="${color}" stroke-width="1.6" ` +
    `stroke-linejoin="round"/>`;
  if (!points.some(({ low, high }) => low !== undefined && high !== undefined && high > low)) return [line];
  const upper = points.map((point) => at(point, point.high ?? point.value));
  const lower = points.toReversed().map((point) => at(point, point.low ?? point.value));
  return [`<path d="M${[...upper, ...lower].join("L")}Z" fill="${color}" fill-opacity="0.16"/>`, line];
}

/** Steps, dashed, with the name at the right end above the line. */
function drawLimit({ name, points }: { readonly name: string; readonly points: readonly PowerPoint[] }, x: Scale, y: Scale): string[] {
  if (points.length === 0) return [];
  const steps = points.map(({ seconds, value }, index) =>
    index === 0 ? `M${px(x.at(seconds))} ${px(y.at(value))}` : `H${px(x.at(seconds))}V${px(y.at(value))}`
  );
  return [
    `<path d="${steps.join("")}H${right}" fill="none" stroke="${limitColor}" stroke-width="1.2" stroke-dasharray="5 3"/>`,
    words(
      right - 4,
      y.at(points[points.length - 1].value) - 5,
      name,
      `text-anchor="end" font-weight="600" fill="${limitColor}" stroke="#ffffff" stroke-width="3" paint-order="stroke"`,
    ),
  ];
}
