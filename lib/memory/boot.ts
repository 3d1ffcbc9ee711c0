import { active, differs, inactive, type Row, unsupported } from "../kernel/boot/row.ts";
import { hardwareNodes } from "../kernel/numa.ts";
import { formatSize, type UnitRequest } from "./unit.ts";

/** The smallest node that the kernel splits memory into. */
const fakeNodeBytesMin = 32 * 2 ** 20;
const gib = 2 ** 30;

/**
 * Arguments for the kernel that units of memory need at boot: what splits a node into several, and huge pages that are too
 * large to be found later.
 *
 * @param requests Units of all containers.
 */
export function memoryRows(requests: readonly UnitRequest[]): Row[] {
  const whole = requests.filter(({ backend, bytes, pageBytes, object }) =>
    backend === "node" || (backend === undefined && object === undefined && bytes === undefined && pageBytes === undefined)
  );
  const huge = requests.filter(({ bytes, pageBytes }) => bytes !== undefined && pageBytes !== undefined && pageBytes >= gib);
  return [...(whole.length > 0 ? [fakeNodes(whole)] : []), ...(huge.length > 0 ? [hugePages(huge)] : [])];
}

/** Nodes as large as the smallest unit: larger ones take several. */
function fakeNodes(requests: readonly UnitRequest[]): Row {
  const sizes = requests.flatMap(({ bytes }) => bytes === undefined ? [] : [bytes]);
  const argument = sizes.length === 0 ? "numa=fake=8" : `numa=fake=${Math.ceil(Math.max(fakeNodeBytesMin, Math.min(...sizes)) / 2 ** 20)}M`;
  return {
    name: "numa",
    argument: () => argument,
    buys: "NUMA nodes as fine as the units: a container owns whole ones, and everything of its programs lies there by itself",
    costs: () =>
      "the kernel keeps lists and spare memory for each node, and programs that look at nodes see more of them. Between nodes of the same " +
      "hardware nothing is slower",
    without: () => "huge pages that are reserved at run time (backend: hugetlb), which hold heaps and not everything",
    find({ words, inventory }) {
      const isSplit = hardwareNodes(inventory.numaNodes).some((group) => group.length > 1);
      const value = words.value("numa");
      if (value === null) return isSplit ? active("the nodes are split already") : inactive();
      if (!value.includes("fake")) return differs(`numa=${value}`);
      if (!isSplit) return unsupported("CONFIG_NUMA_EMU");
      return `numa=${value}` === argument ? active() : differs(`split by numa=${value}`);
    },
  };
}

/** Pages that no kernel finds in one piece once it has run for a while. */
function hugePages(requests: readonly UnitRequest[]): Row {
  const pageBytes = requests[0].pageBytes!;
  const counts = new Map<number, number>();
  for (const { node = 0, bytes = 0, pageBytes: size } of requests) {
    if (size === pageBytes) counts.set(node, (counts.get(node) ?? 0) + Math.ceil(bytes / pageBytes));
  }
  const list = [...counts].sort(([a], [b]) => a - b).map(([node, count]) => `${node}:${count}`).join(",");
  return {
    name: "hugepages",
    argument: () => `hugepagesz=${formatSize(pageBytes).slice(0, -2)} hugepages=${list}`,
    buys: `huge pages of ${formatSize(pageBytes)}, taken before anything else can break memory into pieces`,
    costs: () => "nobody else has that memory from the boot on, whether a container uses it or not; by node needs Linux 5.16",
    without: () => "the same at run time, as long as the kernel finds memory in such large pieces: nodeos memory shows what there is",
    find({ inventory }) {
      const pools = inventory.numaNodes.flatMap(({ id, hugePages }) =>
        hugePages.filter((pool) => pool.pageBytes === pageBytes).map(({ totalCount }) => ({ id, totalCount }))
      );
      if (pools.length === 0) return unsupported(`huge pages of ${formatSize(pageBytes)}`);
      const missing = [...counts].filter(([node, count]) => (pools.find(({ id }) => id === node)?.totalCount ?? 0) < count);
      const found = pools.filter(({ totalCount }) => totalCount > 0).map(({ id, totalCount }) => `${totalCount} on node ${id}`).join(", ");
      if (missing.length === 0) return active(`there are ${found}`);
      return found === "" ? inactive("there are none") : differs(`there are ${found}`);
    },
  };
}
