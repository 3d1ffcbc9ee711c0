import { hierarchyOf } from "../kernel/cgroup.ts";
import { isKernelBefore } from "../kernel/release.ts";
import { type Site, takeSeat } from "../plan/seat.ts";
import { type Change, isSame } from "../plan/step.ts";
import { bytesOf, formatSize, type OwnMemory, type Unit } from "./unit.ts";

/** Where objects of containers are, by container, then by page size and NUMA node. */
export const objectsRoot = "/run/nodeos/memory";

/** Directory of a container's objects. */
export function objectsDirectory(container: string): string {
  return `${objectsRoot}/${container}`;
}

/** Path of an object: a file, or for a device a symbolic link to it. */
export function objectPath(container: string, unit: Unit): string {
  return `${placeOf(container, unit)}/${unit.object}`;
}

function placeOf(container: string, { backend, pageBytes, node }: Unit): string {
  return `${objectsDirectory(container)}/${backend === "devdax" ? "devdax" : `${formatSize(pageBytes)}-node${node}`}`;
}

/** Plans files of objects, and the file systems that hold them: one for each page size and node. */
export function planObjects(site: Site, units: readonly Unit[], { owner }: OwnMemory): Change[] {
  const changes = units.filter(({ object }) => object !== undefined).flatMap((unit): Change[] => {
    const directory = placeOf(site.name, unit);
    const charged = seats(site, unit.backend);
    const pages = `pages of ${formatSize(unit.pageBytes)}${isNuma(site) ? ` on node ${unit.node}` : ""}`;
    return [
      ...charged.changes,
      { kind: "mount", what: directory, to: fileSystem(site, unit), why: `files in ${pages}` },
      {
        kind: "object",
        what: `${objectPath(site.name, unit)}@${isNuma(site) ? unit.node : -1}@${charged.directories.join(",")}`,
        to: `${unit.bytes} ${owner.uid}:${owner.gid}`,
        why: `object ${unit.object}, ${formatSize(unit.bytes)} in ${pages}`,
      },
    ];
  });
  const rooms = Map.groupBy(
    units.filter(({ object, backend }) => object !== undefined && backend === "tmpfs"),
    (unit) => placeOf(site.name, unit),
  );
  changes.push(
    ...rooms.entries().map(([directory, units]): Change => ({
      kind: "room",
      what: directory,
      to: `${bytesOf(units)}`,
      why: "its files cannot be made larger by whom they belong to",
    })),
  );
  return changes.filter((change, index) => changes.findIndex((other) => isSame(other, change)) === index);
}

/**
 * Where a file's memory is counted: with that of the container's programs. Huge pages are not, or its programs could take
 * those of an object that is about to be granted.
 */
function seats(site: Site, backend: Unit["backend"]): { changes: Change[]; directories: string[] } {
  const why = "count its objects";
  const isCounted = backend !== "hugetlb";
  // On version 2 all controllers have one cgroup.
  const isSplit = hierarchyOf(site.inventory.cgroups, "cpuset")?.version === 1;
  const controllers = [...(isCounted || isSplit ? ["cpuset"] : []), ...(isCounted ? ["memory"] : [])];
  const taken = controllers.map((controller) => takeSeat(site, controller, why));
  return {
    changes: taken.flatMap(({ changes }) => changes),
    directories: [...new Set(taken.map(({ directory }) => directory))],
  };
}

function fileSystem(site: Site, { backend, pageBytes, node }: Unit): string {
  if (backend === "hugetlb") return `hugetlbfs pagesize=${formatSize(pageBytes).slice(0, -2)}`;
  // Its memory may not go to swap, or its frames would go to somebody else. Older kernels have the container's own wish.
  const noswap = isKernelBefore(site.inventory.files, 6, 4) || site.inventory.files.tryRead("/proc/swaps") === null ? "" : " noswap";
  return `tmpfs${isNuma(site) ? ` mpol=bind:${node}` : ""}${noswap}`;
}

function isNuma({ inventory }: Site): boolean {
  return inventory.files.exists("/sys/devices/system/node/has_memory");
}
