import { formatCpuList } from "../kernel/cpulist.ts";
import { escapeMarkup } from "./markup.ts";
import { formatBytes } from "./quantity.ts";
import { arrange, type Box, type BoxStyle, clipText, stack, textWidth, wrapText } from "./topology_layout.ts";
import { type Draft, offlinePaint, paintAttributes, painter, tileOf } from "./topology_paint.ts";
import { topologySummary } from "./topology_text.ts";
import {
  type CacheBranch,
  cacheName,
  type CoreBranch,
  type CpuOwners,
  cpusByOwner,
  type NodeBranch,
  type PackageBranch,
  type TopologyInput,
  topologyTree,
} from "./topology_tree.ts";

const margin = 24;
const widthMin = 560;
const fontPixels = 12;
const titlePixels = 17;
const fonts = "system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif";

/** Words of the picture. */
export interface TopologyPicture {
  /** One line above the picture. */
  readonly title: string;
}

/**
 * Draws a machine as an SVG document: packages, memory nodes, shared caches, cores and CPUs, each CPU in the colour of its
 * owner, with a legend. Memory nodes without CPUs and CPUs that are off stand below.
 */
export function topologySvg(topology: TopologyInput, owners: CpuOwners, { title }: TopologyPicture): string {
  const draft: Draft = { topology, owners, tile: tileOf(topology.cpus.length), paint: painter(topology, owners) };
  const body = bodyBox(draft);
  const innerWidth = Math.max(widthMin, body.width);
  const summary = [...(topology.model ? [topology.model] : []), ...topologySummary(topology)];
  const lines = summary.flatMap((line) => wrapText(line, innerWidth, fontPixels));
  const top = margin + 22 + lines.length * 17 + 12;
  const legend = drawLegend(draft, top + body.height + 18, innerWidth);
  const [width, height] = [innerWidth + 2 * margin, legend.bottom + margin - 6];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="${fonts}" font-size="${fontPixels}" fill="#3d4451">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    words(margin, margin + 12, clipText(title, innerWidth, titlePixels), `font-size="${titlePixels}" font-weight="600" fill="#14181f"`),
    ...lines.map((line, index) => words(margin, margin + 35 + index * 17, line, `fill="#5c6470"`)),
    ...body.draw(margin, top),
    ...legend.marks,
    "</svg>",
    "",
  ].join("\n");
}

function bodyBox(draft: Draft): Box {
  const { packages, memoryOnly } = topologyTree(draft.topology);
  const main = arrange(packages.map((branch) => packageBox(branch, draft)), plain(12, 2.4));
  const parts = [main];
  const below = { padding: 8, gap: 4, ratio: 20, widthMax: Math.max(widthMin, main.width) };
  if (memoryOnly.length > 0) {
    parts.push(
      arrange(memoryOnly.map((node) => nodeBox({ nodes: [node], groups: [] }, draft)), { ...plain(10, 20), widthMax: below.widthMax }),
    );
  }
  const { offlineCpus } = draft.topology;
  if (offlineCpus.length > 0) {
    const tiles = offlineCpus.map((cpu) => tileBox(cpu, `CPU ${cpu}: off`, draft, draft.tile.width));
    parts.push(arrange(tiles, headed("Off", 12, { ...below, rect: `rx="6" fill="#ffffff" stroke="#c9ced6" stroke-dasharray="4 3"` })));
  }
  return stack(parts, 12);
}

function packageBox({ id, nodes }: PackageBranch, draft: Draft): Box {
  const rect = `rx="8" fill="#f4f5f7" stroke="#c3c9d2"`;
  return arrange(nodes.map((node) => nodeBox(node, draft)), headed(`Package ${id}`, 13, { padding: 10, gap: 10, ratio: 1.6, rect }));
}

function nodeBox({ nodes, groups }: NodeBranch, draft: Draft): Box {
  const [{ id, memoryBytes }, ...others] = nodes;
  const also = others.length === 0 ? "" : `, also ${formatCpuList(others.map((node) => node.id))}`;
  const heading = `Node ${id}${also} · ${formatBytes(memoryBytes)}${groups.length === 0 ? ", no CPUs" : ""}`;
  const rect = `rx="6" fill="#e9f2ea" stroke="#b5cdb8"`;
  return arrange(groups.map((group) => groupBox(group, draft)), headed(heading, 12, { padding: 8, gap: 8, ratio: 1.8, rect }));
}

/** Cores of one kind and thread count stand together, since boxes of different widths make no grid. */
function groupBox({ cache, cores }: CacheBranch, draft: Draft): Box {
  const kinds = Map.groupBy(cores, ({ kind, cpus }) => `${kind} ${cpus.length}`);
  const box = stack([...kinds.values()].map((alike) => arrange(alike.map((core) => coreBox(core, draft)), plain(5, 1.8))), 5);
  if (cache === null) return box;
  const heading = `${cacheName(cache)}${cache.sizeBytes === null ? "" : ` ${formatBytes(cache.sizeBytes)}`}`;
  return arrange([box], headed(heading, 11, { padding: 7, gap: 0, ratio: 1, rect: `rx="5" fill="#ffffff" stroke="#d3d8df"` }));
}

function coreBox(core: CoreBranch, draft: Draft): Box {
  const heading = coreHeading(core, draft);
  const width = Math.max(draft.tile.width, Math.ceil(textWidth(heading, 10.5) / core.cpus.length));
  const kind = core.kind === null ? "" : `, ${core.kind}`;
  const tiles = core.cpus.map((cpu) =>
    tileBox(cpu, `CPU ${cpu}: core ${core.id}${kind}, ${draft.owners.get(cpu) ?? "free"}`, draft, width)
  );
  // A fast core of a hybrid machine has a thicker frame.
  const border = core.kind === "performance" ? `stroke="#5c6470" stroke-width="1.6"` : `stroke="#c3c9d2"`;
  const style = { padding: 3, gap: 2, ratio: tiles.length > 2 ? 1.5 : 8, rect: `rx="4" fill="#f7f8fa" ${border}` };
  return arrange(tiles, heading === "" ? style : headed(heading, 10.5, style, `fill="#5c6470"`));
}

/** Where there is room: the core's number, and the largest cache that it has for itself. */
function coreHeading({ id, cpus }: CoreBranch, { topology }: Draft): string {
  if (topology.cpus.length > 32) return "";
  const own = topology.caches.findLast((cache) => cache.cpus.every((cpu) => cpus.includes(cpu)) && cache.type !== "instruction");
  return own?.sizeBytes && topology.cpus.length <= 8 ? `Core ${id} · ${cacheName(own)} ${formatBytes(own.sizeBytes)}` : `Core ${id}`;
}

function tileBox(cpu: number, tooltip: string, { tile, paint }: Draft, width: number): Box {
  const { height, fontPixels } = tile;
  const colors = paint(cpu);
  return {
    width,
    height,
    draw: (x, y) => [
      `<g><title>${escapeMarkup(tooltip)}</title>` +
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="3" ${paintAttributes(colors)}/>` +
      words(
        x + width / 2,
        y + height / 2 + fontPixels * 0.36,
        `${cpu}`,
        `text-anchor="middle" font-size="${fontPixels}" fill="${colors.text}"`,
      ) +
      "</g>",
    ],
  };
}

/** A box without border and heading. */
function plain(gap: number, ratio: number): BoxStyle {
  return { padding: 0, gap, ratio };
}

function headed(text: string, fontPixels: number, style: BoxStyle, color = `font-weight="600" fill="#3d4451"`): BoxStyle {
  const draw = (x: number, y: number) => words(x, y, text, `font-size="${fontPixels}" ${color}`);
  return { ...style, heading: { width: textWidth(text, fontPixels), height: Math.ceil(fontPixels) + 7, draw } };
}

/** One entry after the other, in as many lines as it takes. */
function drawLegend({ topology, owners, paint }: Draft, top: number, width: number): { marks: string[]; bottom: number } {
  const entries = cpusByOwner(topology, owners).map(([owner, cpus]) => ({
    colors: paint(cpus[0]),
    text: `${owner ?? "free"}: ${formatCpuList(cpus)}`,
  }));
  if (topology.offlineCpus.length > 0) entries.push({ colors: offlinePaint, text: `off: ${formatCpuList(topology.offlineCpus)}` });
  const marks: string[] = [];
  let [x, y] = [0, top];
  for (const { colors, text } of entries) {
    const clipped = clipText(text, width - 22, fontPixels);
    const entryWidth = 21 + textWidth(clipped, fontPixels);
    if (x > 0 && x + entryWidth > width) [x, y] = [0, y + 21];
    marks.push(
      `<rect x="${margin + x}" y="${y}" width="15" height="13" rx="3" ${paintAttributes(colors)}/>`,
      words(margin + x + 21, y + 11, clipped),
    );
    x += entryWidth + 16;
  }
  return { marks, bottom: y + 18 };
}

function words(x: number, y: number, text: string, attributes = ""): string {
  return `<text x="${Number(x.toFixed(1))}" y="${Number(y.toFixed(1))}"${attributes && ` ${attributes}`}>${escapeMarkup(text)}</text>`;
}
