/** What the test bed needs is not here. It is a reason to skip, not a failure; the message says what to install. */
export class Unavailable extends Error {
  /** Always `Unavailable`. */
  override readonly name = "Unavailable";
}

/** Programs that the test bed runs on the host, and the Debian packages that have them. */
const programs = {
  "qemu-system-x86_64": "qemu-system-x86",
  busybox: "busybox-static",
  "apt-get": "apt",
  "apt-cache": "apt",
  "dpkg-deb": "dpkg",
  tar: "tar",
  xz: "xz-utils",
  zstd: "zstd",
} as const;

/**
 * Checks that every program is there.
 *
 * @param find Path of a program, or `null`; looks on this machine by default.
 * @throws {Unavailable} With the command that installs what is missing.
 */
export function requireTools(find: (program: string) => string | null = findProgram): void {
  if (Deno.build.arch !== "x86_64") {
    throw new Unavailable(`guests run the programs of this machine, and it is no x86-64 but ${Deno.build.arch}`);
  }
  const missing = Object.entries(programs).filter(([program]) => find(program) === null);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))];
  throw new Unavailable(
    `${missing.map(([program]) => program).join(", ")} ${missing.length === 1 ? "is" : "are"} not installed; ` +
      `on Debian: apt-get install --no-install-recommends ${packages.join(" ")}`,
  );
}

/** Path of a program, or `null`; administrators' directories count, whoever calls. */
export function findProgram(name: string): string | null {
  for (const directory of [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"]) {
    if (directory !== "" && isFile(`${directory}/${name}`)) return `${directory}/${name}`;
  }
  return null;
}

/** Whether a path is a file. */
export function isFile(path: string): boolean {
  return infoOf(path)?.isFile ?? false;
}

/** Whether a path is a directory. */
export function isDirectory(path: string): boolean {
  return infoOf(path)?.isDirectory ?? false;
}

function infoOf(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null;
  }
}

/** What the output of a program is made from. */
export interface Input {
  /** Where it runs. */
  readonly cwd?: string;
  /** What it reads; nothing when absent. */
  readonly stdin?: Uint8Array<ArrayBuffer>;
}

/** Runs a program and returns what it printed. Throws an `Error` with its complaint when it fails. */
export async function output(program: string, args: readonly string[], { cwd, stdin }: Input = {}): Promise<Uint8Array<ArrayBuffer>> {
  const command = new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
  });
  const child = command.spawn();
  const [result] = await Promise.all([child.output(), stdin && feed(child.stdin, stdin)]);
  if (result.success) return result.stdout;
  const words = new TextDecoder().decode(result.stderr).trim().split("\n").slice(-4).join("\n  ");
  throw new Error(
    `Cannot run ${program} ${args.filter((arg) => !arg.startsWith("-o")).join(" ")}: it ended with ${result.code}\n  ${words}`,
  );
}

/** The same as text. */
export async function outputText(program: string, args: readonly string[], input: Input = {}): Promise<string> {
  return new TextDecoder().decode(await output(program, args, input));
}

async function feed(stream: WritableStream<Uint8Array<ArrayBuffer>>, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const writer = stream.getWriter();
  try {
    await writer.write(bytes);
    await writer.close();
  } catch (error) {
    // It had read enough.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
