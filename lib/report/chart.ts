import type { Scale, Tick } from "./axis.ts";
import { escapeMarkup } from "./markup.ts";

/** Size of every chart in pixels: what a report shows beside its text. */
export const chartSize = { width: 800, height: 360 } as const;
/** The part of a chart between its axes. */
export const plotArea = { left: 72, right: 776, top: 84, bottom: 304 } as const;

const colors = ["#c2550a", "#1d5fbf", "#5b8c2a", "#7a3e9d"] as const;

/** The colour of one of `count` series, apart for the colour-blind and on paper: of two, what was and what is; one alone is what is. */
export function seriesColor(index: number, count: number): string {
  return colors[(count === 1 ? 1 : index) % colors.length];
}

/** What stands around the plot. */
export interface ChartFrame {
  /** One line above the plot. */
  readonly title: string;
  /** A smaller line below it. */
  readonly subtitle?: string;
  /** Words under the x axis. */
  readonly xTitle: string;
  /** Words beside the y axis. */
  readonly yTitle: string;
  /** Name and short remark of each series, in the order of their colours. */
  readonly legend: readonly { readonly name: string; readonly note?: string }[];
  /** Horizontal axis. */
  readonly x: { readonly scale: Scale; readonly ticks: readonly Tick[] };
  /** Vertical axis. */
  readonly y: { readonly scale: Scale; readonly ticks: readonly Tick[] };
}

/** Puts axes, titles and legend around `marks`, the SVG elements of the data. */
export function chartSvg(frame: ChartFrame, marks: readonly string[]): string {
  const { width, height } = chartSize;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif" font-size="12" fill="#3d4451">`,
    `<title>${escapeMarkup(frame.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    words(plotArea.left - 48, 26, frame.title, `font-size="16" font-weight="600" fill="#14181f"`),
    ...(frame.subtitle ? [words(plotArea.left - 48, 45, frame.subtitle, `fill="#5c6470"`)] : []),
    ...legend(frame),
    ...xAxis(frame),
    ...yAxis(frame),
    ...marks,
    `<path d="M${plotArea.left} ${plotArea.top}V${plotArea.bottom}H${plotArea.right}" fill="none" stroke="#8a929e"/>`,
    `</svg>`,
  ].join("\n");
}

/** A number with as many digits as a pixel needs. */
export function px(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** Text in a chart; `attributes` are written as they are. */
export function words(x: number, y: number, text: string, attributes = ""): string {
  return `<text x="${px(x)}" y="${px(y)}"${attributes && ` ${attributes}`}>${escapeMarkup(text)}</text>`;
}

/** One line under the titles; the series share its width. */
function legend({ legend }: ChartFrame): string[] {
  const share = (plotArea.right - plotArea.left + 48) / Math.max(2, legend.length);
  return legend.flatMap(({ name, note }, index) => {
    const x = plotArea.left - 48 + index * share;
    return [
      `<rect x="${px(x)}" y="56" width="11" height="11" rx="2" fill="${seriesColor(index, legend.length)}"/>`,
      `<text x="${px(x + 17)}" y="66"><tspan font-weight="600" fill="#14181f">${escapeMarkup(name)}</tspan>` +
      `${note ? `<tspan dx="8" fill="#5c6470">${escapeMarkup(note)}</tspan>` : ""}</text>`,
    ];
  });
}

function xAxis({ x: { scale, ticks }, xTitle }: ChartFrame): string[] {
  const middle = (plotArea.left + plotArea.right) / 2;
  return [
    ...ticks.map(({ value, label }) => {
      const x = px(scale.at(value));
      return `<path d="M${x} ${plotArea.top}V${plotArea.bottom}" stroke="${label ? "#dde1e7" : "#f1f3f6"}"/>` +
        (label && words(scale.at(value), plotArea.bottom + 17, label, `text-anchor="middle"`));
    }),
    words(middle, plotArea.bottom + 41, xTitle, `text-anchor="middle" fill="#5c6470"`),
  ];
}

function yAxis({ y: { scale, ticks }, yTitle }: ChartFrame): string[] {
  const middle = (plotArea.top + plotArea.bottom) / 2;
  return [
    ...ticks.map(({ value, label }) => {
      const y = px(scale.at(value));
      return `<path d="M${plotArea.left} ${y}H${plotArea.right}" stroke="${label ? "#dde1e7" : "#f1f3f6"}"/>` +
        (label && words(plotArea.left - 8, scale.at(value) + 4, label, `text-anchor="end"`));
    }),
    `<text transform="translate(14 ${px(middle)}) rotate(-90)" text-anchor="middle" fill="#5c6470">${escapeMarkup(yTitle)}</text>`,
  ];
}
