import { z } from "zod";
import { memoryNodes } from "../memory/memory_nodes.ts";
import type { Backend, OwnMemoryRequest, UnitRequest } from "../memory/unit.ts";
import { parseBytes } from "./quantity.ts";
import { filled, map, numbers, parsed } from "./spec_schema.ts";
import { expected } from "./spec_words.ts";
import { parseUser } from "./user.ts";

const backends = memoryNodes.map(({ name }) => name) as [Backend, ...Backend[]];
const nodeRemedy = "Write the number of a NUMA node, such as 1";
const size = (what: string, remedy: string) => parsed(what, remedy, parseBytes).optional();

/** One unit of memory. */
export const unitMap = map("a unit", {
  size: size("size", "Write a size, such as 64GiB; leave it out for a whole NUMA node"),
  node: z.number(expected("node", nodeRemedy)).int(expected("node", nodeRemedy)).min(0, expected("node", nodeRemedy)).optional(),
  page: size("page", "Write the size of its pages, such as 4KiB, 2MiB or 1GiB"),
  backend: z.enum(backends, expected("backend", `Write one of ${backends.join(", ")}, or leave it out`)).optional(),
  object: filled("object", "Write the name that programs map it by, such as halo").optional(),
});

const unitsRemedy = "Write a list, such as [{ size: 64GiB, node: 1 }, { size: 8GiB, node: 0 }]";
const policyRemedy = "Write bind, interleave or preferred";
const programsRemedy = "Write preload, tunable or none";

/** `memory` of a container: a limit, nodes, or memory for itself. */
export const memoryMap = map("memory", {
  limit: size("limit", "Write a size, such as 64GiB"),
  nodes: numbers("nodes").optional(),
  units: z.array(unitMap, expected("units", unitsRemedy)).min(1, expected("units", unitsRemedy)).optional(),
  policy: z.enum(["bind", "interleave", "preferred"], expected("policy", policyRemedy)).optional(),
  programs: z.enum(["preload", "tunable", "none"], expected("programs", programsRemedy)).optional(),
  owner: parsed("owner", "Write numbers, as in 1000 or 1000:100", parseUser).optional(),
});

/** What a container's `memory` asks for itself; `undefined` when it asks for nothing of its own. */
export function ownMemoryOf({ units, policy, programs, owner }: z.output<typeof memoryMap>): OwnMemoryRequest | undefined {
  if (units === undefined) return undefined;
  return { units: units.map(unitOf), policy, programs, owner };
}

function unitOf({ size, node, page, backend, object }: z.output<typeof unitMap>): UnitRequest {
  return { bytes: size, node, pageBytes: page, backend, object };
}
