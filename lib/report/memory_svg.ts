import { escapeMarkup } from "./markup.ts";
import { formatBytes } from "./quantity.ts";
import { clipText, textWidth } from "./topology_layout.ts";
import { containerFills, servicePaint } from "./topology_paint.ts";

/** Who has memory: see the kinds of frames in `nodeos memory`. */
export interface MemoryHolder {
  /** What it is to the holder. */
  readonly kind: "unit" | "spare" | "container" | "others" | "pool" | "kernel" | "free";
  /** Name of the container. */
  readonly container?: string;
  /** How much it is, for the legend. */
  readonly bytes: number;
}

/** One NUMA node or device, piece by piece in the order of its addresses. */
export interface MemoryPanel {
  /** `Node 0 · 64 GiB`. */
  readonly heading: string;
  /** A smaller line below it. */
  readonly line: string;
  /** Who has how much of each piece, in the order of the holders. */
  readonly cells: readonly (readonly number[])[];
}

/** Words of the picture. */
export interface MemoryPicture {
  /** One line above the picture. */
  readonly title: string;
  /** Smaller lines below it. */
  readonly lines: readonly string[];
}

/** Colours of a part. */
interface Fill {
  readonly fill: string;
  readonly opacity?: number;
  readonly stroke?: string;
}

/** How panels are laid out: the more of them, the smaller. */
interface Layout {
  readonly panelColumns: number;
  readonly cellColumns: number;
  readonly cellPixels: number;
}

const margin = 24;
const panelPadding = 10;
const barHeight = 14;
const fonts = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";
/** What a container has of a piece shows, however little it is. */
const unitPixelsMin = 2;

/** How many pieces a panel is drawn of, for a machine with so many panels. */
export function cellCountOf(panelCount: number): number {
  return panelCount === 1 ? 1024 : panelCount <= 4 ? 512 : 256;
}

/**
 * Draws physical memory by owner as an SVG document: a panel for each node, first what each owner has of it side by side,
 * then its pieces where they lie, low addresses at the top left. Each piece is filled from below with the colours of those
 * who have some of it.
 */
export function memorySvg({ title, lines }: MemoryPicture, holders: readonly MemoryHolder[], panels: readonly MemoryPanel[]): string {
  const layout = layoutOf(panels.length);
  const fills = fillsOf(holders);
  const panelWidth = layout.cellColumns * layout.cellPixels + 2 * panelPadding;
  const innerWidth = Math.max(620, layout.panelColumns * (panelWidth + 12) - 12);
  let top = margin + 24 + lines.length * 17 + 8;
  const marks: string[] = [];
  for (let index = 0; index < panels.length; index += layout.panelColumns) {
    const row = panels.slice(index, index + layout.panelColumns);
    const height = Math.max(...row.map((panel) => panelHeight(panel, layout)));
    row.forEach((panel, column) => {
      marks.push(
        ...drawPanel(panel, holders, fills, layout, { x: margin + column * (panelWidth + 12), y: top, width: panelWidth, height }),
      );
    });
    top += height + 12;
  }
  const legend = drawLegend(holders, fills, top + 6, innerWidth);
  const [width, height] = [innerWidth + 2 * margin, legend.bottom + margin - 6];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="${fonts}" font-size="12" fill="#3d4451">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    words(margin, margin + 12, clipText(title, innerWidth, 17), `font-size="17" font-weight="600" fill="#14181f"`),
    ...lines.map((line, index) => words(margin, margin + 35 + index * 17, clipText(line, innerWidth, 12), `fill="#5c6470"`)),
    ...marks,
    ...legend.marks,
    "</svg>",
    "",
  ].join("\n");
}

function layoutOf(panelCount: number): Layout {
  if (panelCount === 1) return { panelColumns: 1, cellColumns: 64, cellPixels: 11 };
  if (panelCount <= 4) return { panelColumns: 2, cellColumns: 64, cellPixels: 7 };
  return { panelColumns: 4, cellColumns: 32, cellPixels: 7 };
}

/** Units in the containers' colours, in their order; what else is a container's is lighter, or has a border. */
function fillsOf(holders: readonly MemoryHolder[]): Fill[] {
  const names = [...new Set(holders.flatMap(({ container }) => container ?? []))];
  return holders.map(({ kind, container }): Fill => {
    const fill = containerFills[names.indexOf(container ?? "") % containerFills.length];
    switch (kind) {
      case "unit":
        return { fill };
      case "spare":
        return { fill, opacity: 0.35 };
      case "container":
        return { fill, opacity: 0.7, stroke: "#3d4451" };
      case "others":
        return { fill: servicePaint.fill };
      case "pool":
        return { fill: "#eef0f5", stroke: "#8a929e" };
      case "kernel":
        return { fill: "#b9c0ca" };
      case "free":
        return { fill: "#ffffff" };
    }
  });
}

function panelHeight({ cells }: MemoryPanel, { cellColumns, cellPixels }: Layout): number {
  return 2 * panelPadding + 36 + barHeight + 8 + Math.ceil(cells.length / cellColumns) * cellPixels;
}

function drawPanel(
  { heading, line, cells }: MemoryPanel,
  holders: readonly MemoryHolder[],
  fills: readonly Fill[],
  layout: Layout,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): string[] {
  const inner = width - 2 * panelPadding;
  const left = x + panelPadding;
  const barTop = y + panelPadding + 36;
  const sums = holders.map((_, index) => cells.reduce((sum, counts) => sum + counts[index], 0));
  const all = sums.reduce((sum, count) => sum + count, 0);
  const paths = fills.map((): string[] => []);
  let at = left;
  sums.forEach((count, index) => {
    const share = all === 0 ? 0 : inner * count / all;
    if (count > 0) paths[index].push(box(at, barTop, share, barHeight));
    at += share;
  });
  const gridTop = barTop + barHeight + 8;
  cells.forEach((counts, cell) => {
    const [column, row] = [cell % layout.cellColumns, Math.floor(cell / layout.cellColumns)];
    const size = layout.cellPixels - 1;
    let bottom = gridTop + row * layout.cellPixels + size;
    for (const { index, pixels } of partsOf(counts, holders, size)) {
      bottom -= pixels;
      paths[index].push(box(left + column * layout.cellPixels, bottom, size, pixels));
    }
  });
  return [
    `<g><title>${escapeMarkup(`${heading}: ${line}`)}</title>`,
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="#e9edf2" stroke="#c3c9d2"/>`,
    words(left, y + panelPadding + 12, clipText(heading, inner, 13), `font-size="13" font-weight="600"`),
    words(left, y + panelPadding + 28, clipText(line, inner, 11), `font-size="11" fill="#5c6470"`),
    ...fills.flatMap((fill, index) => paths[index].length === 0 ? [] : [`<path d="${paths[index].join("")}" ${attributes(fill)}/>`]),
    "</g>",
  ];
}

/** Parts of a piece from below, in pixels: units first, and never too thin to see. */
function partsOf(counts: readonly number[], holders: readonly MemoryHolder[], size: number): { index: number; pixels: number }[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  const parts = counts.flatMap((count, index) => count === 0 ? [] : [{ index, pixels: size * count / all }]);
  const widened = parts.map(({ index, pixels }) => ({
    index,
    pixels: holders[index].kind === "unit" ? Math.max(unitPixelsMin, pixels) : pixels,
  }));
  const units = widened.filter(({ index }) => holders[index].kind === "unit").reduce((sum, { pixels }) => sum + pixels, 0);
  const rest = widened.filter(({ index }) => holders[index].kind !== "unit").reduce((sum, { pixels }) => sum + pixels, 0);
  const [unitScale, restScale] = units >= size ? [size / units, 0] : [1, rest === 0 ? 0 : (size - units) / rest];
  return widened.map(({ index, pixels }) => ({ index, pixels: pixels * (holders[index].kind === "unit" ? unitScale : restScale) }))
    .filter(({ pixels }) => pixels > 0.05);
}

function drawLegend(
  holders: readonly MemoryHolder[],
  fills: readonly Fill[],
  top: number,
  width: number,
): { marks: string[]; bottom: number } {
  const marks: string[] = [];
  let [x, y] = [0, top];
  holders.forEach((holder, index) => {
    if (holder.bytes === 0) return;
    const text = clipText(`${holderName(holder)}: ${formatBytes(holder.bytes)}`, width - 22, 12);
    const entryWidth = 21 + textWidth(text, 12);
    if (x > 0 && x + entryWidth > width) [x, y] = [0, y + 21];
    const border = fills[index].stroke === undefined ? ` stroke="#8a929e"` : "";
    marks.push(
      `<rect x="${margin + x}" y="${y}" width="15" height="13" rx="3" ${attributes(fills[index])}${border}/>`,
      words(margin + x + 21, y + 11, text),
    );
    x += entryWidth + 16;
  });
  return { marks, bottom: y + 18 };
}

/** What a holder is called. */
export function holderName({ kind, container }: Pick<MemoryHolder, "kind" | "container">): string {
  switch (kind) {
    case "unit":
      return `units of ${container}`;
    case "spare":
      return `free on nodes of ${container}`;
    case "container":
      return `${container}, in no unit`;
    case "others":
      return "programs outside of containers";
    case "pool":
      return "huge pages, reserved";
    case "kernel":
      return "the kernel";
    case "free":
      return "free";
  }
}

function attributes({ fill, opacity, stroke }: Fill): string {
  return `fill="${fill}"${opacity === undefined ? "" : ` fill-opacity="${opacity}"`}${
    stroke === undefined ? "" : ` stroke="${stroke}" stroke-width="0.7"`
  }`;
}

function box(x: number, y: number, width: number, height: number): string {
  return `M${px(x)} ${px(y)}h${px(width)}v${px(height)}h${px(-width)}z`;
}

function px(value: number): number {
  return Number(value.toFixed(2));
}

function words(x: number, y: number, text: string, attributes = ""): string {
  return `<text x="${px(x)}" y="${px(y)}"${attributes && ` ${attributes}`}>${escapeMarkup(text)}</text>`;
}
