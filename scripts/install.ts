/**
 * Installs the command `nodeos`: a launcher with its own permission set, the shells' completion and the manual page; and what
 * programs link with to use a container's memory.
 *
 * `deno task install [--prefix DIR]`, by default `/usr/local` for root and `~/.local` for others. The launcher starts
 * this checkout, bundled into `dist/`: install again after a change.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { compileWish } from "../lib/container/wish_compiler.ts";
import { hostArchitecture } from "../lib/syscall/arch.ts";
import { profileNames } from "../lib/syscall/profile.ts";
import { scripts as completions } from "./completion_scripts.ts";
import { manualPage } from "./man.ts";
import { writeReadyWish } from "./ready_wishes.ts";

const checkout = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** `nodeos run` in one file, and what it imports later by name, one file each: reading fifty takes longer. */
const bundles = ["nodeos", "main", "failure", "flags", "print_plan", "forwarding", "wish_compiler"] as const;

/**
 * What the launcher may do: load our library, read files (specifications, captures), write its state and files below the
 * directory it is called in. No programs but those that the library starts in containers, and no network.
 */
const permissions = [
  `"--allow-ffi=\${NODEOS_LIB:-${checkout}/build/libnodeos.so}"`,
  "--allow-read",
  "--allow-write=/run/nodeos,.",
  // LOG_*: the YAML reader asks for them.
  "--allow-env=CC,GLIBC_TUNABLES,LD_PRELOAD,LOG_STREAM,LOG_TOKENS,NODEOS_LIB,NODEOS_STATE,NO_COLOR,PATH,TERM",
];

/** Flags that keep Deno from looking for what a bundle does not need: 2 ms of 16. */
const plain = "--no-config --no-lock --no-npm --no-remote";

/**
 * The launcher as a shell script: `run` from the bundle, where milliseconds count, the other commands from the checkout.
 * The environment variable DENO names another deno than the one that installed it.
 */
export function launcher(deno: string): string {
  return `#!/bin/sh
case $1 in
run) set -- ${plain} ${permissions.join(" ")} "${checkout}/dist/nodeos.js" "$@" ;;
*) set -- "--config=${checkout}/deno.json" --no-lock ${permissions.join(" ")} "${checkout}/scripts/nodeos.ts" "$@" ;;
esac
exec "\${DENO:-${deno}}" run -q --no-prompt "$@"
`;
}

/** Tells V8 that nearly all functions of the file will run: compiled at once, they go into Deno's code cache: 1 ms. */
const compileAll = "//# allFunctionsCalledOnLoad";

async function bundle(): Promise<void> {
  for (const name of bundles) {
    const path = `${checkout}/dist/${name}.js`;
    const args = ["bundle", "-q", "--minify", "-o", path, `${checkout}/scripts/${name}.ts`];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, stdout: "null", stderr: "piped" }).output();
    if (!success) throw new Error(`Cannot bundle scripts/${name}.ts: ${new TextDecoder().decode(stderr)}`);
    if (name === "nodeos") Deno.writeTextFileSync(path, `${compileAll}\n${Deno.readTextFileSync(path)}`);
  }
}

/** Without a table of this machine's calls nothing is compiled; who wishes a profile is told so. */
function compileProfiles(): void {
  if (hostArchitecture() === null) return;
  for (const profile of profileNames) writeReadyWish(`${checkout}/dist`, profile, compileWish({ profile }));
}

/** What programs link with or include, by where it is in the checkout, and below the prefix. */
const runtimes: Readonly<Record<string, string>> = {
  "build/libnodeos-rt.so": "lib/libnodeos-rt.so",
  "build/libnodeos-preload.so": "lib/libnodeos-preload.so",
  "build/libnodeos-paging.so": "lib/libnodeos-paging.so",
  "build/libnodeos-paging-preload.so": "lib/libnodeos-paging-preload.so",
  "build/libnodeos-papi.so": "lib/libnodeos-papi.so",
  "build/libnodeos-cores.so": "lib/libnodeos-cores.so",
  "ffi/paging/nodeos_paging.h": "include/nodeos_paging.h",
  "ffi/paging/nodeos_umap.h": "include/nodeos_umap.h",
  "ffi/runtime/nodeos_cores.h": "include/nodeos_cores.h",
  "ffi/runtime/nodeos_memory.h": "include/nodeos_memory.h",
  "ffi/runtime/nodeos_sidecar.h": "include/nodeos_sidecar.h",
  "ffi/runtime/nodeos_memory.f90": "include/nodeos_memory.f90",
};

function install(prefix: string): void {
  const files = [
    { path: `${prefix}/bin/nodeos`, text: launcher(Deno.execPath()), mode: 0o755 },
    { path: `${prefix}/share/bash-completion/completions/nodeos`, text: `${completions.bash}\n`, mode: 0o644 },
    { path: `${prefix}/share/zsh/site-functions/_nodeos`, text: `${completions.zsh}\n`, mode: 0o644 },
    { path: `${prefix}/share/fish/vendor_completions.d/nodeos.fish`, text: `${completions.fish}\n`, mode: 0o644 },
    { path: `${prefix}/share/man/man1/nodeos.1`, text: manualPage(), mode: 0o644 },
  ];
  for (const { path, text, mode } of files) {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text, { mode });
    Deno.chmodSync(path, mode);
    console.log(`installed ${path}`);
  }
  for (const [from, to] of Object.entries(runtimes)) {
    const path = `${prefix}/${to}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    // A running program keeps the file it mapped: the new one takes the name, not the place.
    Deno.copyFileSync(`${checkout}/${from}`, `${path}.new`);
    Deno.chmodSync(`${path}.new`, to.endsWith(".so") ? 0o755 : 0o644);
    Deno.renameSync(`${path}.new`, path);
    console.log(`installed ${path}`);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ args: Deno.args, options: { prefix: { type: "string" } } });
  try {
    await bundle();
    compileProfiles();
    install(values.prefix ?? (Deno.uid() === 0 ? "/usr/local" : `${Deno.env.get("HOME")}/.local`));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
