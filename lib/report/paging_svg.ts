import { escapeMarkup } from "./markup.ts";
import { clipText, textWidth } from "./topology_layout.ts";

/** Pages of a piece of a region, by what they are. */
export interface PagePiece {
  /** Not in memory. */
  readonly absent: number;
  /** In memory as the store has it. */
  readonly clean: number;
  /** To be written. */
  readonly dirty: number;
  /** The store failed at it. */
  readonly poisoned: number;
}

/** One region, piece by piece in the order of its addresses. */
export interface RegionPanel {
  /** What its store is called, and its size. */
  readonly heading: string;
  /** A smaller line below it. */
  readonly line: string;
  /** Its pieces. */
  readonly cells: readonly PagePiece[];
}

/** What pages are, from the bottom of a piece to its top, with the colour and the word of the legend. */
const kinds = [
  { kind: "clean", fill: "#4f8fd0", word: "resident" },
  { kind: "dirty", fill: "#e8a33d", word: "dirty" },
  { kind: "poisoned", fill: "#c8384b", word: "failed" },
] as const;
const margin = 24;
const padding = 10;
const columns = 64;
const cellPixels = 11;
const headHeight = 36;
/** What there is of a piece shows, however little it is. */
const pixelsMin = 2;
const fonts = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/** How many pieces a region is drawn of. */
export const pagingCellCount = 1024;

/**
 * Draws which pages of regions are in memory as an SVG document: a panel for each region, low addresses at the top left. Each
 * piece is filled from below with the colours of what its pages are.
 */
export function pagingSvg(title: string, panels: readonly RegionPanel[]): string {
  const width = columns * cellPixels + 2 * (padding + margin);
  let top = margin + 30;
  const marks = panels.flatMap((panel) => {
    const height = panelHeight(panel);
    const drawn = drawPanel(panel, top, width - 2 * margin, height);
    top += height + 12;
    return drawn;
  });
  const height = top + 18 + margin;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="${fonts}" font-size="12" fill="#3d4451">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    words(margin, margin + 12, clipText(title, width - 2 * margin, 17), `font-size="17" font-weight="600" fill="#14181f"`),
    ...marks,
    ...drawLegend(panels, top + 6),
    "</svg>",
    "",
  ].join("\n");
}

function panelHeight({ cells }: RegionPanel): number {
  return 2 * padding + headHeight + Math.max(1, Math.ceil(cells.length / columns)) * cellPixels;
}

function drawPanel({ heading, line, cells }: RegionPanel, y: number, width: number, height: number): string[] {
  const left = margin + padding;
  const inner = width - 2 * padding;
  const gridTop = y + padding + headHeight;
  const empty: string[] = [];
  const paths = kinds.map((): string[] => []);
  cells.forEach((cell, index) => {
    const x = left + index % columns * cellPixels;
    const size = cellPixels - 1;
    const cellTop = gridTop + Math.floor(index / columns) * cellPixels;
    empty.push(box(x, cellTop, size, size));
    let bottom = cellTop + size;
    partsOf(cell, size).forEach((pixels, kind) => {
      if (pixels === 0) return;
      bottom -= pixels;
      paths[kind].push(box(x, bottom, size, pixels));
    });
  });
  return [
    `<g><title>${escapeMarkup(`${heading}: ${line}`)}</title>`,
    `<rect x="${margin}" y="${y}" width="${width}" height="${height}" rx="6" fill="#e9edf2" stroke="#c3c9d2"/>`,
    words(left, y + padding + 12, clipText(heading, inner, 13), `font-size="13" font-weight="600"`),
    words(left, y + padding + 28, clipText(line, inner, 11), `font-size="11" fill="#5c6470"`),
    ...(empty.length === 0 ? [] : [`<path d="${empty.join("")}" fill="#ffffff"/>`]),
    ...kinds.flatMap(({ fill }, kind) => paths[kind].length === 0 ? [] : [`<path d="${paths[kind].join("")}" fill="${fill}"/>`]),
    "</g>",
  ];
}

/** Parts of a piece from below, in pixels; never too thin to see. */
function partsOf(cell: PagePiece, size: number): number[] {
  const all = cell.absent + cell.clean + cell.dirty + cell.poisoned;
  const parts = kinds.map(({ kind }) => cell[kind] === 0 ? 0 : Math.max(pixelsMin, size * cell[kind] / all));
  const sum = parts.reduce((sum, pixels) => sum + pixels, 0);
  return sum <= size ? parts : parts.map((pixels) => pixels * size / sum);
}

function drawLegend(panels: readonly RegionPanel[], y: number): string[] {
  const sum = (kind: keyof PagePiece) => panels.reduce((sum, { cells }) => cells.reduce((sum, cell) => sum + cell[kind], sum), 0);
  let x = margin;
  return [...kinds, { kind: "absent", fill: "#ffffff", word: "absent" } as const].flatMap(({ kind, fill, word }) => {
    const text = `${word}: ${sum(kind)} pages`;
    const at = x;
    x += 21 + textWidth(text, 12) + 16;
    return [
      `<rect x="${px(at)}" y="${y}" width="15" height="13" rx="3" fill="${fill}" stroke="#8a929e"/>`,
      words(at + 21, y + 11, text),
    ];
  });
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
