import type { KernelFiles, KernelWriter } from "../ffi/kernel_root.ts";
import type { Node } from "../lib/container/node.ts";

/** What a command may touch. A test passes its own: a captured machine and strings. */
export interface Context {
  /** What the command framework writes help and errors to; `exitCode` becomes ours. */
  readonly process: {
    readonly stdout: { write(text: string): void };
    readonly stderr: { write(text: string): void };
    exitCode?: number | string | null;
  };
  /** The machine; opened on first use, since `--help` needs no library. */
  kernel(): Promise<KernelFiles & KernelWriter>;
  /** The containers of the machine, after what dead commands left was put back. */
  node(): Promise<Node>;
  /** The same without looking for that now: for calls that lock and look themselves. */
  unrecoveredNode(): Promise<Node>;
  /** Directory of our state, `/run/nodeos` by default. */
  readonly stateDirectory: string;
  /** Writes to stdout; a final newline is added. */
  print(text: string): void;
  /** Writes words for people to stderr; a final newline is added. */
  say(text: string): void;
  /** Writes the one JSON document of `--json` to stdout, `schemaVersion` first. */
  json(document: Record<string, unknown>): void;
}
