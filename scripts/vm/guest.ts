import { type Entry, packInitramfs } from "./initramfs.ts";
import type { Kernel } from "./kernel.ts";
import { qemuArguments } from "./qemu.ts";
import { findProgram } from "./tools.ts";
import type { Variant } from "./variant.ts";

/** A machine to boot, and what to run on it. */
export interface GuestRequest {
  /** Its kernel. */
  readonly kernel: Kernel;
  /** What kind of machine it is. */
  readonly variant: Variant;
  /** Program and arguments, as root. */
  readonly argv: readonly string[];
  /** Working directory; the files are those of the host, and what is changed is forgotten. */
  readonly cwd: string;
  /** Environment; systemd adds some of its own. */
  readonly env: Readonly<Record<string, string>>;
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
  const { kernel: { imagePath }, kernelArguments = [], outDirectory: out, deadlineMs } = request;
  for (const name of ["ready", "status"]) await Deno.remove(`${out}/${name}`).catch(() => {});
  Deno.writeTextFileSync(`${out}/job`, job(request));
  Deno.writeFileSync(`${out}/initramfs`, initramfs(request.kernel, request.variant));

  const startMs = performance.now();
  const ownDeadline = `nodeos.deadline=${Math.ceil(deadlineMs / 1000) + 60}`;
  const args = qemuArguments({ ...request, imagePath, kernelArguments: [ownDeadline, ...kernelArguments] });
  const child = new Deno.Command("qemu-system-x86_64", { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
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

/**
 * The shell script that becomes `/out/job`. What it runs prints through a pipe: programs that see a terminal print
 * otherwise.
 */
function job({ argv, cwd, env }: GuestRequest): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}\n`);
  return `${exports.join("")}cut -d' ' -f1 /proc/uptime >/out/ready
{
  (cd ${quote(cwd)} && exec ${argv.map(quote).join(" ")}) </dev/null 2>&1
  echo $? >/out/status
} | cat >/dev/hvc0
`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function initramfs({ modulePaths }: Kernel, { mounts, hasSystemd }: Variant): Uint8Array<ArrayBuffer> {
  const directories = ["bin", "proc", "sys", "dev", "lower", "layer", "new", "modules"];
  const lines = mounts.map(({ type, options, path }) => `${type} ${options} ${path}\n`);
  const entries: Entry[] = [
    ...directories.map((path) => ({ path })),
    { path: "init", bytes: ownFile("init.sh") },
    { path: "mounts", bytes: new TextEncoder().encode(lines.join("")) },
    { path: "bin/busybox", bytes: Deno.readFileSync(findProgram("busybox")!) },
    ...modulePaths.map((path) => ({ path: `modules/${path.slice(path.lastIndexOf("/") + 1)}`, bytes: Deno.readFileSync(path) })),
  ];
  const units: Entry[] = ["guest.target", "job.service"].map((name) => ({ path: `units/${name}`, bytes: ownFile(`units/${name}`) }));
  return packInitramfs(hasSystemd ? [...entries, { path: "units" }, ...units] : entries);
}

function ownFile(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(name, import.meta.url));
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
