import { errno } from "../ffi/errors.ts";
import { formatCpuList, parseCpuList } from "../lib/kernel/cpulist.ts";
import { amount, childrenOf, type FakeHierarchy, list, overlap, refuse, root, split } from "./fake_cgroups.ts";
import type { FakeKernel } from "./fake_kernel.ts";

/** In the order in which the kernel prints them. */
const controllers = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"];

/** Cgroup v2, one level deep as far as controllers go: our cgroups lie directly below the root. */
export class Version2 implements FakeHierarchy {
  readonly mount = root;
  readonly type = "cgroup2 cgroup2 rw,nsdelegate";

  constructor(readonly kernel: FakeKernel, readonly cpus: string, readonly nodes: string) {
    const { enabled = [], exclusiveCpus } = kernel.machine;
    kernel.directories.add(root);
    const files = {
      "cgroup.controllers": controllers.filter((name) => name !== "hugetlb" || kernel.machine.hugePages).join(" "),
      "cgroup.procs": "1",
      "cgroup.subtree_control": "",
      "cpuset.mems.effective": nodes,
    };
    for (const [name, value] of Object.entries(files)) kernel.files.set(`${root}/${name}`, value);
    if (exclusiveCpus) kernel.files.set(`${root}/cpuset.cpus.isolated`, "");
    this.#control(`${root}/cgroup.subtree_control`, root, enabled.map((name) => `+${name}`).join(" "));
    // Somebody else's, as on every machine.
    this.make(`${root}/system.slice`);
    this.make(`${root}/system.slice/cron.service`);
    kernel.files.set(`${root}/system.slice/cron.service/cgroup.procs`, "77");
    this.#settle();
  }

  #get(directory: string, name: string): string {
    return this.kernel.files.get(`${directory}/${name}`) ?? "";
  }

  #filesOf(controller: string): Record<string, string> {
    switch (controller) {
      case "cpuset": {
        const files: Record<string, string> = { "cpuset.cpus": "", "cpuset.mems": "", "cpuset.cpus.partition": "member" };
        if (this.kernel.machine.exclusiveCpus) files["cpuset.cpus.exclusive"] = "";
        return files;
      }
      case "memory":
        return { "memory.max": "max", "memory.high": "max" };
      case "hugetlb":
        return Object.fromEntries(
          (this.kernel.machine.hugePages ?? []).flatMap(({ pageBytes }) => [
            ...["", "rsvd."].map((part) => [`hugetlb.${pageBytes / 2 ** 20}MB.${part}max`, "max"]),
            [`hugetlb.${pageBytes / 2 ** 20}MB.numa_stat`, numaStat(Array(this.kernel.machine.nodeCount ?? 1).fill(0))],
          ]),
        );
      case "pids":
        return { "pids.max": "max" };
      default:
        return {};
    }
  }

  make(path: string): void {
    const available = this.#get(split(path).directory, "cgroup.subtree_control");
    this.kernel.directories.add(path);
    const files = { "cgroup.controllers": available, "cgroup.subtree_control": "", "cgroup.procs": "", "cgroup.threads": "" };
    for (const [name, value] of Object.entries(files)) this.kernel.files.set(`${path}/${name}`, value);
    for (const controller of available.split(" ")) this.#enable(path, controller);
  }

  #enable(path: string, controller: string): void {
    for (const [name, value] of Object.entries(this.#filesOf(controller))) this.kernel.files.set(`${path}/${name}`, value);
  }

  remove(path: string): void {
    this.kernel.directories.delete(path);
    for (const file of this.kernel.files.keys()) if (file.startsWith(`${path}/`)) this.kernel.files.delete(file);
    this.#settle();
  }

  write(path: string, value: string): void {
    const { cpuCount, nodeCount = 1 } = this.kernel.machine;
    const { directory, name } = split(path);
    const set = (text: string) => this.kernel.files.set(path, text);
    switch (name) {
      case "cgroup.procs":
        return this.kernel.tasks.move(path, this.mount, directory, Number(value), true);
      case "cgroup.subtree_control":
        return this.#control(path, directory, value);
      case "cpuset.cpus":
        set(list(path, value, cpuCount));
        return this.#settle();
      case "cpuset.cpus.exclusive": {
        const cpus = list(path, value, cpuCount);
        if (this.#siblings(directory).some((other) => overlap(this.#get(other, name), cpus))) refuse(path, errno.EINVAL);
        set(cpus);
        return this.#settle();
      }
      case "cpuset.mems":
        return void set(list(path, value, nodeCount));
      case "cpuset.cpus.partition":
        if (!["member", "root", "isolated"].includes(value)) refuse(path, errno.EINVAL);
        set(value);
        return this.#settle();
      case "memory.max":
      case "memory.high":
        return void set(amount(path, value, 4096));
      case "pids.max":
        return void set(amount(path, value, 1));
      default:
        // The kernel counts them in whole pages.
        if (name.startsWith("hugetlb.")) return void set(amount(path, value, 2 ** 20));
        refuse(path, errno.EACCES);
    }
  }

  #siblings(directory: string): string[] {
    return childrenOf(this.kernel, split(directory).directory).filter((other) => other !== directory);
  }

  #control(path: string, directory: string, value: string): void {
    const enabled = new Set(this.#get(directory, "cgroup.subtree_control").split(" ").filter(Boolean));
    for (const word of value.split(" ").filter(Boolean)) {
      const [sign, name] = [word[0], word.slice(1)];
      if (!this.#get(directory, "cgroup.controllers").split(" ").includes(name)) refuse(path, errno.ENOENT);
      const children = childrenOf(this.kernel, directory);
      if (sign === "+" && !enabled.has(name)) {
        enabled.add(name);
        for (const child of children) this.#enable(child, name);
      } else if (sign === "-" && enabled.has(name)) {
        if (children.some((child) => this.#get(child, "cgroup.subtree_control").split(" ").includes(name))) refuse(path, errno.EBUSY);
        enabled.delete(name);
        for (const child of children) for (const file of Object.keys(this.#filesOf(name))) this.kernel.files.delete(`${child}/${file}`);
      }
    }
    const text = controllers.filter((name) => enabled.has(name)).join(" ");
    this.kernel.files.set(path, text);
    for (const child of childrenOf(this.kernel, directory)) this.kernel.files.set(`${child}/cgroup.controllers`, text);
    this.#settle();
  }

  /** Partitions are judged anew after each change; one that shares CPUs with a sibling is invalid, without an error. */
  #settle(): void {
    const taken: number[] = [];
    for (const child of childrenOf(this.kernel, root)) {
      const path = `${child}/cpuset.cpus.partition`;
      const wish = this.kernel.files.get(path)?.split(" ")[0];
      if (wish === undefined || wish === "member") continue;
      const reason = this.kernel.machine.partitionInvalid ?? this.#whyInvalid(child);
      this.kernel.files.set(path, reason ? `${wish} invalid (${reason})` : wish);
      if (!reason) taken.push(...parseCpuList(this.#get(child, "cpuset.cpus")));
    }
    this.kernel.files.set(`${root}/cpuset.cpus.effective`, formatCpuList(parseCpuList(this.cpus).filter((cpu) => !taken.includes(cpu))));
  }

  #whyInvalid(directory: string): string | null {
    const cpus = this.#get(directory, "cpuset.cpus");
    if (cpus === "") return "Invalid cpu list in cpuset.cpus";
    if (cpus === this.cpus) return "No cpu left for the parent";
    return this.#siblings(directory).some((other) => overlap(this.#get(other, "cpuset.cpus"), cpus))
      ? "Cpu list in cpuset.cpus not exclusive"
      : null;
  }
}

/** `hugetlb.SIZE.numa_stat` of a cgroup that has these bytes on its nodes. */
function numaStat(counts: readonly number[]): string {
  return [`total=${counts.reduce((sum, count) => sum + count, 0)}`, ...counts.map((count, node) => `N${node}=${count}`)].join(" ");
}
