import { NoSuchObjectError } from "../../lib/errors.ts";
import { countPages, type ObservedRegion, observeRegions, type PageCounts, processName } from "../../lib/paging/observed.ts";
import { pagingCellCount, pagingSvg } from "../../lib/report/paging_svg.ts";
import { formatBytes } from "../../lib/report/quantity.ts";
import type { Context } from "../context.ts";
import { writePicture } from "../write_picture.ts";
import type { MapFlags } from "./command.ts";
import { regionsOf } from "./regions.ts";

const columns = 64;
const smallBytes = 4096;

/** Shows which pages of regions are in memory. */
export default async function map(this: Context, { svg, json }: MapFlags, pid: number, id?: number): Promise<void> {
  const kernel = await this.kernel();
  const all = regionsOf(observeRegions(kernel, pid), pid);
  const regions = id === undefined ? all : all.filter((region) => region.id === id);
  if (regions.length === 0) {
    throw new NoSuchObjectError(`Cannot show region ${id} of process ${pid}: there is none`, {
      remedy: `The process has ${all.map((region) => region.id).join(", ")}`,
    });
  }
  const pieces = regions.map((region) => ({ region, cells: countPages(region, pagingCellCount) }));
  if (json) {
    return this.json({
      pid,
      regions: pieces.map(({ region: { id, name, bytes, pageBytes, pageCount }, cells }) => ({
        id,
        name,
        bytes,
        pageBytes,
        pageCount,
        cells,
      })),
    });
  }
  if (svg === undefined) return this.print(pieces.map(({ region, cells }) => draw(region, cells)).join("\n\n"));
  const picture = pagingSvg(
    `Pages of ${processName(kernel, pid)} (${pid})`,
    pieces.map(({ region, cells }) => ({ heading: headingOf(region), line: lineOf(region), cells })),
  );
  await writePicture(this, svg, picture);
}

function headingOf({ id, name, bytes }: ObservedRegion): string {
  return `Region ${id}: ${name || "a store without a name"}, ${formatBytes(bytes)}`;
}

function lineOf({ mode, pageBytes, statistics, limitBytes, bufferBytes }: ObservedRegion): string {
  const size = (pages: number) => formatBytes(pages * smallBytes);
  return `mode ${mode}, pages of ${formatBytes(pageBytes)}; ${size(statistics.residentPages)} in memory, ` +
    `${size(statistics.dirtyPages)} dirty, ${statistics.errors} errors; its buffer has ${formatBytes(bufferBytes)} of ${
      formatBytes(limitBytes)
    }`;
}

function draw(region: ObservedRegion, cells: readonly PageCounts[]): string {
  const lines: string[] = [];
  for (let index = 0; index < cells.length; index += columns) lines.push(cells.slice(index, index + columns).map(letterOf).join(""));
  const pages = Math.ceil(region.pageCount / Math.max(1, cells.length));
  return [
    headingOf(region),
    lineOf(region),
    `Each character is ${pages === 1 ? "a page" : `about ${pages} pages`}: . absent, - = # in memory (some, half, all), w dirty, X failed`,
    ...lines,
  ].join("\n");
}

/** What a piece is; the worst that is in it. */
export function letterOf({ absent, clean, dirty, poisoned }: PageCounts): string {
  if (poisoned > 0) return "X";
  if (dirty > 0) return "w";
  if (clean === 0) return ".";
  return absent === 0 ? "#" : clean >= absent ? "=" : "-";
}
