import type { Site } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Room } from "./room.ts";
import type { Supply } from "./supply.ts";
import type { Backend, OwnMemory, Unit, UnitRequest } from "./unit.ts";

/** What of a request is wrong, and whether it would be right at another time. */
export interface Problem {
  /** The key of the request that it is about; `null` is all of it. */
  readonly key: "size" | "node" | "page" | "backend" | "object" | null;
  /** `refused`: right as such, but not now and here. */
  readonly kind: "usage" | "refused";
  /** What is the case, as a clause. */
  readonly message: string;
  /** What would be right. */
  readonly remedy?: string;
}

/** One way to own memory finer than the machine's NUMA nodes: what it takes, and the changes that make it so. */
export interface MemoryNode {
  /** Its word in a specification. */
  readonly name: Backend;
  /** One sentence for `--help` and the documentation. */
  readonly doc: string;
  /** What kind of units it makes. */
  readonly makes: readonly ("heap" | "object")[];
  /** Why this machine cannot have it at all; `null` when it can. */
  lacks(supply: Supply): string | null;
  /** Whether it fits a request that leaves the choice to us. */
  suits(supply: Supply, request: UnitRequest): boolean;
  /** What a NUMA node has for a request, in bytes: where none is named, the one with the most is taken. */
  roomBytes(room: Room, node: number, request: UnitRequest): number;
  /** Decides which memory it is. The node is decided already, and exists. */
  decide(room: Room, request: UnitRequest & { readonly node: number }): Unit | Problem;
  /** What has to change for units of its own, in order. */
  plan(site: Site, units: readonly Unit[], memory: OwnMemory): Change[];
}

/** Whether a decision is a unit. */
export function isUnit(decision: Unit | Problem): decision is Unit {
  return "backend" in decision;
}

/** The problem of a size that is no multiple of the pages'. */
export function notMultiple(bytes: number, pageBytes: number, format: (bytes: number) => string): Problem {
  const below = Math.floor(bytes / pageBytes) * pageBytes;
  const near = below > 0 ? `${format(below)} or ${format(below + pageBytes)}` : format(pageBytes);
  return {
    key: "size",
    kind: "usage",
    message: `${format(bytes)} is no multiple of its pages of ${format(pageBytes)}`,
    remedy: `Write ${near}`,
  };
}
