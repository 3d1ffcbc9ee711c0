import { type ExitStatus, launch, type LaunchRequest, wait, waitAsync } from "../../ffi/launch.ts";
import { kernel } from "./host.ts";
import { sanitizer } from "./sanitizer.ts";

export { sanitizer };

/** The checkout, with a final slash. */
export const checkout: string = new URL("../../", import.meta.url).pathname;

/** A directory of this test process, for its sockets and files; removed when the process ends. */
export const scratch: string = Deno.makeTempDirSync({ prefix: "nodeos-ffi-" });
globalThis.addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));

// The functions are registered at their first use, which within a test would count as a leak.
await waitAsync(launch({ argv: ["true"] }), scratch);
wait(launch({ argv: ["true"] }));

/** The number of the descriptor under which we have a file open. */
export function descriptorOf(path: string): number {
  const found = kernel.list("/proc/self/fd").find(({ name }) => kernel.link(`/proc/self/fd/${name}`) === path);
  if (found === undefined) throw new Error(`${path} is not open`);
  return Number(found.name);
}

let fileCount = 0;

/** Runs a program to its end and returns what it wrote to its standard output. */
export function capture(request: LaunchRequest): ExitStatus & { readonly out: string } {
  const path = `${scratch}/out-${fileCount++}`;
  using _file = Deno.openSync(path, { create: true, write: true });
  const status = wait(launch({ stdio: [-1, descriptorOf(path), -1], ...request }));
  const out = Deno.readTextFileSync(path);
  Deno.removeSync(path);
  return { ...status, out };
}

/** Runs a shell script to its end and returns what it wrote. */
export function shell(script: string, request: Omit<LaunchRequest, "argv"> = {}): ExitStatus & { readonly out: string } {
  return capture({ argv: ["sh", "-c", script], ...request });
}

/** Starts a Deno process that runs a script; `ffi` is the URL of our folder `ffi/` there. */
export function denoProcess(script: string, options: Deno.CommandOptions = {}, permissions: readonly string[] = ["-A"]): Deno.ChildProcess {
  const path = `${scratch}/script-${fileCount++}.ts`;
  Deno.writeTextFileSync(path, `const ffi = ${JSON.stringify(`file://${checkout}ffi/`)};\n${script}`);
  const args = ["run", "-q", "--no-check", "--no-prompt", ...permissions, path];
  return new Deno.Command(Deno.execPath(), { args, env: sanitizer, stdin: "null", stdout: "piped", stderr: "piped", ...options }).spawn();
}

/** Lines of a stream, as they come. */
export async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}
