import { Apt } from "./apt.ts";
import { isFile, output, outputText, Unavailable } from "./tools.ts";

/** A kernel that guests can boot. */
export interface Kernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** Its uncompressed ELF image: booted from there, a guest is ready in half the time. */
  readonly imagePath: string;
  /** Modules that a guest loads first, in this order, uncompressed. */
  readonly modulePaths: readonly string[];
}

/** What a guest needs before it sees the file systems of the host, and devices. What is built into a kernel is no file, and left out. */
const modules = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay", "device_dax", "dax_hmem", "msr"];
/** Where these and what they need lie in the packages. */
const moduleTrees = [
  "drivers/virtio",
  "drivers/char",
  "drivers/dax",
  "net/9p",
  "fs/9p",
  "fs/netfs",
  "fs/fscache",
  "fs/overlayfs",
  "arch/x86/kernel",
  "lib",
];

/** The kernel that was unpacked into a directory before, or `null`, also when it was unpacked without all of the modules. */
export function cachedKernel(directory: string): Kernel | null {
  if (!isFile(`${directory}/wanted`) || Deno.readTextFileSync(`${directory}/wanted`) !== modules.join()) return null;
  const names = [...Deno.readDirSync(`${directory}/modules`)].map(({ name }) => name).sort();
  return {
    release: Deno.readTextFileSync(`${directory}/release`).trim(),
    imagePath: `${directory}/vmlinux`,
    modulePaths: names.map((name) => `${directory}/modules/${name}`),
  };
}

/**
 * Fetches the newest kernel of a Debian suite as packages and unpacks what a guest needs into a directory, in place of
 * what was there. Nothing is installed.
 *
 * @throws {Unavailable} If there is none, or the archive cannot be reached; then the directory is as it was.
 */
export async function fetchKernel(suite: string, directory: string): Promise<Kernel> {
  const fresh = `${directory}.new`;
  await removeTree(fresh);
  try {
    await fetchInto(fresh, suite);
    await removeTree(directory);
    Deno.renameSync(fresh, directory);
  } finally {
    await removeTree(fresh);
  }
  return cachedKernel(directory)!;
}

async function fetchInto(directory: string, suite: string): Promise<void> {
  const scratch = `${directory}/scratch`;
  Deno.mkdirSync(`${scratch}/apt`, { recursive: true });
  const apt = await Apt.open(`${scratch}/apt`, suite);
  const meta = "linux-image-amd64";
  const version = await apt.newestVersion(meta);
  if (version === null) throw new Unavailable(`the Debian archive has no ${meta} in ${suite}`);
  const packages = await kernelPackages(apt, meta, version);
  for (const path of await apt.download(packages, version, scratch)) await unpack(path, scratch);

  const files = (await outputText("find", [scratch, "-type", "f"])).trim().split("\n");
  const packed = files.find((path) => /\/vmlinuz[^/]*$/.test(path));
  const module = files.find((path) => /\/lib\/modules\/[^/]+\/kernel\//.test(path));
  if (packed === undefined || module === undefined) throw new Error(`Cannot use ${packages.join(", ")}: no kernel, or no modules, inside`);
  Deno.writeFileSync(`${directory}/vmlinux`, await uncompressedImage(Deno.readFileSync(packed)));
  Deno.mkdirSync(`${directory}/modules`);
  let number = 10;
  for (const [name, bytes] of await modulesInOrder(files)) Deno.writeFileSync(`${directory}/modules/${number++}-${name}.ko`, bytes);
  Deno.writeTextFileSync(`${directory}/wanted`, modules.join());
  Deno.writeTextFileSync(`${directory}/release`, /\/lib\/modules\/([^/]+)\//.exec(module)![1]);
  await removeTree(scratch);
}

/** Newer kernels come as an empty package that needs one for the image and one for the modules. */
async function kernelPackages(apt: Apt, name: string, version: string): Promise<string[]> {
  const parts = (await apt.exactDependencies(name, version)).filter((part) => /^linux-(?:image|binary|modules)-\d/.test(part));
  const deeper = await Promise.all(parts.map((part) => kernelPackages(apt, part, version)));
  return [...new Set([...parts, ...deeper.flat()])];
}

/**
 * Unpacks a kernel image and some of the modules: all of them would be 400 MB. A package has either of them, and tar
 * complains about patterns that match nothing; the caller sees what is missing.
 */
async function unpack(packagePath: string, directory: string): Promise<void> {
  const patterns = ["*/vmlinuz*", ...moduleTrees.map((tree) => `*/kernel/${tree}/*`)];
  const script =
    'path=$1 directory=$2; shift 2; dpkg-deb --fsys-tarfile "$path" | tar -x -C "$directory" --wildcards "$@" 2>/dev/null || :';
  await output("sh", ["-c", script, "sh", packagePath, directory, ...patterns]);
  Deno.removeSync(packagePath);
}

/**
 * The ELF image inside a bzImage. The header says where it lies (Documentation/arch/x86/boot.rst: `setup_sects`,
 * `payload_offset`, `payload_length`), its first bytes how it was compressed, and the four behind it how long it is.
 */
export async function uncompressedImage(bzImage: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const header = new DataView(bzImage.buffer);
  const start = ((header.getUint8(0x1f1) || 4) + 1) * 512 + header.getUint32(0x248, true);
  const end = start + header.getUint32(0x24c, true);
  const image = await decompress(bzImage.slice(start, end - 4));
  if (image.length !== header.getUint32(end - 4, true) || decoder.decode(image.subarray(1, 4)) !== "ELF") {
    throw new Error("Cannot find the ELF image inside the compressed kernel");
  }
  return image;
}

const decoder = new TextDecoder("latin1");

/** Loads in the order of their needs, each once; what is built in, or was not unpacked, is left out. */
async function modulesInOrder(files: readonly string[]): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const paths = new Map(files.flatMap((path) => {
    const name = /([^/]+)\.ko(?:\.\w+)?$/.exec(path)?.[1].replaceAll("-", "_");
    return name === undefined ? [] : [[name, path] as const];
  }));
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = async (name: string): Promise<void> => {
    const path = paths.get(name);
    if (path === undefined || found.has(name)) return;
    const bytes = await decompress(Deno.readFileSync(path));
    const needs = /\0depends=([\w,-]*)\0/.exec(decoder.decode(bytes))?.[1] ?? "";
    for (const need of needs.split(",").filter(Boolean)) await add(need.replaceAll("-", "_"));
    found.set(name, bytes);
  };
  for (const name of modules) await add(name);
  return found;
}

/** By its first bytes: xz, zstd, gzip, or not compressed at all. */
async function decompress(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const magic = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (magic === "fd377a58") return await output("xz", ["-dc"], { stdin: bytes });
  if (magic === "28b52ffd") return await output("zstd", ["-dcq"], { stdin: bytes });
  if (magic.startsWith("1f8b")) {
    return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  }
  return bytes;
}

async function removeTree(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
