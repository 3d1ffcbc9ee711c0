import type { KernelFiles } from "../ffi/kernel_root.ts";
import { ignoreSignal } from "../ffi/task.ts";
import { isInForeground } from "../lib/kernel/terminal.ts";

/** What asks a command to end, by number. */
const signals = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
/** What a terminal's keyboard sends to everything in the foreground. */
const typed: readonly string[] = ["SIGINT", "SIGQUIT"];

type SignalName = keyof typeof signals;

/** Hears the signals that ask us to end, until it is disposed. Those that we were told to ignore (`nohup`) stay ignored. */
export class EndingSignals implements Disposable {
  readonly #listeners: { readonly name: SignalName; readonly listener: () => void }[];

  /**
   * Begins to listen.
   *
   * @param onSignal Gets the signal's number, and whether it may have been typed: everything in the foreground of our
   * terminal has it then.
   */
  constructor(kernel: KernelFiles, onSignal: (signal: number, isTyped: boolean) => void) {
    const bits = ignoredSignals(kernel);
    const names = Object.keys(signals) as SignalName[];
    const ignored = names.filter((name) => bits >> BigInt(signals[name] - 1) & 1n);
    this.#listeners = names.filter((name) => !ignored.includes(name)).map((name) => {
      // Deno does not say who sent it.
      const listener = () => onSignal(signals[name], typed.includes(name) && isInForeground(kernel, Deno.pid));
      Deno.addSignalListener(name, listener);
      return { name, listener };
    });
    // With the first listener Deno takes some more signals for itself, and would end at those.
    for (const name of ignored) ignoreSignal(signals[name]);
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const { name, listener } of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}

/** Bit N - 1 stands for signal N. */
function ignoredSignals(kernel: KernelFiles): bigint {
  return BigInt(`0x${/^SigIgn:\s*([0-9a-f]+)$/m.exec(kernel.read("/proc/self/status"))?.[1] ?? "0"}`);
}
