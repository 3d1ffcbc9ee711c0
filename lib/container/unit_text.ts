import { didYouMean, UsageError } from "../errors.ts";
import { memoryNodes } from "../memory/memory_nodes.ts";
import type { Backend, UnitRequest } from "../memory/unit.ts";
import { quote } from "../quote.ts";
import { parseBytes } from "./quantity.ts";

/**
 * Parses a unit of memory as the command line has it: `[OBJECT=]SIZE[@NODE][/PAGE][:BACKEND]`, with `whole` as the size of
 * a whole NUMA node.
 *
 * @throws {UsageError} If it is none.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseUnit } from "./unit_text.ts";
 *
 * assert.deepEqual(parseUnit("1GiB@1"), { bytes: 2 ** 30, node: 1 });
 * assert.deepEqual(parseUnit("halo=256MiB@0/4KiB"), { object: "halo", bytes: 2 ** 28, node: 0, pageBytes: 4096 });
 * ```
 */
export function parseUnit(text: string): UnitRequest {
  const match = /^(?:([^=@/:]*)=)?([^=@/:]+)(?:@([^=@/:]*))?(?:\/([^=@/:]*))?(?::([^=@/:]*))?$/.exec(text);
  const remedy = "Write [OBJECT=]SIZE[@NODE][/PAGE][:BACKEND], such as 1GiB@1, whole@2 or halo=256MiB@0/4KiB";
  if (match === null) throw new UsageError(`Cannot read ${quote(text)} as a unit of memory`, { remedy });
  const [, object, size, node, page, backend] = match;
  if (object === "") throw new UsageError(`Cannot read ${quote(text)} as a unit of memory: the object has no name`, { remedy });
  if (node !== undefined && !/^\d{1,4}$/.test(node)) throw new UsageError(`Cannot read ${quote(node)} as a NUMA node`, { remedy });
  const backends: readonly string[] = memoryNodes.map(({ name }) => name);
  if (backend !== undefined && !backends.includes(backend)) {
    throw new UsageError(`Cannot own memory by ${quote(backend)}${didYouMean(backend, backends)}`, {
      remedy: `There are: ${backends.join(", ")}`,
    });
  }
  return {
    ...(object === undefined ? {} : { object }),
    ...(size === "whole" ? {} : { bytes: parseBytes(size) }),
    ...(node === undefined ? {} : { node: Number(node) }),
    ...(page === undefined ? {} : { pageBytes: parseBytes(page) }),
    ...(backend === undefined ? {} : { backend: backend as Backend }),
  };
}
