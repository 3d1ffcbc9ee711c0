/**
 * Runs the tests of `ffi/` with a library that checks every memory access and every undefined operation: gcc's address
 * and undefined-behaviour sanitizers, preloaded into Deno. Arguments are handed on to `deno test`.
 *
 * @module
 */

import { build } from "./build.ts";

const root = new URL("..", import.meta.url).pathname;

/** Path of gcc's sanitizer runtime; throws when there is none. */
async function runtimePath(): Promise<string> {
  const compiler = Deno.env.get("CC") ?? "gcc";
  const { stdout } = await new Deno.Command(compiler, { args: ["-print-file-name=libasan.so"] }).output();
  const path = new TextDecoder().decode(stdout).trim();
  // A compiler that does not have the file answers with the bare name.
  if (!path.startsWith("/")) {
    throw new Error(`Cannot check memory: ${compiler} has no libasan.so (Debian, Ubuntu: apt-get install gcc libc6-dev)`);
  }
  return path;
}

async function testSanitized(args: readonly string[]): Promise<number> {
  const library = await build({ sanitize: true });
  // Without the preload the runtime comes too late. Deno's own memory is not ours to check for leaks, and what it does
  // with its stacks is not ours to judge.
  const env = {
    NODEOS_LIB: library,
    LD_PRELOAD: await runtimePath(),
    ASAN_OPTIONS: "detect_leaks=0:abort_on_error=0:exitcode=99",
    UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1:exitcode=99",
  };
  const command = new Deno.Command(Deno.execPath(), { args: ["test", "-A", ...args], cwd: root, env });
  return (await command.spawn().status).code;
}

if (import.meta.main) {
  try {
    Deno.exit(await testSanitized(Deno.args.length > 0 ? Deno.args : ["tests/ffi"]));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
