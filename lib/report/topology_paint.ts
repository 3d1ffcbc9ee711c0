import { type CpuOwners, cpusByOwner, type TopologyInput } from "./topology_tree.ts";

/** Colours of a CPU. */
export interface Paint {
  /** Of the tile. */
  readonly fill: string;
  /** Of the number on it. */
  readonly text: string;
  /** Of its border. */
  readonly border: string;
  /** Dashes of its border. */
  readonly dash?: string;
}

/** How large a CPU is drawn. */
export interface Tile {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Height of its number. */
  readonly fontPixels: number;
}

/** What all parts of one picture share. */
export interface Draft {
  /** What is drawn. */
  readonly topology: TopologyInput;
  /** Who has which CPU. */
  readonly owners: CpuOwners;
  /** Size of a CPU. */
  readonly tile: Tile;
  /** Colours of a CPU. */
  readonly paint: (cpu: number) => Paint;
}

/** Colours of a CPU that does not run. */
export const offlinePaint: Paint = { fill: "#f1f3f6", text: "#7d8591", border: "#aab2bd", dash: "3 2" };

/** Colours of the ServiceOS. */
export const servicePaint: Paint = { fill: "#56657a", text: "#ffffff", border: "#3d4a5c" };
const freePaint: Paint = { fill: "#ffffff", text: "#5c6470", border: "#aab2bd" };
/** Of containers: apart for the colour-blind, light enough for dark numbers; more owners than these begin again. */
export const containerFills: readonly string[] = [
  "#8cc4f0",
  "#f6b35c",
  "#8fd19e",
  "#e79ac0",
  "#c3aef0",
  "#e8d44d",
  "#7fd3cf",
  "#d9a882",
  "#b8c4cf",
  "#f28e82",
];

/** The fewer CPUs, the larger each. */
export function tileOf(cpuCount: number): Tile {
  if (cpuCount <= 4) return { width: 64, height: 44, fontPixels: 16 };
  if (cpuCount <= 16) return { width: 44, height: 34, fontPixels: 13 };
  if (cpuCount <= 64) return { width: 34, height: 25, fontPixels: 12 };
  return { width: 27, height: 19, fontPixels: 10.5 };
}

/** Gives each owner a colour: `service` its own, containers theirs in the order of their CPUs. */
export function painter(topology: TopologyInput, owners: CpuOwners): (cpu: number) => Paint {
  const paints = new Map<string, Paint>([["service", servicePaint]]);
  for (const [owner] of cpusByOwner(topology, owners)) {
    if (owner === null || owner === "service") continue;
    const fill = containerFills[(paints.size - 1) % containerFills.length];
    paints.set(owner, { fill, text: "#14181f", border: "#5c6470" });
  }
  return (cpu) => {
    const owner = owners.get(cpu);
    if (topology.offlineCpus.includes(cpu)) return offlinePaint;
    return owner === undefined ? freePaint : paints.get(owner) ?? freePaint;
  };
}

/** Colours of a tile as attributes of SVG. */
export function paintAttributes({ fill, border, dash }: Paint): string {
  return `fill="${fill}" stroke="${border}"${dash ? ` stroke-dasharray="${dash}"` : ""}`;
}
