import assert from "node:assert/strict";
import { readDeviceNodes } from "../../../lib/kernel/device_node.ts";
import { captured } from "../../captured.ts";
import { kernel } from "../../ffi/host.ts";

const uevent = (name: string) => `MAJOR=1\nMINOR=3\nDEVNAME=${name}\nDEVMODE=0666\n`;

Deno.test("readDeviceNodes() finds character and block devices by the names that the kernel gives them", () => {
  using machine = captured({
    "/sys/dev/char/1:3/uevent": uevent("null"),
    "/sys/dev/char/226:128/uevent": uevent("dri/renderD128"),
    "/sys/dev/char/10:1/uevent": "MAJOR=10\nMINOR=1\n",
    "/sys/dev/char/9:0/dev": "9:0\n",
    "/sys/dev/block/259:0/uevent": `${uevent("nvme0n1")}DEVTYPE=disk\n`,
  });
  assert.deepEqual(readDeviceNodes(machine), [
    { path: "/dev/null", type: "c", major: 1, minor: 3 },
    { path: "/dev/dri/renderD128", type: "c", major: 226, minor: 128 },
    { path: "/dev/nvme0n1", type: "b", major: 259, minor: 0 },
  ]);
});

const gpu = "/proc/driver/nvidia/gpus/0000:3b:00.0/information";

Deno.test("readDeviceNodes() knows NVIDIA's devices, which the kernel has no names for", () => {
  for (const driver of ["nvidia", "nvidia-frontend"]) {
    using machine = captured({
      "/proc/devices": `Character devices:\n  1 mem\n195 ${driver}\n510 nvidia-uvm\n\nBlock devices:\n  7 loop\n511 nvidia\n`,
      [gpu]: "Model: \t\t NVIDIA H200\nIRQ:   \t\t 64\nDevice Minor: \t 2\n",
    });
    const nodes = readDeviceNodes(machine).map(({ path, type, major, minor }) => `${path} ${type} ${major}:${minor}`);
    assert.deepEqual(nodes, [
      "/dev/nvidia2 c 195:2",
      "/dev/nvidia-modeset c 195:254",
      "/dev/nvidiactl c 195:255",
      "/dev/nvidia-uvm c 510:0",
      "/dev/nvidia-uvm-tools c 510:1",
    ]);
  }
});

Deno.test("readDeviceNodes() takes the kernel's word for a device before its own", () => {
  using machine = captured({
    "/proc/devices": "Character devices:\n195 nvidia\n",
    "/sys/dev/char/196:255/uevent": uevent("nvidiactl"),
  });
  const found = readDeviceNodes(machine).filter(({ path }) => path === "/dev/nvidiactl");
  assert.deepEqual(found, [{ path: "/dev/nvidiactl", type: "c", major: 196, minor: 255 }]);
});

Deno.test("readDeviceNodes() finds the harmless devices of the running machine, and nothing on an empty one", () => {
  const nodes = new Map(readDeviceNodes(kernel).map(({ path, major, minor }) => [path, `${major}:${minor}`]));
  assert.deepEqual(["null", "zero", "full", "tty", "ptmx"].map((name) => nodes.get(`/dev/${name}`)), ["1:3", "1:5", "1:7", "5:0", "5:2"]);
  using machine = captured({});
  assert.deepEqual(readDeviceNodes(machine), []);
});
