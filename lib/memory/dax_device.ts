import type { DaxDevice } from "../kernel/dax.ts";
import type { Site } from "../plan/seat.ts";
import type { Change } from "../plan/step.ts";
import type { MemoryNode, Problem } from "./memory_node.ts";
import { objectPath } from "./objects.ts";
import type { Room } from "./room.ts";
import type { Supply } from "./supply.ts";
import { formatSize, type OwnMemory, type Unit, type UnitRequest } from "./unit.ts";

/**
 * A device over memory that was set aside at boot (`memmap=`), or that lies behind a bus: the kernel itself never has a
 * page of it. Lent as a whole, as one object, and filled with zeroes before somebody gets it.
 *
 * Source: Documentation/ABI/testing/sysfs-bus-dax, Documentation/admin-guide/kernel-parameters.txt (memmap).
 */
export const daxDevice: MemoryNode = {
  name: "devdax",
  doc: "a device over memory that the kernel never had, set aside at boot",
  makes: ["object"],
  lacks({ daxDevices }: Supply): string | null {
    if (usable(daxDevices).length > 0) return null;
    return "there is no device DAX to map; one is made at boot, such as by memmap=512M%4G-1+0xefffffff (nodeos doctor --boot)";
  },
  suits: ({ daxDevices }: Supply, { bytes, node, pageBytes, object }: UnitRequest): boolean =>
    object !== undefined && pageBytes === undefined &&
    usable(daxDevices).some((device) => device.bytes === bytes && (node === undefined || device.node === node)),
  roomBytes: (room: Room, node: number, { bytes }: UnitRequest): number => deviceOf(freeDevices(room), node, bytes)?.bytes ?? 0,
  decide(room: Room, { bytes, node, pageBytes, object }): Unit | Problem {
    const free = freeDevices(room);
    const remedy = `Free: ${
      free.map((device) => `${device.name} with ${formatSize(device.bytes)} at node ${device.node}`).join(", ") || "none"
    }`;
    const device = deviceOf(free, node, bytes);
    if (device === undefined) {
      const size = bytes === undefined ? "" : ` of ${formatSize(bytes)}`;
      return { key: bytes === undefined ? "node" : "size", kind: "refused", message: `node ${node} has no free device${size}`, remedy };
    }
    if (pageBytes !== undefined && pageBytes !== device.alignBytes) {
      const message = `device ${device.name} has pages of ${formatSize(device.alignBytes)}`;
      return { key: "page", kind: "usage", message, remedy: "Leave page out" };
    }
    const { name, alignBytes } = device;
    return { id: object!, backend: "devdax", node, nodes: [node], bytes: device.bytes, pageBytes: alignBytes, object, device: name };
  },
  plan(site: Site, units: readonly Unit[], { owner: { uid, gid } }: OwnMemory): Change[] {
    return units.map((unit): Change => ({
      kind: "lent",
      what: objectPath(site.name, unit),
      to: `/dev/${unit.device} ${uid}:${gid}`,
      why: `object ${unit.object}, ${formatSize(unit.bytes)} that the kernel never had`,
    }));
  },
};

function freeDevices(room: Room): DaxDevice[] {
  return usable(room.supply.daxDevices).filter(({ name }) => room.holderOf(name) === null);
}

/** The first one on a node that has just this size, if one is asked for. */
function deviceOf(devices: readonly DaxDevice[], node: number, bytes: number | undefined): DaxDevice | undefined {
  return devices.find((device) => device.node === node && (bytes === undefined || device.bytes === bytes));
}

function usable(devices: readonly DaxDevice[]): DaxDevice[] {
  return devices.filter(({ bytes, driver }) => bytes > 0 && driver === "device_dax");
}
