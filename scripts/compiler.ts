/** A C compiler, and what it made already: each source is compiled once for all that is linked of it, and anew when it changes. */
export class Compiler {
  readonly #used = new Map<string, Promise<string>>();
  readonly #waiting: (() => void)[] = [];
  #free = navigator.hardwareConcurrency;

  /**
   * A compiler that keeps its objects in a directory.
   *
   * @param command Its name or path.
   * @param flags What every source is compiled with, and every library linked.
   * @param headers Digest of all that sources include.
   */
  constructor(readonly command: string, readonly flags: readonly string[], readonly directory: string, readonly headers: string) {}

  /** Compiles sources, as many at a time as there are CPUs, and returns their objects. */
  async objects(sources: readonly string[], options: readonly string[] = []): Promise<string[]> {
    Deno.mkdirSync(this.directory, { recursive: true });
    return await Promise.all(sources.map(async (source) => {
      const key = await digest([this.command, ...this.flags, ...options, this.headers, source, Deno.readTextFileSync(source)]);
      const object = `${this.directory}/${key.slice(0, 32)}.o`;
      let made = this.#used.get(object);
      if (made === undefined) {
        this.#used.set(object, made = exists(object) ? Promise.resolve(object) : this.#compile(source, options, object));
      }
      return await made;
    }));
  }

  /** Links objects to a library or a program. */
  async link(out: string, objects: readonly string[], options: readonly string[] = []): Promise<void> {
    await this.#run([...this.flags, ...options, "-o", out, ...objects]);
  }

  /** Removes the objects that nothing was linked of. */
  forget(): void {
    for (const { name } of Deno.readDirSync(this.directory)) {
      const path = `${this.directory}/${name}`;
      if (!this.#used.has(path) && exists(path)) Deno.removeSync(path);
    }
  }

  async #compile(source: string, options: readonly string[], object: string): Promise<string> {
    // Two builds at a time do not see each other's halves.
    const part = `${object}.${Deno.pid}`;
    await this.#run([...this.flags, ...options, "-c", source, "-o", part]);
    Deno.renameSync(part, object);
    return object;
  }

  async #run(args: string[]): Promise<void> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      const { success, stderr } = await new Deno.Command(this.command, { args, stdout: "null", stderr: "piped" }).output();
      if (!success) throw new Error(`Cannot build libnodeos: ${this.command} says\n${new TextDecoder().decode(stderr)}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Error(
        `Cannot build libnodeos: there is no C compiler named ${this.command}. Install one (Debian, Ubuntu: apt-get install gcc ` +
          "libc6-dev; Fedora, RHEL: dnf install gcc glibc-devel), or point NODEOS_LIB at a ready libnodeos.so",
        { cause: error },
      );
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** Whether there is something at a path. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** SHA-256 of texts, in hexadecimal digits. */
export async function digest(parts: readonly string[]): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(parts.join("\0")));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
