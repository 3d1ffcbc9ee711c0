/** Boot parameters without the name of the first program and, behind `--`, its arguments. */
export function rewriteCmdline(text: string): string {
  const parameters = text.trim().split(/ --(?: |$)/)[0].split(" ");
  return `${parameters.filter((parameter) => !/^(rd)?init=/.test(parameter)).join(" ")}\n`;
}

/** The first processor whole; of the others what tells them apart, since the rest is the same again. */
export function rewriteCpuinfo(text: string): string {
  const [first, ...others] = text.split(/\n\n+/);
  const short = others.map((block) => block.split("\n").filter((line) => /^(processor|physical id|core id)\s*:/.test(line)).join("\n"));
  return `${[first, ...short].filter((block) => block.trim() !== "").join("\n\n")}\n`;
}

const kernelFileSystems = /^(proc|sysfs|cgroup2?|hugetlbfs|debugfs|tracefs|securityfs|bpf|resctrl|devtmpfs) /;

/** Mounts of kernel file systems only, without the name of the cgroup that we are in. */
export function rewriteMountinfo(text: string): string {
  const lines = text.split("\n").flatMap((line) => {
    const [left, right] = line.split(" - ");
    if (right === undefined || !kernelFileSystems.test(right)) return [];
    return [`${left.split(" ").with(3, "/").join(" ")} - ${right}`];
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** Modules without the addresses of kernel memory that root is shown. */
export function rewriteModules(text: string): string {
  return text.replace(/ 0x[0-9a-f]+/g, " 0x0");
}

/** `/proc/self/cgroup` of a process at the root. */
export function rewriteCgroupPath(text: string): string {
  return text.replace(/^(\d+:[^:\n]*):.*$/gm, "$1:/");
}

const keptStatFields = new Set([3, 4, 9, 14, 15, 18, 19, 20, 22, 38, 39, 40, 41]);
const keptStatusLines = /^(Name|State|Tgid|Pid|PPid|Threads|Cpus_allowed_list|Mems_allowed_list|(non)?voluntary_ctxt_switches):/;
const isKernelThreadFlag = 0x00200000;

/**
 * Keeps of a thread how it is scheduled and where it may run. Threads of programs lose their name (`user` for all), and
 * addresses, sizes and credentials become 0 or vanish.
 */
export function redactTask(stat: string, status: string): { stat: string; status: string } {
  const close = stat.lastIndexOf(")");
  const open = stat.indexOf("(");
  const fields = stat.slice(close + 2).trim().split(" ");
  const isKernelThread = (Number(fields[9 - 3]) & isKernelThreadFlag) !== 0;
  const name = isKernelThread ? stat.slice(open + 1, close) : "user";
  const kept = fields.map((field, index) => keptStatFields.has(index + 3) ? field : "0");
  const lines = status.split("\n").filter((line) => keptStatusLines.test(line));
  return {
    stat: `${stat.slice(0, open)}(${name}) ${kept.join(" ")}\n`,
    status: lines.map((line) => `${isKernelThread || !line.startsWith("Name:") ? line : "Name:\tuser"}\n`).join(""),
  };
}
