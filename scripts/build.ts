/**
 * Compiles `ffi/native` into `build/`: `libnodeos.so`, the program `nodeos-helper` that runs inside containers, and
 * `nodeos-forwarder` that executes system calls for them; and `ffi/runtime`: `libnodeos-rt.so` for programs that use a
 * container's memory, `libnodeos-preload.so` for those that know nothing of it, `libnodeos-cores.so` for programs of OpenMP whose cores
 * change; and `ffi/paging`: `libnodeos-paging.so` for programs
 * that page from user space, `libnodeos-paging-preload.so` for those that know nothing of it. Deno reaches paging through
 * `libnodeos.so`; and `ffi/papi`: `libnodeos-papi.so`, which shows tools of PAPI what `nodeos power` measures.
 *
 * The result is cached by content: a stamp beside it holds the hash of sources, compiler and flags.
 * `--sanitize` builds a second copy with the address and undefined-behaviour sanitizers into `build/asan/`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Compiler, digest, exists } from "./compiler.ts";

const root = new URL("..", import.meta.url).pathname;
const sources = `${root}ffi/native`;
const runtimeSources = `${root}ffi/runtime`;
const pagingSources = `${root}ffi/paging`;
const papiSources = `${root}ffi/papi`;
/** What both libraries of `ffi/runtime` have; the rest of each begins with its own name. */
const arena = ["arena.c", "arena_books.c", "arena_cache.c", "arena_fault.c", "arena_grow.c"];
const flags = ["-std=c17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fPIC", "-pthread"];
/** Functions are looked up at once: at the first call it takes kilobytes of stack, and locks, which a handler of signals does not have. */
const shared = ["-shared", "-Wl,-z,nodelete", "-Wl,-z,defs", "-Wl,-z,now"];

/** Builds what is out of date and returns the path of the library. */
export async function build({ sanitize = false }: { sanitize?: boolean } = {}): Promise<string> {
  const compilerName = Deno.env.get("CC") ?? "gcc";
  const extra = [
    ...(Deno.env.get("CFLAGS") ?? "").split(" ").filter(Boolean),
    ...(sanitize ? ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] : []),
  ];
  const out = `${root}build${sanitize ? "/asan" : ""}`;
  const runtime = files(runtimeSources);
  const library = [...files(sources), ...runtime.filter(isShare)];
  const programs = ["helper", "forwarder"].map((name) => ({ name: `nodeos-${name}`, files: files(`${sources}/${name}`) }));
  const paging = files(pagingSources);
  const papi = files(papiSources);
  const runtimes = [...runtimesOf(runtime, sanitize), ...pagingsOf(paging), { name: "libnodeos-papi.so", files: papi, options: [] }];
  const all = [...library, ...programs.flatMap(({ files }) => files), ...runtime, ...paging, ...papi];
  const texts = (paths: readonly string[]) => paths.map((path) => `${path}\n${Deno.readTextFileSync(path)}`);
  const stamp = await digest([compilerName, ...flags, ...extra, ...shared, ...texts(all)]);
  const names = ["libnodeos.so", ...[...programs, ...runtimes].map(({ name }) => name)];
  if (isCurrent(out, names, stamp)) return `${out}/libnodeos.so`;

  const headers = await digest(texts(all.filter((path) => path.endsWith(".h"))));
  const compiler = new Compiler(compilerName, [...flags, ...extra], `${out}/objects`, headers);
  const objects = (paths: readonly string[], options?: readonly string[]) =>
    compiler.objects(paths.filter((path) => path.endsWith(".c")), options);
  await Promise.all([
    objects([...library, ...paging.filter((path) => !isPreload(path))]).then((made) =>
      compiler.link(`${out}/libnodeos.so.new`, made, shared)
    ),
    ...runtimes.map(async ({ name, files, options }) =>
      compiler.link(`${out}/${name}.new`, await objects(files, options), [...options, ...shared])
    ),
    ...programs.map(async ({ name, files }) => compiler.link(`${out}/${name}.new`, await objects([...files, ...library]))),
  ]);
  compiler.forget();
  // A running command keeps the file it mapped: the new one takes the name, not the place.
  for (const name of names) {
    if (exists(`${out}/${name}.new`)) Deno.renameSync(`${out}/${name}.new`, `${out}/${name}`);
  }
  Deno.writeTextFileSync(`${out}/stamp`, stamp);
  return `${out}/libnodeos.so`;
}

/** The libraries of `ffi/runtime`, with their files. The one that replaces malloc has no room beside a sanitizer, which does too. */
function runtimesOf(runtime: readonly string[], sanitize: boolean) {
  const filesOf = (pattern: RegExp) => runtime.filter((path) => arena.some((name) => path.endsWith(`/${name}`)) || pattern.test(path));
  return [
    {
      name: "libnodeos-rt.so",
      files: [...filesOf(/\/(arena_api|memory_\w+)\.c$/), ...runtime.filter(isCores)],
      options: sanitize ? ["-DNODEOS_DEBUG"] : [],
    },
    { name: "libnodeos-cores.so", files: runtime.filter((path) => isCores(path) || path.endsWith("/cores_openmp.c")), options: [] },
    ...(sanitize
      ? []
      : [{ name: "libnodeos-preload.so", files: [...filesOf(/\/preload\w*\.c$/), ...runtime.filter(isShare)], options: [] }]),
  ];
}

/** The libraries of `ffi/paging`. What Deno calls is in `flat*.c`: it has no pointers. */
function pagingsOf(paging: readonly string[]) {
  const engine = paging.filter((path) => !isPreload(path) && !/\/flat\w*\.c$/.test(path));
  return [
    { name: "libnodeos-paging.so", files: engine, options: [] },
    { name: "libnodeos-paging-preload.so", files: [...engine, ...paging.filter(isPreload)], options: [] },
  ];
}

/** Whatever takes huge pages of a container keeps to its shares of NUMA nodes. */
const isShare = (path: string) => /\/memory_share\w*\.c$/.test(path);
/** How many cores to use: for programs that ask, and for those of OpenMP that do not. */
const isCores = (path: string) => path.endsWith("/cores.c");
const isPreload = (path: string) => /\/preload\w*\.c$/.test(path);

function files(directory: string): string[] {
  return [...Deno.readDirSync(directory)].filter(({ name }) => /\.[ch]$/.test(name)).map(({ name }) => `${directory}/${name}`).sort();
}

function isCurrent(out: string, names: readonly string[], stamp: string): boolean {
  return [...names, "stamp"].every((name) => exists(`${out}/${name}`)) && Deno.readTextFileSync(`${out}/stamp`) === stamp;
}

/** Somebody built the library already, and says where. */
function isReady(): boolean {
  const named = Deno.env.get("NODEOS_LIB");
  return named !== undefined && exists(named);
}

if (import.meta.main && !isReady()) {
  const { values } = parseArgs({ args: Deno.args, options: { sanitize: { type: "boolean" } } });
  try {
    await build(values);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
