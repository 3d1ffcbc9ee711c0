import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { readTopology } from "../../lib/kernel/topology.ts";
import { writeTau } from "../../lib/power/glue/tau.ts";
import type { Trace } from "../../lib/power/trace/trace.ts";
import type { Context } from "../context.ts";
import { makeDirectory, stdout, TextOutput } from "./output.ts";
import { canDraw, type PictureWords, placesOf, tracePicture } from "./picture.ts";

/** Where a trace goes besides. */
export interface ResultFlags {
  /** File for the picture. */
  readonly svg?: string;
  /** Directory for a profile. */
  readonly tau?: string;
}

/** Whether rows are needed. */
export function wantsRows({ svg, tau }: ResultFlags): boolean {
  return svg !== undefined || tau !== undefined;
}

/** Picture and profile of a trace. Their files are opened before anything is measured: a run may take days. */
export class Results implements Disposable {
  readonly #picture: TextOutput | null;

  /** Opens them. Throws a `RefusedError` if they cannot be written. */
  constructor(readonly context: Context, readonly flags: ResultFlags) {
    this.#picture = flags.svg === undefined ? null : new TextOutput(flags.svg);
    if (flags.tau !== undefined) makeDirectory(flags.tau);
  }

  /** Writes them, and says so. */
  write(kernel: KernelFiles, trace: Trace, words: PictureWords): void {
    if (!wantsRows(this.flags)) return;
    if (!canDraw(trace)) return this.context.say("nodeos: nothing to show over time: it was over within a period");
    if (this.flags.tau !== undefined) this.context.say(`Wrote ${writeTau(this.flags.tau, trace).join(", ")}`);
    if (this.#picture === null) return;
    this.#picture.write(tracePicture(trace, placesOf(readTopology(kernel)), words));
    if (this.flags.svg !== stdout) this.context.say(`Wrote the picture to ${this.flags.svg}`);
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.#picture?.[Symbol.dispose]();
  }
}

/** Words over a picture. */
export function titleOf(argv: readonly string[]): string {
  const words = argv.join(" ");
  return argv.length === 0 ? "Power of this node" : `Power during ${words.length > 60 ? `${words.slice(0, 57)}...` : words}`;
}
