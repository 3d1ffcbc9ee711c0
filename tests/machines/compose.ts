/**
 * Composes machines that nobody here has, from short descriptions; `machine.ts` writes their trees when a test asks. A
 * machine that somebody has is captured instead, beside this file: `nodeos topo --capture DIR`.
 *
 * To keep a tree small, the threads of a core share one directory, and so do the CPUs of a cache, by symbolic links.
 *
 * @module
 */

import { formatCpuList } from "../../lib/kernel/cpulist.ts";
import type { CacheDescription, DeviceDescription, MachineDescription, Seat } from "./descriptions.ts";
import { composeTasks } from "./tasks.ts";

/** Files by path: their text, or where a symbolic link leads. */
export type ComposedTree = Map<string, string | { readonly link: string }>;

const cpuDirectory = "/sys/devices/system/cpu";

/** The files of a machine. */
export function compose(machine: MachineDescription): ComposedTree {
  const tree: ComposedTree = new Map();
  const put = (path: string, text: string | number) => tree.set(path, `${text}\n`);
  const online = machine.seats.map(({ cpu }) => cpu);
  const present = machine.presentCpus ?? online;

  if (machine.cpusFrom) {
    tree.set(cpuDirectory, { link: `../../../../${machine.cpusFrom}${cpuDirectory}` });
  } else {
    put(`${cpuDirectory}/possible`, formatCpuList(machine.possibleCpus ?? present));
    put(`${cpuDirectory}/present`, formatCpuList(present));
    put(`${cpuDirectory}/online`, formatCpuList(online));
    put(`${cpuDirectory}/offline`, formatCpuList((machine.possibleCpus ?? present).filter((cpu) => !online.includes(cpu))));
    put(`${cpuDirectory}/isolated`, formatCpuList(machine.isolatedCpus ?? []));
    // Kernels print this when the parameter was not given.
    put(`${cpuDirectory}/nohz_full`, machine.nohzFullCpus ? formatCpuList(machine.nohzFullCpus) : "  (null)");
    put(`${cpuDirectory}/smt/active`, new Set(machine.seats.map(coreKey)).size < online.length ? 1 : 0);
    for (const cpu of present.filter((cpu) => !online.includes(cpu))) put(`${cpuDirectory}/cpu${cpu}/online`, 0);
    for (const seat of machine.seats) composeCpu(tree, machine, seat);
  }
  if (machine.kinds) { for (const [name, cpus] of Object.entries(machine.kinds)) put(`/sys/devices/${name}/cpus`, formatCpuList(cpus)); }
  if (!machine.withoutNuma) composeNodes(tree, machine);
  for (const device of machine.devices ?? []) composeDevice(tree, device, machine);
  for (const [directory, name] of Object.entries(machine.softwareDevices ?? {})) {
    composeLink(tree, directory, `/sys/devices/virtual/${name}`);
  }
  composeProc(tree, machine, online);
  composeCgroups(tree, machine, online);
  return tree;
}

function composeCpu(tree: ComposedTree, machine: MachineDescription, seat: Seat): void {
  const siblings = cpusWhere(machine, (other) => coreKey(other) === coreKey(seat));
  const directory = `${cpuDirectory}/cpu${seat.cpu}`;
  if (siblings[0] !== seat.cpu) {
    tree.set(directory, { link: `cpu${siblings[0]}` });
    return;
  }
  const put = (name: string, text: string | number) => tree.set(`${directory}/${name}`, `${text}\n`);
  put("topology/physical_package_id", seat.package);
  put("topology/core_id", seat.core);
  put("topology/core_cpus_list", formatCpuList(siblings));
  put("topology/thread_siblings_list", formatCpuList(siblings));
  if (seat.die !== undefined) put("topology/die_id", seat.die);
  if (seat.package < 0) put("topology/package_cpus_list", formatCpuList(cpusWhere(machine, ({ cluster }) => cluster === seat.cluster)));
  if (seat.cluster !== undefined) {
    put("topology/cluster_id", seat.cluster);
    put(
      "topology/cluster_cpus_list",
      formatCpuList(cpusWhere(machine, (other) => other.package === seat.package && other.cluster === seat.cluster)),
    );
  }
  if (seat.capacity !== undefined) put("cpu_capacity", seat.capacity);
  if (!machine.withoutNuma) tree.set(`${directory}/node${seat.node}`, { link: `../../node/node${seat.node}` });
  machine.caches.filter((cache) => cache.of?.(seat) ?? true).forEach((cache, index) => composeCache(tree, machine, seat, cache, index));
}

function composeCache(tree: ComposedTree, machine: MachineDescription, seat: Seat, cache: CacheDescription, index: number): void {
  const share = cache.share ?? coreKey;
  const cpus = cpusWhere(machine, (other) => (cache.of?.(other) ?? true) && share(other) === share(seat));
  const path = `${cpuDirectory}/cpu${seat.cpu}/cache/index${index}`;
  if (cpus[0] !== seat.cpu) {
    tree.set(path, { link: `../../cpu${cpus[0]}/cache/index${index}` });
    return;
  }
  const [level, type] = cache.name;
  tree.set(`${path}/level`, `${level}\n`);
  tree.set(`${path}/type`, `${type}\n`);
  tree.set(`${path}/shared_cpu_list`, `${formatCpuList(cpus)}\n`);
  if (cache.kilobytes !== undefined) tree.set(`${path}/size`, `${cache.kilobytes}K\n`);
  if (cache.ways !== undefined) tree.set(`${path}/ways_of_associativity`, `${cache.ways}\n`).set(`${path}/coherency_line_size`, "64\n");
}

function composeNodes(tree: ComposedTree, machine: MachineDescription): void {
  const root = "/sys/devices/system/node";
  const ids = machine.nodes.map(({ id }) => id);
  const list = (condition: (node: MachineDescription["nodes"][number]) => boolean) =>
    `${formatCpuList(machine.nodes.filter(condition).map(({ id }) => id))}\n`;
  const cpusOf = (id: number) => cpusWhere(machine, ({ node }) => node === id);
  tree.set(`${root}/online`, list(() => true)).set(`${root}/possible`, list(() => true));
  tree.set(`${root}/has_cpu`, list(({ id }) => cpusOf(id).length > 0));
  tree.set(`${root}/has_memory`, list(({ gigabytes }) => gigabytes > 0));
  for (const { id, gigabytes, hugePages } of machine.nodes) {
    const directory = `${root}/node${id}`;
    tree.set(`${directory}/cpulist`, `${formatCpuList(cpusOf(id))}\n`);
    tree.set(`${directory}/distance`, `${ids.map((other) => machine.distance?.(id, other) ?? (id === other ? 10 : 20)).join(" ")}\n`);
    const [total, free] = memoryKilobytes(gigabytes);
    tree.set(`${directory}/meminfo`, `Node ${id} MemTotal:       ${total} kB\nNode ${id} MemFree:        ${free} kB\n`);
    for (const [kilobytes, pages] of Object.entries(hugePages ?? {})) {
      const pool = `${directory}/hugepages/hugepages-${kilobytes}kB`;
      tree.set(`${pool}/nr_hugepages`, `${pages}\n`).set(`${pool}/free_hugepages`, `${pages}\n`).set(`${pool}/surplus_hugepages`, "0\n");
    }
  }
}

/** Some memory is always in use: 1/16. */
function memoryKilobytes(gigabytes: number): [total: number, free: number] {
  const total = gigabytes * 2 ** 20;
  return [total, total - total / 16];
}

function composeDevice(tree: ComposedTree, device: DeviceDescription, machine: MachineDescription): void {
  const bus = `/sys/devices/pci${device.pci.slice(0, 7)}/${device.pci}`;
  const nodeCpus = cpusWhere(machine, ({ node }) => node === device.node);
  tree.set(`${bus}/class`, `0x${device.class}\n`);
  tree.set(`${bus}/numa_node`, `${device.node ?? -1}\n`);
  tree.set(`${bus}/local_cpulist`, `${formatCpuList(nodeCpus.length > 0 ? nodeCpus : machine.seats.map(({ cpu }) => cpu))}\n`);
  tree.set(`${bus}/driver`, { link: `../../../bus/pci/drivers/${device.driver}` });
  tree.set(`/sys/bus/pci/devices/${device.pci}`, { link: `../../..${bus.slice("/sys".length)}` });
  for (const [directory, target] of Object.entries(device.links ?? {})) {
    composeLink(tree, directory, target.startsWith("/") ? target : `${bus}/${target}`);
  }
}

/** Links of sysfs are relative: up to `/sys`, then down. */
function composeLink(tree: ComposedTree, directory: string, target: string): void {
  const up = "../".repeat(directory.split("/").length - 2);
  tree.set(`${directory}/${target.slice(target.lastIndexOf("/") + 1)}`, { link: up + target.slice("/sys/".length) });
}

function composeProc(tree: ComposedTree, machine: MachineDescription, online: readonly number[]): void {
  const [total, free] = memoryKilobytes(machine.nodes.reduce((sum, { gigabytes }) => sum + gigabytes, 0));
  tree.set(
    "/proc/meminfo",
    `MemTotal:       ${total} kB\nMemFree:        ${free} kB\nMemAvailable:   ${free} kB\nHugePages_Total:       0\n`,
  );
  const model = machine.model === null ? "" : `model name\t: ${machine.model}\n`;
  tree.set("/proc/cpuinfo", online.map((cpu, index) => `processor\t: ${cpu}\n${index === 0 ? model : ""}`).join("\n"));
  tree.set("/proc/cmdline", `BOOT_IMAGE=/vmlinuz root=/dev/nvme0n1p2 ro${machine.bootParameters ? ` ${machine.bootParameters}` : ""}\n`);
  tree.set("/proc/sys/kernel/osrelease", `${machine.release ?? "6.12.0"}\n`);
  tree.set("/proc/sys/kernel/sched_rt_runtime_us", "950000\n").set("/proc/sys/kernel/sched_rt_period_us", "1000000\n");

  const columns = (cpus: readonly number[]) => `           ${cpus.map((cpu) => `CPU${cpu}`).join("       ")}\n`;
  const row = (name: string, cpus: readonly number[], count: (index: number) => number, words: string) =>
    `${name.padStart(4)}: ${cpus.map((_, index) => count(index)).join(" ")}  ${words}\n`;
  const last = online.length - 1;
  tree.set(
    "/proc/interrupts",
    columns(online) +
      row("24", online, (index) => index === 0 ? 120 : 0, "IR-PCI-MSIX-0000:3b:00.0   0-edge      eth0-TxRx-0") +
      row("25", online, (index) => index === last ? 77 : 0, "IR-PCI-MSIX-0000:5e:00.0   1-edge      nvme0q1") +
      row("NMI", online, () => 0, " Non-maskable interrupts") +
      row("LOC", online, (index) => 1000 + index, " Local timer interrupts") +
      row("RES", online, () => 5, " Rescheduling interrupts") +
      " ERR:          0\n",
  );
  const possible = machine.possibleCpus ?? machine.presentCpus ?? online;
  tree.set("/proc/softirqs", columns(possible) + row("TIMER", possible, () => 9, "") + row("RCU", possible, (index) => index, ""));
  for (const [number, cpu] of [[24, online[0]], [25, online[last]]]) {
    tree.set(`/proc/irq/${number}/smp_affinity_list`, `${number === 25 ? cpu : formatCpuList(online)}\n`);
    tree.set(`/proc/irq/${number}/effective_affinity_list`, `${cpu}\n`).set(`/proc/irq/${number}/node`, number === 25 ? "-1\n" : "0\n");
  }
  composeTasks(tree, online, machine.nodes.map(({ id }) => id));
}

function composeCgroups(tree: ComposedTree, machine: MachineDescription, online: readonly number[]): void {
  const mount = "/sys/fs/cgroup";
  tree.set(
    "/proc/self/mountinfo",
    `22 27 0:21 / /proc rw,nosuid - proc proc rw\n23 27 0:22 / /sys rw,nosuid - sysfs sysfs rw\n` +
      `26 23 0:24 / ${mount} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n`,
  );
  tree.set("/proc/self/cgroup", "0::/\n");
  tree.set(`${mount}/cgroup.controllers`, "cpuset cpu io memory hugetlb pids rdma misc\n");
  tree.set(`${mount}/cgroup.subtree_control`, "cpuset cpu memory pids\n");
  tree.set(`${mount}/cpuset.cpus.effective`, `${formatCpuList(online)}\n`);
  tree.set(`${mount}/cpuset.mems.effective`, `${formatCpuList(machine.nodes.map(({ id }) => id))}\n`);
}

function cpusWhere(machine: MachineDescription, condition: (seat: Seat) => boolean): number[] {
  return machine.seats.filter(condition).map(({ cpu }) => cpu);
}

function coreKey(seat: Seat): string {
  return `${seat.package}/${seat.die ?? 0}/${seat.cluster ?? 0}/${seat.core}`;
}

/** Writes a tree of files below a directory that is not there yet. */
export function writeTree(tree: ComposedTree, directory: string): void {
  for (const [path, content] of tree) {
    Deno.mkdirSync(directory + path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(directory + path, content);
    else Deno.symlinkSync(content.link, directory + path);
  }
}
