/** A width and a height in pixels. */
export interface Extent {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
}

/** A rectangle, perhaps with a heading and others in it. */
export interface Box extends Extent {
  /** Draws it with its upper left corner at a place, at least as large as `room` if that is given. */
  draw(x: number, y: number, room?: Extent): string[];
}

/** How a box around others looks. */
export interface BoxStyle {
  /** Space inside its border, in pixels. */
  readonly padding: number;
  /** Space between the others, in pixels. */
  readonly gap: number;
  /** Attributes of its rectangle; without any, it has none. */
  readonly rect?: string;
  /** Width over height that the box should come near to. */
  readonly ratio: number;
  /** Width that it should not exceed, in pixels. */
  readonly widthMax?: number;
  /** What stands above the others. */
  readonly heading?: {
    /** Pixels. */
    readonly width: number;
    /** Pixels. */
    readonly height: number;
    /** Draws it, given the left end of its base line. */
    draw(x: number, y: number): string;
  };
}

/** Puts boxes into rows and columns of equal size, in reading order, so that the whole has about the wanted shape. */
export function arrange(children: readonly Box[], style: BoxStyle): Box {
  const { padding, gap, heading = { width: 0, height: 0, draw: () => "" } } = style;
  const cell = { width: Math.max(0, ...children.map(({ width }) => width)), height: Math.max(0, ...children.map(({ height }) => height)) };
  const shapes = Array.from({ length: Math.max(1, children.length) }, (_, index) => {
    const columns = index + 1;
    const rows = Math.ceil(children.length / columns);
    const width = Math.max(heading.width, columns * (cell.width + gap) - gap) + 2 * padding;
    const height = rows * (cell.height + gap) - gap + heading.height + 2 * padding;
    return { columns, width, height, empty: rows * columns - children.length };
  });
  const fitting = shapes.filter(({ width }) => width <= (style.widthMax ?? Infinity));
  // An unfilled last row looks like something missing: better twice as wide or high as wanted.
  const badness = ({ width, height, empty }: (typeof shapes)[number]) =>
    Math.abs(Math.log(width / height / style.ratio)) + (empty > 0 ? 0.8 : 0);
  const { columns, width, height } = (fitting.length > 0 ? fitting : [shapes[0]]).reduce((a, b) => badness(b) < badness(a) ? b : a);
  const frame = (x: number, y: number, width: number, height: number) =>
    style.rect === undefined ? [] : [`<rect x="${x}" y="${y}" width="${width}" height="${height}" ${style.rect}/>`];
  return {
    width,
    height,
    draw: (x, y, room = { width, height }) => [
      ...frame(x, y, Math.max(width, room.width), Math.max(height, room.height)),
      ...(style.heading ? [style.heading.draw(x + padding, y + padding + heading.height - 7)] : []),
      ...children.flatMap((child, index) => {
        const left = x + padding + (index % columns) * (cell.width + gap);
        return child.draw(left, y + padding + heading.height + Math.floor(index / columns) * (cell.height + gap), cell);
      }),
    ],
  };
}

/** Puts boxes below each other. */
export function stack(boxes: readonly Box[], gap: number): Box {
  return {
    width: Math.max(0, ...boxes.map(({ width }) => width)),
    height: boxes.reduce((sum, { height }) => sum + height + gap, -gap),
    draw: (x, y) => {
      let top = y;
      return boxes.flatMap((box) => {
        const marks = box.draw(x, top);
        top += box.height + gap;
        return marks;
      });
    },
  };
}

/** Pixels that a text takes in our fonts, on the safe side. */
export function textWidth(text: string, fontPixels: number): number {
  return Math.ceil([...text].length * fontPixels * 0.56);
}

/** Breaks a text behind commas so that each line fits into a width, if its parts do. */
export function wrapText(text: string, widthMax: number, fontPixels: number): string[] {
  const lines = [""];
  for (const part of text.split(/(?<=,) /)) {
    const line = lines[lines.length - 1];
    if (line !== "" && textWidth(`${line} ${part}`, fontPixels) > widthMax) lines.push(part);
    else lines[lines.length - 1] = line === "" ? part : `${line} ${part}`;
  }
  return lines;
}

/** Shortens a text that does not fit into a width. */
export function clipText(text: string, widthMax: number, fontPixels: number): string {
  if (textWidth(text, fontPixels) <= widthMax) return text;
  let letters = [...text];
  while (letters.length > 0 && textWidth(`${letters.join("")}…`, fontPixels) > widthMax) letters = letters.slice(0, -1);
  return `${letters.join("")}…`;
}
