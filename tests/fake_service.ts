/**
 * A service behind a Unix socket, on a thread of its own: asking it blocks the thread that asks. Its answers come from a
 * function given as text, which gets each request, and `state`, an object that lives as long as the service; a promise is
 * waited for, and `null` closes without an answer.
 *
 * @module
 */

import { sanitizer } from "./ffi/sanitizer.ts";

/** Starts a service at a path, and resolves when it listens. */
export async function serve(path: string, answer: string): Promise<Worker> {
  const code = `
    const listener = Deno.listen({ transport: "unix", path: ${JSON.stringify(path)} });
    const state = {};
    const answer = ${answer};
    postMessage("listens");
    for await (const connection of listener) {
      const bytes = new Uint8Array(65536);
      const length = await connection.read(bytes);
      const text = await answer(new TextDecoder().decode(bytes.subarray(0, length ?? 0)), state);
      const reply = new TextEncoder().encode(text ?? "");
      try {
        for (let sent = 0; sent < reply.length;) sent += await connection.write(reply.subarray(sent));
      } catch {
        // Who asked did not wait.
      }
      connection.close();
    }`;
  const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
  await new Promise((resolve) => worker.onmessage = resolve);
  return worker;
}

const isolate = 'mount -t tmpfs run /run && mkdir /run/irqbalance && exec "$@"';

/** Whether programs may have a directory /run of their own here. */
export const hasOwnRun: boolean = await runs("true");

/** Runs a program where /run is its own, and has an empty directory `irqbalance`. */
export function inOwnRun(...argv: string[]): Deno.Command {
  const args = ["-rm", "sh", "-c", isolate, "sh", ...argv];
  return new Deno.Command("unshare", { args, env: sanitizer, stdin: "null", stdout: "piped", stderr: "piped" });
}

async function runs(program: string): Promise<boolean> {
  try {
    return (await inOwnRun(program).output()).success;
  } catch {
    return false;
  }
}

/** Runs a module there that gets `serve`, and returns what it prints. */
export async function outputInOwnRun(script: string): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const imports = `import { serve } from ${JSON.stringify(import.meta.url)};\nconst checkout = ${
      JSON.stringify(new URL("..", import.meta.url).href)
    };\n`;
    await Deno.writeTextFile(path, `${imports}${script}\nDeno.exit();`);
    const { success, stdout, stderr } = await inOwnRun(Deno.execPath(), "run", "-q", "-A", "--no-check", path).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(path);
  }
}
