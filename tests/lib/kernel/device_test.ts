import assert from "node:assert/strict";
import { formatCpuList } from "../../../lib/kernel/cpulist.ts";
import { deviceAndParents, readDevices, resolveLink } from "../../../lib/kernel/device.ts";
import { machine } from "../../machines/machine.ts";
import { MemoryRoot } from "../../machines/memory_root.ts";

const brief = (name: string) =>
  readDevices(machine(name)).map(({ kind, name, driver, node, localCpus }) =>
    `${kind} ${name} ${driver} ${node} ${formatCpuList(localCpus)}`
  );

Deno.test("readDevices() finds GPU, fabric, disk and network of a Xeon, each with its node and CPUs", () => {
  assert.deepEqual(brief("xeon-2s"), [
    "accelerator 0000:02:00.0 mgag200 null 0-31",
    "accelerator 0000:af:00.0 nvidia 1 8-15,24-31",
    "block nvme0n1 nvme 1 8-15,24-31",
    "infiniband mlx5_0 mlx5_core 0 0-7,16-23",
    "network ib0 mlx5_core 0 0-7,16-23",
    "nvme nvme0 nvme 1 8-15,24-31",
  ]);
});

Deno.test("readDevices() leaves out what only software made, but finds the disk behind an NVMe subsystem", () => {
  const names = readDevices(machine("xeon-2s")).map(({ name }) => name);
  assert.ok(!names.includes("lo") && !names.includes("loop0"));
  assert.equal(readDevices(machine("xeon-2s")).find(({ name }) => name === "nvme0n1")?.pciAddress, "0000:5e:00.0");
});

Deno.test("readDevices() finds one accelerator on each node of an EPYC", () => {
  const devices = readDevices(machine("epyc-4n"));
  assert.deepEqual(devices.map(({ node, pciAddress, pciClass }) => [node, pciAddress, pciClass]), [
    [0, "0000:01:00.0", "120000"],
    [1, "0000:41:00.0", "120000"],
    [2, "0000:81:00.0", "120000"],
    [3, "0000:c1:00.0", "120000"],
  ]);
});

Deno.test("readDevices() climbs from a virtio device to its PCI function, and reports node -1 as unknown", () => {
  assert.deepEqual(brief("vm-cgroup1"), ["block vda virtio_blk null 0-1", "network eth0 virtio_net null 0-1"]);
  assert.deepEqual(readDevices(machine("vm-cgroup1")).map(({ pciAddress }) => pciAddress), ["0000:00:02.0", "0000:00:03.0"]);
});

Deno.test("readDevices() reads a device that is not on PCI, and orders numbers as numbers", () => {
  const files = new MemoryRoot({
    "/sys/class/net/eth10": { link: "../../devices/platform/soc/eth10/net/eth10" },
    "/sys/class/net/eth2": { link: "../../devices/platform/soc/eth2/net/eth2" },
    "/sys/class/net/bonding_masters": "",
    "/sys/devices/platform/soc/eth2/driver": { link: "../../../../bus/platform/drivers/macb" },
    "/sys/devices/platform/soc/eth2/numa_node": "1\n",
  });
  const nothing = { pciAddress: null, pciClass: null, localCpus: [] };
  assert.deepEqual(readDevices(files), [
    { kind: "network", name: "eth2", driver: "macb", node: 1, ...nothing },
    { kind: "network", name: "eth10", driver: null, node: null, ...nothing },
  ]);
});

Deno.test("readDevices() of a machine without any is empty", () => {
  assert.deepEqual(readDevices(new MemoryRoot({})), []);
  assert.deepEqual(readDevices(machine("phi")), []);
});

Deno.test("resolveLink() follows relative and absolute links, never above the root, and returns what is no link", () => {
  const files = new MemoryRoot({
    "/sys/class/net/a": { link: "../../devices/a" },
    "/sys/class/net/b": { link: "/sys/./b//c" },
    "/sys/class/net/c": { link: "../../../../../../etc" },
  });
  assert.equal(resolveLink(files, "/sys/class/net/a"), "/sys/devices/a");
  assert.equal(resolveLink(files, "/sys/class/net/b"), "/sys/b/c");
  assert.equal(resolveLink(files, "/sys/class/net/c"), "/etc");
  assert.equal(resolveLink(files, "/sys/class/net/d"), "/sys/class/net/d");
});

Deno.test("deviceAndParents() ends below /sys/devices", () => {
  assert.deepEqual(deviceAndParents("/sys/devices/pci0000:00/0000:00:02.0/virtio1"), [
    "/sys/devices/pci0000:00/0000:00:02.0/virtio1",
    "/sys/devices/pci0000:00/0000:00:02.0",
    "/sys/devices/pci0000:00",
  ]);
});
