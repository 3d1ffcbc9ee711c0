import type { Architecture } from "../../../lib/syscall/arch.ts";

/** A C compiler for one architecture. */
export class Compiler {
  /** A compiler by its command. */
  constructor(readonly command: string) {}

  /** Compiles a source with further arguments; returns what the compiler says on standard output, and throws what it complains of. */
  async compile(source: string, ...args: string[]): Promise<string> {
    const child = new Deno.Command(this.command, {
      args: ["-std=c17", "-xc", ...args, "-"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(source));
    await writer.close();
    const { success, stdout, stderr } = await child.output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }
}

/** Compilers for the architectures, or why there is none, as the ending of a test's name. */
export const compilers: Readonly<Record<Architecture, { readonly compiler: Compiler | null; readonly note: string }>> = {
  x86_64: await find("x86_64"),
  aarch64: await find("aarch64"),
};

async function find(architecture: Architecture): Promise<{ compiler: Compiler | null; note: string }> {
  const command = architecture === Deno.build.arch ? "gcc" : `${architecture}-linux-gnu-gcc`;
  try {
    const compiler = new Compiler(command);
    // The headers of the C library come in a package of their own.
    await compiler.compile("#include <asm/unistd.h>\n#include <stdio.h>\n", "-fsyntax-only");
    return { compiler, note: "" };
  } catch {
    return { compiler: null, note: ` [needs ${command} and its C library]` };
  }
}
