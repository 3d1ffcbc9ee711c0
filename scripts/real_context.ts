import { type KernelFiles, KernelRoot, type KernelWriter } from "../ffi/kernel_root.ts";
import { Node } from "../lib/container/node.ts";
import { RefusedError } from "../lib/errors.ts";
import { variable } from "../ffi/library.ts";
import type { Context } from "./context.ts";
import { later } from "./later.ts";

const encoder = new TextEncoder();

/** The context of the running process and the running machine. */
export function realContext(): Context {
  const stateDirectory = variable("NODEOS_STATE") ?? "/run/nodeos";
  const out = (text: string) => writeAll(Deno.stdout, text);
  const err = (text: string) => writeAll(Deno.stderr, text);
  let kernel: Promise<KernelFiles & KernelWriter> | undefined;
  let node: Promise<Node> | undefined;
  let recoveredNode: Promise<Node> | undefined;
  const context: Context = {
    process: { stdout: { write: out }, stderr: { write: err } },
    stateDirectory,
    kernel: () => kernel ??= Promise.resolve(new KernelRoot()),
    node: () => recoveredNode ??= recovered(context),
    unrecoveredNode: () => node ??= openNode(context),
    print: (text) => out(`${text}\n`),
    say: (text) => err(`${text}\n`),
    json: (document) => out(`${JSON.stringify({ schemaVersion: 1, ...document }, null, 2)}\n`),
  };
  return context;
}

async function openNode(context: Context): Promise<Node> {
  return new Node(await context.kernel(), context.stateDirectory, {
    onRecovery({ removed, left }) {
      context.say(`nodeos: put back what the dead command of ${removed.join(", ")} had changed`);
      for (const { step, found } of left) {
        context.say(`nodeos: ${step.what} is still ${found}, not ${step.from}; the next command tries again`);
      }
    },
    loadForwarding: async () => (await later<typeof import("./forwarding.ts")>("forwarding")).forwarding,
  });
}

async function recovered(context: Context): Promise<Node> {
  const node = await context.unrecoveredNode();
  try {
    await node.recover();
  } catch (error) {
    // Looking works for everybody; putting back is root's.
    if (!(error instanceof RefusedError)) throw error;
    context.say(`nodeos: a dead command left changes behind that only root can put back (${error.message})`);
  }
  return node;
}

/** A pipe may take less than all at once. */
function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    // The reader left (`nodeos ps | head -1`): there is nobody to write for, and nothing to complain about.
    if (error instanceof Deno.errors.BrokenPipe) return;
    throw new RefusedError(`Cannot write all of what there is to say: ${(error as { code?: string }).code ?? error}`, { cause: error });
  }
}
