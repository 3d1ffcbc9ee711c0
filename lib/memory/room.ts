import type { Supply } from "./supply.ts";
import { formatSize, type Unit } from "./unit.ts";

/** A unit and the container that has it. */
export interface Owned {
  /** Name of the container. */
  readonly owner: string;
  /** What it has. */
  readonly unit: Unit;
}

/** Who may take memory from a NUMA node without owning any of it: a container that has it among its nodes. */
export interface User {
  /** Name of the container. */
  readonly name: string;
  /** Its NUMA nodes. */
  readonly nodes: readonly number[];
}

/**
 * What is left of a machine's memory while units are decided one after the other. Units that are there already have
 * their memory: it is not in what the kernel says is available.
 */
export class Room {
  readonly #availableBytes = new Map<number, number>();
  /** Pages that each pool has, or will have; by node and page size. */
  readonly #poolCounts = new Map<string, number>();
  /** Pages of them that units have. */
  readonly #unitCounts = new Map<string, number>();
  readonly #owned: Owned[] = [];
  /** Whose units are being decided: nobody is in his own way. */
  owner = "";

  /**
   * Room for a container's units.
   *
   * @param owned Units that are there, those of the container itself left out: they are decided anew.
   * @param users Other containers, for whole nodes.
   * @param own Units that the container has already.
   */
  constructor(readonly supply: Supply, owned: readonly Owned[], readonly users: readonly User[], own: readonly Unit[] = []) {
    for (const { id, availableBytes, pools } of supply.nodes) {
      this.#availableBytes.set(id, availableBytes);
      for (const { pageBytes, totalCount } of pools) this.#poolCounts.set(`${id}:${pageBytes}`, totalCount);
    }
    for (const { owner, unit } of owned) this.#note(owner, unit);
    // What it has of its own is room for it.
    for (const { backend, bytes, node } of own) if (backend === "tmpfs") this.#add(node, bytes);
  }

  #add(node: number, bytes: number): void {
    this.#availableBytes.set(node, (this.#availableBytes.get(node) ?? 0) + bytes);
  }

  #note(owner: string, unit: Unit): void {
    this.#owned.push({ owner, unit });
    if (unit.backend !== "hugetlb") return;
    const pool = `${unit.node}:${unit.pageBytes}`;
    this.#unitCounts.set(pool, (this.#unitCounts.get(pool) ?? 0) + unit.bytes / unit.pageBytes);
  }

  /** Gives memory to a unit that was decided. */
  take(unit: Unit): void {
    if (unit.backend === "hugetlb") {
      const growthBytes = this.poolGrowthBytes(unit.node, unit.pageBytes, unit.bytes / unit.pageBytes);
      const pool = `${unit.node}:${unit.pageBytes}`;
      this.#add(unit.node, -growthBytes);
      this.#poolCounts.set(pool, (this.#poolCounts.get(pool) ?? 0) + growthBytes / unit.pageBytes);
    } else if (unit.backend === "tmpfs") {
      this.#add(unit.node, -unit.bytes);
    }
    this.#note(this.owner, unit);
  }

  /** What can still be had on a node without huge pages. */
  availableBytes(node: number): number {
    return Math.max(0, this.#availableBytes.get(node) ?? 0);
  }

  /** What a pool has to take from its node to have pages for one more unit. */
  poolGrowthBytes(node: number, pageBytes: number, count: number): number {
    const pool = `${node}:${pageBytes}`;
    const strangersCount = this.#pool(node, pageBytes)?.strangersCount ?? 0;
    const neededCount = strangersCount + (this.#unitCounts.get(pool) ?? 0) + count;
    return Math.max(0, neededCount - (this.#poolCounts.get(pool) ?? 0)) * pageBytes;
  }

  /** The most that a unit of huge pages could have on a node. */
  hugeBytes(node: number, pageBytes: number): number {
    const pool = `${node}:${pageBytes}`;
    const strangersCount = this.#pool(node, pageBytes)?.strangersCount ?? 0;
    const spareCount = (this.#poolCounts.get(pool) ?? 0) - strangersCount - (this.#unitCounts.get(pool) ?? 0);
    return Math.max(0, spareCount + Math.floor(this.availableBytes(node) / pageBytes)) * pageBytes;
  }

  #pool(node: number, pageBytes: number) {
    return this.supply.nodes.find(({ id }) => id === node)?.pools.find((pool) => pool.pageBytes === pageBytes);
  }

  /** Who owns a whole node, if somebody does. */
  ownerOf(node: number): string | null {
    return this.#owned.find(({ unit }) => unit.backend === "node" && unit.nodes.includes(node))?.owner ?? null;
  }

  /** Who has something of a node: containers that may take memory there, and those with units of it. */
  usersOf(node: number): string[] {
    const units = this.#owned.filter(({ unit }) => unit.nodes.includes(node)).map(({ owner }) => owner);
    const names = [...units, ...this.users.filter(({ nodes }) => nodes.includes(node)).map(({ name }) => name)];
    return [...new Set(names)].filter((name) => name !== this.owner);
  }

  /** Nodes that nobody owns as a whole. */
  get sharedNodes(): number[] {
    return this.supply.nodes.map(({ id }) => id).filter((id) => this.ownerOf(id) === null);
  }

  /** Who has a device. */
  holderOf(device: string): string | null {
    return this.#owned.find(({ unit }) => unit.device === device)?.owner ?? null;
  }

  /** What is free and where, in words: `node 0 has 2GiB, node 1 512MiB`. */
  describe(bytesOf: (node: number) => number): string {
    const parts = this.supply.nodes.map(({ id }) => {
      const owner = this.ownerOf(id);
      return owner === null ? `node ${id} ${formatFree(bytesOf(id))}` : `node ${id} belongs to ${owner}`;
    });
    return `Free: ${parts.join(", ")}`;
  }
}

/** Free memory is no round number: people want to see which size would fit. */
function formatFree(bytes: number): string {
  return formatSize(Math.floor(bytes / 2 ** 20) * 2 ** 20).replace(/^0B$/, "nothing");
}
