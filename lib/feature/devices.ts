import { didYouMean, RefusedError } from "../errors.ts";
import { cgroupDirectory, hierarchyOf } from "../kernel/cgroup.ts";
import { type DeviceNode, readDeviceNodes } from "../kernel/device_node.ts";
import { formatRules } from "../plan/device_filter.ts";
import { type Site, takeSeat } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { Feature } from "./feature.ts";

/**
 * Devices that a container's programs may open besides the harmless ones: their paths, such as `/dev/nvidia0`, or numbers,
 * such as `c 195:0`. `null` is all.
 */
export type DevicesWish = readonly string[] | null;

/** What every program may expect: null, zero, full, random, urandom, tty, console, ptmx, and pseudo-terminals. */
const harmless: readonly string[] = [
  ...["1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2"].map((numbers) => `c ${numbers} rwm`),
  ...[136, 137, 138, 139, 140, 141, 142, 143].map((major) => `c ${major}:* rwm`),
  // To make a node is not to open it.
  "b *:* m",
  "c *:* m",
];

/**
 * Which devices the programs of a container may open; all others say EPERM. What is open already stays open, and what
 * is handed over open can be used. One piece of hardware may have several devices: a GPU of NVIDIA needs `/dev/nvidiactl`
 * and `/dev/nvidia-uvm` as well. Network interfaces are no such devices.
 *
 * On cgroup v2 it is a filter on the container's cgroup, replaced without a gap. On cgroup v1 it is the `devices`
 * controller, where to begin takes a few writes; until the last one even harmless devices cannot be opened.
 */
export const devices: Feature<DevicesWish> = {
  name: "devices",
  doc: "The devices that the container's programs may open, besides the harmless ones",
  default: null,
  plan(site: Site, wish: DevicesWish): Change[] {
    if (wish === null) return [];
    const { directory, changes } = seatOf(site);
    const nodes = wish.length === 0 ? [] : readDeviceNodes(site.inventory.files);
    const to = formatRules([...harmless, ...wish.map((device) => `${numbersOf(site, device, nodes)} rwm`)]);
    const why = `its programs may open harmless devices${wish.length === 0 ? " only" : ` and ${wish.join(", ")}`}`;
    return [...changes, { kind: "filter", what: directory, to, why, initial: "" }];
  },
};

function seatOf(site: Site): { directory: string; changes: readonly Change[] } {
  const { cgroups, files } = site.inventory;
  const version2 = cgroups.hierarchies.find(({ version }) => version === 2);
  // Version 1 alone has a controller of that name; version 2 filters wherever it is mounted.
  if (version2 === undefined || hierarchyOf(cgroups, "devices") !== null) return takeSeat(site, "devices", "filter its devices");
  if (!files.exists("/proc/sys/kernel/unprivileged_bpf_disabled")) {
    throw new RefusedError(
      `Cannot filter devices of container ${site.name}: on cgroup v2 that needs programs in the kernel, and it has none`,
      {
        remedy: "Boot one with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF, or leave devices out",
      },
    );
  }
  const directory = cgroupDirectory(version2, site.name);
  return { directory, changes: [{ kind: "cgroup", what: directory, to: "", why: `container ${site.name}, to filter its devices` }] };
}

function numbersOf({ name }: Site, device: string, nodes: readonly DeviceNode[]): string {
  if (/^[bc] \d{1,7}:(?:\d{1,7}|\*)$/.test(device)) return device;
  const node = nodes.find(({ path }) => path === device);
  if (node !== undefined) return `${node.type} ${node.major}:${node.minor}`;
  const near = didYouMean(device, nodes.map(({ path }) => path));
  throw new RefusedError(`Cannot let container ${name} open ${JSON.stringify(device)}: this machine has no device of that name${near}`, {
    remedy: "Name it as the kernel does (readlink -f shows that of a link), or by its numbers, as ls -l does: c 195:0",
  });
}
