import { formatBytes } from "../../lib/report/quantity.ts";
import type { Context } from "../context.ts";

/** A line on standard error that says how far a command is, where that is a terminal. */
export class Progress {
  readonly #begin = performance.now();
  #shown = this.#begin;
  #isVisible = false;

  /**
   * A line.
   *
   * @param what What is being done: `median of 30 layers`.
   * @param totalBytes What is to be read in all.
   * @param intervalMs The least time between two looks of the line.
   */
  constructor(
    readonly context: Pick<Context, "process">,
    readonly what: string,
    readonly totalBytes: number,
    readonly isTerminal: boolean = Deno.stderr.isTerminal(),
    readonly intervalMs = 200,
  ) {}

  /** Seconds since the beginning. */
  get seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  /** Says how much has been read. */
  update(doneBytes: number): void {
    const now = performance.now();
    if (!this.isTerminal || now - this.#shown < this.intervalMs) return;
    this.#shown = now;
    this.#isVisible = true;
    const share = this.totalBytes === 0 ? 1 : doneBytes / this.totalBytes;
    const rest = share > 0 ? this.seconds * (1 - share) / share : 0;
    const rate = formatBytes(Math.round(doneBytes / this.seconds));
    this.context.process.stderr.write(`\r\x1b[K${this.what}: ${Math.floor(share * 100)} %, ${rate}/s, ${Math.ceil(rest)} s left`);
  }

  /** Removes the line. */
  end(): void {
    if (this.#isVisible) this.context.process.stderr.write("\r\x1b[K");
    this.#isVisible = false;
  }
}
