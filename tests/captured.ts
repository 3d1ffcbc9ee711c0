import { CapturedRoot } from "../ffi/captured_root.ts";
import { errno, errnoText } from "../ffi/errors.ts";

// The sanitizer of tests would take the library, loaded with the first error of a captured machine, for a leak.
errnoText(errno.ENOENT);

/** Files of a machine by their path: a text, or `null` for an empty directory. */
export type CapturedFiles = Readonly<Record<string, string | null>>;

class CapturedDirectory extends CapturedRoot implements Disposable {
  [Symbol.dispose](): void {
    Deno.removeSync(this.base, { recursive: true });
  }
}

/** A machine of the given files, in a temporary directory that goes when it is disposed. */
export function captured(files: CapturedFiles): CapturedRoot & Disposable {
  const base = makeDirectory();
  for (const [path, text] of Object.entries(files)) {
    const directory = text === null ? path : path.slice(0, path.lastIndexOf("/"));
    Deno.mkdirSync(base + directory, { recursive: true });
    if (text !== null) Deno.writeTextFileSync(base + path, text);
  }
  return new CapturedDirectory(base);
}

/** In memory where there is one: many small files are 300 times slower on some virtual machines' disks. */
function makeDirectory(): string {
  const prefix = "nodeos-captured-";
  try {
    return Deno.makeTempDirSync({ prefix, dir: "/dev/shm" });
  } catch {
    return Deno.makeTempDirSync({ prefix });
  }
}
