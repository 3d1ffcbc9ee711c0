import { type Entry, packInitramfs } from "./initramfs.ts";
import type { Kernel } from "./kernel.ts";
import { findProgram } from "./tools.ts";

/** A machine to boot, and what to run on it. */
export interface GuestRequest {
  /** Its kernel. */
  readonly kernel: Kernel;
  /** Program and arguments, as root. */
  readonly argv: readonly string[];
  /** Working directory; the files are those of the host, and what is changed is forgotten. */
  readonly cwd: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** CPUs, dealt out to `nodeCount` NUMA nodes. */
  readonly cpuCount: number;
  /** NUMA nodes. */
  readonly nodeCount: number;
  /** Memory in MiB, dealt out to the nodes. */
  readonly memoryMib: number;
  /** More arguments for the kernel. */
  readonly kernelArguments?: readonly string[];
  /** When it is switched off, in milliseconds from the start. */
  readonly deadlineMs: number;
  /** A directory for this guest alone: `/out` in it, where it may leave files. */
  readonly outDirectory: string;
  /** Gets each line that the program prints. */
  readonly onLine: (line: string) => void;
}

/** How a guest ended. */
export interface GuestResult {
  /** Exit status of the program; `null` when the guest never got that far. */
  readonly code: number | null;
  /** Why there is none, with the end of the kernel's log; `""` when there is one. */
  readonly problem: string;
  /** From its power switch to the program, in milliseconds of the guest's clock; `null` when it died before. */
  readonly readyMs: number | null;
  /** From start to end on the host, in milliseconds. */
  readonly wallMs: number;
}

/** Boots a machine, runs one program on it and switches it off. One that dies before it is ready is booted once more. */
export async function runGuest(request: GuestRequest): Promise<GuestResult> {
  const first = await boot(request);
  return first.code === null && first.readyMs === null ? await boot(request) : first;
}

async function boot(request: GuestRequest): Promise<GuestResult> {
  const { outDirectory: out, deadlineMs } = request;
  for (const name of ["ready", "status"]) await Deno.remove(`${out}/${name}`).catch(() => {});
  Deno.writeTextFileSync(`${out}/job`, job(request));
  Deno.writeFileSync(`${out}/initramfs`, initramfs(request.kernel));

  const startMs = performance.now();
  const child = new Deno.Command("qemu-system-x86_64", { args: qemuArguments(request), stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, deadlineMs);
  const [, complaint] = await Promise.all([eachLine(child.stdout, request.onLine), new Response(child.stderr).text(), child.status]);
  clearTimeout(timer);

  const status = readNumber(`${out}/status`);
  const readySeconds = readNumber(`${out}/ready`);
  return {
    code: timedOut ? null : status,
    problem: timedOut
      ? `it was not done after ${deadlineMs / 1000} s\n${logTail(out)}`
      : status === null
      ? `it died\n${complaint}${logTail(out)}`
      : "",
    readyMs: readySeconds === null ? null : readySeconds * 1000,
    wallMs: performance.now() - startMs,
  };
}

/** The shell script that becomes `/out/job`. */
function job({ argv, cwd, env }: GuestRequest): string {
  const lines = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`);
  return `${lines.join("\n")}\ncd ${quote(cwd)} && exec ${argv.map(quote).join(" ")}\n`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function initramfs({ modulePaths }: Kernel): Uint8Array<ArrayBuffer> {
  const directories = ["bin", "proc", "sys", "dev", "lower", "layer", "new", "modules"];
  const entries: Entry[] = [
    ...directories.map((path) => ({ path })),
    { path: "init", bytes: Deno.readFileSync(new URL("init.sh", import.meta.url)) },
    { path: "bin/busybox", bytes: Deno.readFileSync(findProgram("busybox")!) },
    ...modulePaths.map((path) => ({ path: `modules/${path.slice(path.lastIndexOf("/") + 1)}`, bytes: Deno.readFileSync(path) })),
  ];
  return packInitramfs(entries);
}

function qemuArguments({ kernel, cpuCount, nodeCount, memoryMib, kernelArguments = [], deadlineMs, outDirectory }: GuestRequest): string[] {
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
  const words = [
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "random.trust_cpu=on",
    "tsc=reliable",
    `nodeos.deadline=${Math.ceil(deadlineMs / 1000) + 60}`,
  ];
  return [
    // One host thread for all CPUs: with one each, guests died while they patched their own text (1 run in 30).
    "-accel",
    "tcg,thread=single,tb-size=512",
    // Without la57 the emulated page walks are one level shorter.
    "-cpu",
    "max,-la57",
    "-machine",
    "q35",
    "-smp",
    `${cpuCount}`,
    "-m",
    `${memoryMib}M`,
    ...nodes.flat(),
    "-kernel",
    kernel.imagePath,
    "-initrd",
    `${outDirectory}/initramfs`,
    "-append",
    [...words, ...kernelArguments].join(" "),
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

async function eachLine(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onLine: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(line.replace(/\r$/, ""));
  }
  if (rest !== "") onLine(rest);
}

function readNumber(path: string): number | null {
  try {
    const text = Deno.readTextFileSync(path).trim();
    return text === "" ? null : Number(text);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The last lines of the kernel's log. */
function logTail(directory: string): string {
  try {
    return Deno.readTextFileSync(`${directory}/log`).trimEnd().split("\n").slice(-25).join("\n");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "(the kernel wrote no log)";
    throw error;
  }
}
