import { KernelRoot } from "../../../ffi/kernel_root.ts";

const kernel = new KernelRoot();

/** Removes empty cgroups; a program that was just ended may keep one busy for a moment. */
export async function removeCgroups(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    for (let attempt = 0; kernel.exists(directory); attempt++) {
      try {
        Deno.removeSync(directory);
      } catch (error) {
        if (attempt === 20) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

/** Runs a script, of which every command has to succeed. */
export async function shell(script: string): Promise<void> {
  await run(["sh", "-e", "-c", script]);
}

/** Runs a command that has to succeed. */
export async function run([program, ...args]: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`Cannot measure: ${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Why a command does not work here, in a few words; `null` when it does. */
export function reasonOf([program, ...args]: readonly string[]): string | null {
  try {
    const { success, stderr } = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" }).outputSync();
    return success ? null : new TextDecoder().decode(stderr).trim().split("\n")[0];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `${program} is not installed`;
  }
}
