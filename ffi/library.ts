/** The ABI number that this folder was written for; `NODEOS_ABI` in `native/nodeos.h`. */
export const abi = 3;

/** Where the built library lies: `build/libnodeos.so` beside `deno.json`, or what `NODEOS_LIB` names. */
export function libraryPath(): string {
  return variable("NODEOS_LIB") ?? `${import.meta.dirname}/../build/libnodeos.so`;
}

/** An environment variable that this process may read; a variable that it may not read counts as unset. */
export function variable(name: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return undefined;
  return Deno.env.get(name);
}

let path: string | undefined;

/**
 * Registers functions of libnodeos, which stays loaded for the life of the process and is never closed. Each file of
 * this folder registers what it uses, when it is first used: Deno compiles a trampoline for each function, 0.12 ms, and
 * a short command should not pay for the thirty that it does not call.
 *
 * @returns A function that gives the registered ones; the first call registers them.
 */
export function lazyLibrary<const S extends Deno.ForeignLibraryInterface>(symbols: S): () => Deno.StaticForeignLibraryInterface<S> {
  let opened: Deno.StaticForeignLibraryInterface<S> | undefined;
  return () => opened ??= load({ nodeos_abi: { type: "i32" }, ...symbols } as const) as Deno.StaticForeignLibraryInterface<S>;
}

/** The functions that every command needs, registered together: to open the library once more costs 0.2 ms. */
export const coreLibrary = lazyLibrary({
  // int32_t nodeos_file(struct nodeos_file_call { int32_t action, size; }, const char *path, uint8_t *data);
  nodeos_file: { parameters: [{ struct: ["i32", "i32"] }, "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_launch(struct nodeos_launch_call { int32_t size; }, const uint8_t *request, struct nodeos_launched *ret_launched);
  nodeos_launch: { parameters: [{ struct: ["i32"] }, "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_wait(struct nodeos_wait_call { int32_t pidfd, stop_fd; }, const char *threads_path, const uint64_t *cpus);
  nodeos_wait: { parameters: [{ struct: ["i32", "i32"] }, "buffer", "buffer"], result: "i32" },
});

/** A structure of 32-bit integers, to pass by value. */
export function byValue(...fields: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Int32Array(fields).buffer);
}

function load(symbols: Deno.ForeignLibraryInterface): unknown {
  path ??= libraryPath();
  let opened: Record<string, unknown>;
  try {
    opened = Deno.dlopen(path, symbols).symbols as Record<string, unknown>;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Error(
      `Cannot load ${path}: ${
        error instanceof Error ? error.message : error
      }; build it with "deno task build", or point NODEOS_LIB at a ready one`,
      { cause: error },
    );
  }
  if (opened.nodeos_abi === abi) return opened;
  throw new Error(
    `Cannot use ${path}: its ABI is ${opened.nodeos_abi}, and this checkout needs ${abi}; build it again with "deno task build"`,
  );
}

const encoder = new TextEncoder();

/** A C string: the UTF-8 bytes of `text` and a final NUL. Throws a `TypeError` when the text itself holds one. */
export function cstr(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new TypeError(`Cannot pass ${JSON.stringify(text)} to the kernel: it contains a NUL byte`);
  return encoder.encode(`${text}\0`);
}
