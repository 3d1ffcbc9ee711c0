import { SysError } from "../../ffi/errors.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { RefusedError } from "../errors.ts";
import { captureSources } from "./capture_table.ts";
import { deviceAndParents, isAcceleratorClass, resolveLink } from "./device.ts";
import { redactTask } from "./redact.ts";

/** What a capture wrote. */
export interface CaptureReport {
  /** Where it lies; a `CapturedRoot` of it is the machine. */
  readonly directory: string;
  /** Files written. */
  readonly fileCount: number;
  /** Symbolic links made. */
  readonly linkCount: number;
  /** What is in the files together. */
  readonly contentBytes: number;
  /** Paths that exist but could not be read, with the kernel's reason. */
  readonly refusals: readonly { readonly path: string; readonly why: string }[];
}

/** What a directory of a device says: the class is PCI's. */
const deviceAttributes = ["class", "numa_node", "local_cpulist"];

/**
 * Writes what our readers read of a machine into a directory, as a tree that a `CapturedRoot` opens.
 *
 * Programs of users lose their names, and arguments, environments, addresses and serial numbers are never read: see
 * `redact.ts`. Needs `--allow-read` and `--allow-write` of the directory.
 *
 * @param directory Where to; it is made when missing.
 * @throws {RefusedError} If the directory has something in it, which is then left as it is.
 */
export async function capture(files: KernelFiles, directory: string): Promise<CaptureReport> {
  await makeEmpty(directory);
  const tree = new Tree(files, directory);
  for (const { path, take, rewrite, rename } of captureSources(files)) {
    for (const found of expandPattern(files, path)) {
      if (take === "text") await tree.text(found, rename?.(found) ?? found, rewrite);
      else if (take === "link") await tree.link(found);
      else if (take === "device") await tree.device(found);
      else await tree.task(found);
    }
  }
  return tree.report();
}

async function makeEmpty(directory: string): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  for await (const { name } of Deno.readDir(directory)) {
    throw new RefusedError(`Cannot capture into ${directory}: it has files in it, such as ${name}`, {
      remedy: "Name a directory that is empty or does not exist yet",
    });
  }
}

/** A captured machine while it is being written. */
class Tree {
  readonly #known = new Set<string>();
  readonly #refusals: { path: string; why: string }[] = [];
  #fileCount = 0;
  #linkCount = 0;
  #contentBytes = 0;

  constructor(readonly files: KernelFiles, readonly directory: string) {}

  report(): CaptureReport {
    return {
      directory: this.directory,
      fileCount: this.#fileCount,
      linkCount: this.#linkCount,
      contentBytes: this.#contentBytes,
      refusals: this.#refusals,
    };
  }

  async text(path: string, to = path, rewrite: (text: string) => string = (text) => text): Promise<void> {
    const text = this.#read(path);
    if (text !== null) await this.#write(to, rewrite(text));
  }

  /** Links of sysfs are relative, and stay as they are; an absolute one would lead to the machine that replays it. */
  async link(path: string): Promise<void> {
    const target = this.files.link(path);
    if (target === null || !await this.#claim(path)) return;
    const up = "../".repeat(path.split("/").length - 2);
    await Deno.symlink(target.startsWith("/") ? up + target.slice(1) : target, this.directory + path);
    this.#linkCount++;
  }

  async device(path: string): Promise<void> {
    const device = resolveLink(this.files, path);
    if (device === path) return;
    if (device.startsWith("/sys/devices/virtual/") && !device.includes("/nvme-subsys")) return;
    if (path.startsWith("/sys/bus/pci/") && !isAcceleratorClass(this.#read(`${device}/class`) ?? "")) return;
    await this.link(path);
    for (const parent of deviceAndParents(device)) {
      for (const name of deviceAttributes) await this.text(`${parent}/${name}`);
      await this.link(`${parent}/driver`);
    }
  }

  async task(path: string): Promise<void> {
    const stat = this.#read(`${path}/stat`);
    const status = this.#read(`${path}/status`);
    if (stat === null || status === null) return;
    const kept = redactTask(stat, status);
    await this.#write(`${path}/stat`, kept.stat);
    await this.#write(`${path}/status`, kept.status);
  }

  #read(path: string): string | null {
    try {
      return this.files.tryRead(path);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#refusals.push({ path, why: error.code });
      return null;
    }
  }

  async #write(path: string, text: string): Promise<void> {
    if (!await this.#claim(path)) return;
    await Deno.writeTextFile(this.directory + path, text);
    this.#fileCount++;
    this.#contentBytes += text.length;
  }

  /** Makes the directory of a path, and says whether the path is new. */
  async #claim(path: string): Promise<boolean> {
    if (this.#known.has(path)) return false;
    this.#known.add(path);
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (!this.#known.has(`${parent}/`)) await Deno.mkdir(this.directory + parent, { recursive: true });
    this.#known.add(`${parent}/`);
    return true;
  }
}

/** Paths of a machine that fit a pattern of the table, ascending within each directory. */
export function expandPattern(files: KernelFiles, pattern: string): string[] {
  const braces = /^(.*?)\{([^}]*)\}(.*)$/.exec(pattern);
  if (braces) {
    const [, before, words, after] = braces;
    return words.split(",").flatMap((word) => expandPattern(files, before + word + after));
  }
  let paths = [""];
  for (const part of pattern.split("/").slice(1)) {
    if (!/[*#]/.test(part)) {
      paths = paths.map((path) => `${path}/${part}`);
      continue;
    }
    const fits = new RegExp(`^${part.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("#", "\\d+")}$`);
    paths = paths.flatMap((path) => files.list(path).filter(({ name }) => fits.test(name)).map(({ name }) => `${path}/${name}`));
  }
  return paths;
}
