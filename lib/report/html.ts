import { escapeMarkup } from "./markup.ts";
import type { Column } from "./table.ts";

/** A number that a reader should see first. */
export interface KeyFigure {
  /** The number with its unit. */
  readonly value: string;
  /** What it is. */
  readonly label: string;
  /** A smaller line below, for instance what it was before. */
  readonly note?: string;
}

/** A piece of a section. All text is escaped; only `svg` is taken as it is. */
export type ReportPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "figures"; readonly figures: readonly KeyFigure[] }
  | {
    readonly kind: "table";
    readonly columns: readonly Column[];
    readonly rows: readonly (readonly string[])[];
    readonly caption?: string;
  }
  | { readonly kind: "svg"; readonly svg: string; readonly caption?: string }
  | { readonly kind: "code"; readonly text: string };

/** A heading and what stands below it. */
export interface ReportSection {
  /** Words of the heading. */
  readonly heading: string;
  /** In the order of reading. */
  readonly parts: readonly ReportPart[];
}

/** A report as plain data. */
export interface Report {
  /** The heading of the page, and the title of its window. */
  readonly title: string;
  /** A paragraph under it: what the page shows, in one or two sentences. */
  readonly summary?: string;
  /** In the order of reading. */
  readonly sections: readonly ReportSection[];
  /** The last lines: where, when and with what it was made. */
  readonly footer?: string;
}

const style = `
:root { color-scheme: light; }
body { margin: 0; background: #f4f5f7; color: #23282f; font: 16px/1.55 system-ui, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
main { max-width: 848px; margin: 0 auto; padding: 40px 24px 56px; }
h1 { margin: 0 0 8px; font-size: 28px; line-height: 1.2; color: #14181f; }
h2 { margin: 40px 0 12px; font-size: 19px; color: #14181f; }
p { margin: 0 0 12px; max-width: 68ch; white-space: pre-line; }
.summary { font-size: 18px; color: #3d4451; }
.figures { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.figures div { flex: 1 1 170px; padding: 14px 16px; background: #fff; border: 1px solid #dde1e7; border-radius: 8px; }
.figures strong { display: block; font-size: 25px; line-height: 1.25; color: #14181f; font-variant-numeric: tabular-nums; }
.figures span { display: block; font-size: 14px; color: #5c6470; }
figure { margin: 16px 0; break-inside: avoid; }
figure svg { display: block; box-sizing: border-box; width: 100%; height: auto; border: 1px solid #dde1e7; border-radius: 8px; background: #fff; }
figcaption, caption { padding-top: 6px; font-size: 14px; color: #5c6470; text-align: left; caption-side: bottom; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 12px 0; background: #fff; font-size: 15px; font-variant-numeric: tabular-nums; break-inside: avoid; }
th, td { padding: 7px 12px; border: 1px solid #dde1e7; text-align: left; vertical-align: top; }
th { background: #eceff3; font-weight: 600; font-size: 14px; }
.right { text-align: right; }
pre { overflow-x: auto; padding: 12px 14px; background: #fff; border: 1px solid #dde1e7; border-radius: 8px; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
footer { margin-top: 48px; padding-top: 12px; border-top: 1px solid #dde1e7; font-size: 14px; color: #5c6470; white-space: pre-line; }
@media print { body { background: #fff; font-size: 11pt; } main { max-width: none; padding: 0; } h2 { break-after: avoid; } pre { white-space: pre-wrap; } }
`;

/**
 * Builds one self-contained HTML page: no scripts, no other files, made for reading and for printing.
 *
 * @throws {TypeError} If an `svg` is not an SVG element, or holds a script.
 */
export function htmlReport({ title, summary, sections, footer }: Report): string {
  return [
    `<!DOCTYPE html>`,
    `<html lang="en">`,
    `<head>`,
    `<meta charset="utf-8">`,
    `<meta name="viewport" content="width=device-width, initial-scale=1">`,
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${style}</style>`,
    `</head>`,
    `<body>`,
    `<main>`,
    `<h1>${escapeMarkup(title)}</h1>`,
    ...(summary ? [`<p class="summary">${escapeMarkup(summary)}</p>`] : []),
    ...sections.flatMap(({ heading, parts }) => [`<section>`, `<h2>${escapeMarkup(heading)}</h2>`, ...parts.map(renderPart), `</section>`]),
    ...(footer ? [`<footer>${escapeMarkup(footer)}</footer>`] : []),
    `</main>`,
    `</body>`,
    `</html>`,
    ``,
  ].join("\n");
}

function renderPart(part: ReportPart): string {
  switch (part.kind) {
    case "text":
      return `<p>${escapeMarkup(part.text)}</p>`;
    case "code":
      return `<pre>${escapeMarkup(part.text)}</pre>`;
    case "figures":
      return `<div class="figures">${part.figures.map(renderFigure).join("")}</div>`;
    case "table":
      return renderTable(part.columns, part.rows, part.caption);
    case "svg":
      if (!/^\s*<svg[\s>]/.test(part.svg) || /<script/i.test(part.svg)) {
        throw new TypeError("Cannot put a picture into the report: it is not an SVG element without scripts");
      }
      return `<figure>${part.svg}${part.caption ? `<figcaption>${escapeMarkup(part.caption)}</figcaption>` : ""}</figure>`;
  }
}

function renderFigure({ value, label, note }: KeyFigure): string {
  return `<div><strong>${escapeMarkup(value)}</strong>${escapeMarkup(label)}${note ? `<span>${escapeMarkup(note)}</span>` : ""}</div>`;
}

function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], caption?: string): string {
  const cells = (tag: "th" | "td", row: readonly string[]) =>
    columns.map(({ right }, index) => `<${tag}${right ? ` class="right"` : ""}>${escapeMarkup(row[index] ?? "")}</${tag}>`).join("");
  return [
    `<div class="scroll"><table>`,
    ...(caption ? [`<caption>${escapeMarkup(caption)}</caption>`] : []),
    `<thead><tr>${cells("th", columns.map((column) => column.title))}</tr></thead>`,
    `<tbody>`,
    ...rows.map((row) => `<tr>${cells("td", row)}</tr>`),
    `</tbody></table></div>`,
  ].join("\n");
}
