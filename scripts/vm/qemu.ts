import type { Variant } from "./variant.ts";

/** What QEMU has to know of a guest. */
export interface Hardware {
  /** Its CPUs, NUMA nodes and arguments of the kernel. */
  readonly variant: Variant;
  /** Memory in MiB, dealt out to the nodes. */
  readonly memoryMib: number;
  /** The kernel's ELF image. */
  readonly imagePath: string;
  /** More arguments for the kernel. */
  readonly kernelArguments: readonly string[];
  /** A directory that the guest may write to; its first file system is `initramfs` in it, and its log goes there. */
  readonly outDirectory: string;
}

/** Arguments of qemu-system-x86_64. */
export function qemuArguments({ variant, memoryMib, imagePath, kernelArguments, outDirectory }: Hardware): string[] {
  const { cpuCount, threadsPerCore, nodeCount } = variant;
  const nodes = Array.from({ length: nodeCount }, (_, node) => {
    const cpus = `${node * cpuCount / nodeCount}-${(node + 1) * cpuCount / nodeCount - 1}`;
    return [
      "-object",
      `memory-backend-ram,id=memory${node},size=${memoryMib / nodeCount}M`,
      "-numa",
      `node,nodeid=${node},memdev=memory${node},cpus=${cpus}`,
    ];
  });
  const share = (
    id: string,
    path: string,
    options: string,
  ) => ["-fsdev", `local,id=${id},path=${path},security_model=none${options}`, "-device", `virtio-9p-pci,fsdev=${id},mount_tag=${id}`];
  const words = ["console=ttyS0", "quiet", "panic=-1", "random.trust_cpu=on", "tsc=reliable"];
  return [
    // One host thread for all CPUs: with one each, guests died while they patched their own text (1 run in 30).
    "-accel",
    "tcg,thread=single,tb-size=512",
    "-cpu",
    variant.cpu,
    "-machine",
    "q35",
    "-smp",
    `cpus=${cpuCount},sockets=1,cores=${cpuCount / threadsPerCore},threads=${threadsPerCore}`,
    "-m",
    `${memoryMib}M`,
    ...nodes.flat(),
    "-kernel",
    imagePath,
    "-initrd",
    `${outDirectory}/initramfs`,
    "-append",
    [...words, ...variant.kernelArguments, ...kernelArguments].join(" "),
    ...share("root", "/", ",readonly=on,multidevs=remap"),
    ...share("out", outDirectory, ""),
    "-device",
    "virtio-serial-pci",
    "-chardev",
    "stdio,id=console,signal=off",
    "-device",
    "virtconsole,chardev=console",
    "-serial",
    `file:${outDirectory}/log`,
    "-display",
    "none",
    "-monitor",
    "none",
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
  ];
}
