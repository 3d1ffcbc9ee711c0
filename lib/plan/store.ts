import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../errors.ts";
import { emptyLedger, type Ledger, type Owner, parseLedger } from "./ledger.ts";

/**
 * The ledger on disk, in a directory of its own (`/run/nodeos`): `ledger.json`, replaced as a whole, and `lock`.
 *
 * It is written before the machine is changed. A process that dies later leaves its steps there for the next command.
 * It is not forced to the disk: when the power fails, the kernel forgets the changes together with us, and a ledger
 * of another boot counts for nothing.
 */
export class Store {
  /** Where the ledger lies. */
  readonly #path: string;
  /** The ledger was seen under its own name; only who holds the lock renames it. */
  #hasOld = false;

  /**
   * @param kernel The machine that the ledger is about.
   * @param directory Directory of the state; made when it is first locked. Needs read and write permission for it.
   */
  constructor(readonly kernel: KernelFiles, readonly directory: string) {
    this.#path = `${directory}/ledger.json`;
  }

  /** Waits until no other process changes the machine, and keeps it so until disposed. The lock dies with us. */
  async lock(): Promise<Disposable> {
    const path = `${this.directory}/lock`;
    const options = { create: true, write: true, mode: 0o600 };
    let file: Deno.FsFile;
    try {
      file = openOrMake(path, this.directory, options);
    } catch (error) {
      throw new RefusedError(`Cannot keep state in ${this.directory}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
        remedy: "Run as root, or name a directory of your own with NODEOS_STATE",
      });
    }
    // Waiting must not stop our own event loop: who has the lock may be another call of this process.
    if (!file.tryLockSync(true)) await file.lock(true);
    return file;
  }

  /** The ledger of this boot; an empty one when there is none. */
  read(): Ledger {
    const bootId = this.kernel.read("/proc/sys/kernel/random/boot_id").trim();
    const ledger = this.#readLatest();
    return ledger?.bootId === bootId ? ledger : emptyLedger(bootId);
  }

  #readLatest(): Ledger | null {
    const old = this.#path;
    for (let triesLeft = 100;; triesLeft--) {
      let text = readIfThere(old);
      this.#hasOld = text !== null;
      if (text !== null) return readLedger(text, old);
      // A writer died, or is, between removing the old ledger and naming the new one: then the new one is whole.
      text = readIfThere(`${old}.new`);
      try {
        if (text !== null) return readLedger(text, `${old}.new`);
      } catch (error) {
        if (triesLeft === 0) throw error;
      }
      // Or one wrote twice while we looked for the one and the other: a list of both cannot miss them both.
      if (text === null && (triesLeft === 0 || !this.#isListed())) return null;
    }
  }

  #isListed(): boolean {
    try {
      return [...Deno.readDirSync(this.directory)].some(({ name }) => /^ledger\.json(?:\.new)?$/.test(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /**
   * Replaces the ledger; a reader, or a reader after our death, sees the old or the new one, whole. An empty ledger
   * stays as a file: to find none costs the next command an exception, 1 to 3 ms, as long as a third of its life.
   *
   * The old one is removed before the new one takes its name, since ext4 writes a file out to the disk when another one
   * takes its place (0.7 ms twice in a run, and we need no disk). Reading knows how to go on from a death in between.
   */
  write(ledger: Ledger): void {
    const old = this.#path;
    const hasOld = this.#hasOld || exists(old) || renameIfThere(`${old}.new`, old);
    // Without an old one beside it, nobody may take a half-written one for the new one.
    const made = hasOld ? `${old}.new` : `${old}.first`;
    Deno.writeTextFileSync(made, JSON.stringify(ledger), { mode: 0o644 });
    if (hasOld) Deno.removeSync(old);
    Deno.renameSync(made, old);
    this.#hasOld = true;
  }
}

function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new RefusedError(`Cannot read ${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
      remedy: "Run as root",
    });
  }
}

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function renameIfThere(from: string, to: string): boolean {
  try {
    Deno.renameSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function openOrMake(path: string, directory: string, options: Deno.OpenOptions): Deno.FsFile {
  try {
    return Deno.openSync(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    Deno.mkdirSync(directory, { recursive: true });
    // Users find their sockets and objects below it, whatever our umask is.
    Deno.chmodSync(directory, 0o755);
    return Deno.openSync(path, options);
  }
}

function readLedger(text: string, path: string): Ledger {
  try {
    return parseLedger(text);
  } catch (error) {
    throw new RefusedError(`Cannot understand ${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
      remedy:
        "It was written by another version of nodeos, or changed by hand: take the containers down with the version that made them, " +
        "or remove it if the machine was restarted since",
    });
  }
}

/** The process that calls, as an owner. */
export function ownerSelf(kernel: KernelFiles): Owner {
  return { pid: Deno.pid, startTicks: startTicksOf(kernel, Deno.pid) ?? "0" };
}

/** Whether an owner still lives. A zombie does not. */
export function isAlive(kernel: KernelFiles, owner: Owner): boolean {
  return startTicksOf(kernel, owner.pid) === owner.startTicks;
}

/**
 * Start time of a process in ticks since boot, as decimal text; `null` when it is dead.
 *
 * @param zombies Counts one as alive whose first thread has ended: others may go on.
 */
export function startTicksOf(kernel: KernelFiles, pid: number, zombies: "with zombies" | "without" = "without"): string | null {
  const stat = kernel.tryRead(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return zombies === "without" && (fields[0] === "Z" || fields[0] === "X") ? null : fields[19];
}
