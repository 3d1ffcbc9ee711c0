import type { ContainerRequest, ContainerSpec } from "../lib/container/spec.ts";
import { formatSize } from "../lib/memory/unit.ts";

/**
 * Says which units own nothing although nobody asked for that: the machine had nothing better.
 *
 * @param specs What containers have.
 * @param requests What was asked for, in the same order.
 */
export function weakUnits(specs: readonly ContainerSpec[], requests: readonly Pick<ContainerRequest, "name" | "memory">[]): string[] {
  return specs.flatMap(({ name, memory }) => {
    const weak = memory?.units.find(({ backend }) => backend === "limit");
    const asked = requests.find((request) => request.name === name) ?? (requests.length === 1 ? requests[0] : undefined);
    if (weak === undefined || asked?.memory?.units.some(({ backend }) => backend === "limit")) return [];
    return [
      `nodeos: no page belongs to container ${name}: its ${formatSize(weak.bytes)} are a limit only (nodeos memory backends says why)`,
    ];
  });
}
