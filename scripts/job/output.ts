import { type LaunchRequest, stdioNull } from "../../ffi/launch.ts";
import { LineRelay } from "../../ffi/relay.ts";

/** How the programs of a job share our output. */
export interface OutputOptions {
  /** Begin each line with the name of the container. */
  readonly isPrefixed: boolean;
  /** Whether a program has our standard input: only when it is alone. */
  readonly hasInput: boolean;
  /** Where their standard output goes: 1, or 2 when ours is for a document. */
  readonly outputFd: 1 | 2;
}

const errorFd = 2;

/** Standard input, output and error of the programs of a job. Disposing writes out what they have written. */
export class JobOutput implements AsyncDisposable {
  readonly #relays: LineRelay[] = [];

  constructor(readonly options: OutputOptions) {}

  /** What the program of a container gets. */
  stdioOf(container: string): NonNullable<LaunchRequest["stdio"]> {
    const { isPrefixed, hasInput, outputFd } = this.options;
    const [out, err] = isPrefixed ? [this.#relay(container, outputFd), this.#relay(container, errorFd)] : [outputFd, errorFd];
    return [hasInput ? -1 : stdioNull, out, err];
  }

  #relay(container: string, toFd: number): number {
    const relay = new LineRelay(toFd, `${container} | `);
    this.#relays.push(relay);
    return relay.fd;
  }

  /** Resolves when everything has come out. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.#relays.splice(0)) await relay[Symbol.asyncDispose]();
  }
}
