import { isUnit, type MemoryNode, type Problem } from "./memory_node.ts";
import { memoryNodeOf, memoryNodes } from "./memory_nodes.ts";
import type { Room } from "./room.ts";
import { describeUnit, formatSize, type Unit, type UnitRequest } from "./unit.ts";

/** What is wrong with one of several units. */
export interface UnitProblem extends Problem {
  /** Which one, from 0. */
  readonly index: number;
}

/** Units decided, and what is wrong with those that are not. */
export interface Decided {
  /** In the order of the requests. */
  readonly units: readonly Unit[];
  /** Empty when all of them are decided. */
  readonly problems: readonly UnitProblem[];
}

/**
 * Decides which memory units are, one after the other. Memory of programs that is alike becomes one unit.
 *
 * @param owner The container that they are for.
 */
export function decideUnits(room: Room, owner: string, requests: readonly UnitRequest[]): Decided {
  room.owner = owner;
  const units: Unit[] = [];
  const problems: UnitProblem[] = [];
  for (const [index, request] of requests.entries()) {
    const decision = decideUnit(room, request);
    if (!isUnit(decision)) {
      problems.push({ ...decision, index });
      continue;
    }
    const twin = units.findIndex(({ id }) => id === decision.id);
    const clash = twin < 0 ? null : clashOf(units[twin], decision);
    if (clash !== null) {
      problems.push({ ...clash, index });
      continue;
    }
    room.take(decision);
    if (twin < 0) units.push(decision);
    else units[twin] = { ...units[twin], bytes: units[twin].bytes + decision.bytes };
  }
  return { units, problems };
}

/** Why two units of one name cannot be one; `null` when they can, being alike. */
function clashOf(former: Unit, unit: Unit): Problem | null {
  if (former.object !== undefined && unit.object !== undefined) {
    return { key: "object", kind: "usage", message: `two objects are called ${unit.object}`, remedy: "Give each one a name of its own" };
  }
  const message = `${unit.id} is the name of another unit: ${describeUnit(former)}`;
  if (former.object !== unit.object) return { key: "object", kind: "usage", message, remedy: "Give the object another name" };
  return former.backend === unit.backend ? null : { key: "backend", kind: "usage", message, remedy: "Take one of the two" };
}

function decideUnit(room: Room, request: UnitRequest): Unit | Problem {
  const { bytes, object } = request;
  if (object !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(object)) {
    const remedy = "Use 1 to 64 letters, digits, '_', '-' and '.', and begin with a letter or a digit";
    return { key: "object", kind: "usage", message: `${JSON.stringify(object)} cannot be the name of an object`, remedy };
  }
  if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes > 0)) {
    return { key: "size", kind: "usage", message: `${bytes} bytes are no size`, remedy: "Write one, such as 1GiB" };
  }
  const backend = chooseBackend(room, request);
  if (!("decide" in backend)) return backend;
  const node = chooseNode(room, request, backend);
  return typeof node === "number" ? backend.decide(room, { ...request, node }) : node;
}

/** The strongest that this machine has, and that fits. */
function chooseBackend({ supply }: Room, request: UnitRequest): MemoryNode | Problem {
  const sort = request.object === undefined ? "heap" : "object";
  if (request.backend !== undefined) {
    const backend = memoryNodeOf(request.backend);
    const problem = backend.lacks(supply);
    if (problem !== null) return { key: "backend", kind: "refused", message: problem, remedy: alternatives(sort) };
    if (backend.makes.includes(sort)) return backend;
    const message = sort === "heap" ? `${backend.name} makes objects only` : `${backend.name} makes memory of programs only`;
    const remedy = sort === "heap" ? "Give it a name: object: halo" : "Leave object out, or take backend: tmpfs";
    return { key: "backend", kind: "usage", message, remedy };
  }
  const fitting = memoryNodes.filter((node) => node.makes.includes(sort) && node.suits(supply, request));
  const found = fitting.find((node) => node.lacks(supply) === null);
  if (found !== undefined) return found;
  const why = fitting.map((node) => node.lacks(supply)).find((problem) => problem !== null);
  if (why !== undefined) return { key: null, kind: "refused", message: why!, remedy: alternatives(sort) };
  if (request.bytes === undefined) {
    return { key: "size", kind: "usage", message: "there is no size", remedy: "Write one, such as size: 1GiB" };
  }
  return {
    key: "page",
    kind: "usage",
    message: `nothing here makes pages of ${formatSize(request.pageBytes ?? supply.basePageBytes)} memory of programs`,
    remedy: "Leave page out, or make it an object: object: halo",
  };
}

function alternatives(sort: "heap" | "object"): string {
  return `Leave backend out, or write one of ${memoryNodes.filter(({ makes }) => makes.includes(sort)).map(({ name }) => name).join(", ")}`;
}

/** The node that was asked for, or the one with the most room. */
function chooseNode(room: Room, request: UnitRequest, backend: MemoryNode): number | Problem {
  const { node } = request;
  const known = room.supply.nodes.map(({ id }) => id);
  if (node !== undefined) {
    if (!known.includes(node)) {
      const remedy = `This machine has memory on ${known.join(", ")}`;
      return { key: "node", kind: "usage", message: `NUMA node ${node} does not exist, or has no memory`, remedy };
    }
    const owner = room.ownerOf(node);
    if (owner === null || owner === room.owner) return node;
    const message = `node ${node} belongs to ${owner} as a whole`;
    return { key: "node", kind: "refused", message, remedy: `Shared by all: ${room.sharedNodes.join(", ")}` };
  }
  const roomBytes = (id: number) => backend.roomBytes(room, id, request);
  // The last of several alike: the first one has the kernel's own things.
  return room.sharedNodes.reduceRight((best, id) => roomBytes(id) > roomBytes(best) ? id : best, room.sharedNodes.at(-1) ?? known[0]);
}
