import { waitAmong } from "../../ffi/ending.ts";
import type { KernelFiles } from "../../ffi/kernel_root.ts";
import { launch, type Launched, release } from "../../ffi/launch.ts";
import { sendSignal } from "../../ffi/task.ts";
import { startTicksOf } from "../../lib/plan/store.ts";
import { EndingSignals } from "../ending_signals.ts";

/** What a command goes on for. */
export interface Span {
  /** The program; without one it is a time, or until somebody says so. */
  readonly argv: readonly string[];
  /** The longest time, in seconds. */
  readonly seconds?: number;
  /** Time between two steps, in seconds. */
  readonly periodSeconds: number;
  /** Variables for the program. */
  readonly addEnv?: Readonly<Record<string, string>>;
  /** Fires when somebody asks us to end, with the number of the signal as its reason; those from now on by default. */
  readonly asked?: AbortSignal;
  /** Whether the program stops before its first instruction until `onStart` has returned; not where tracing is not permitted. */
  readonly holdsProgram?: boolean;
  /** Is told the process id of the program, and whether it is held. */
  readonly onStart?: (pid: number, isHeld: boolean) => void;
  /** Asked after each step: whether nobody needs another one. A program goes on. */
  readonly isOver?: () => boolean;
}

/** Hears signals that ask us to end, from now on until it is disposed: none of them ends us at once. */
export class EndingWish implements Disposable {
  readonly #controller = new AbortController();
  readonly #signals: EndingSignals;

  /** Begins to listen. */
  constructor(kernel: KernelFiles) {
    this.#signals = new EndingSignals(kernel, (number) => this.#controller.abort(number));
  }

  /** Fires at the first one; its reason is the number of the signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    this.#signals[Symbol.dispose]();
  }
}

/** How it ended. */
export interface SpanEnd {
  /** The exit status of the program; 0 without one. */
  readonly code: number;
  /** What ended it first. */
  readonly by: "program" | "time" | "signal";
  /** How long the program ran, or we did. */
  readonly seconds: number;
}

/**
 * Takes a step now and at every period, until the program ends, the time is over, or somebody signals us to end, and a last one
 * then. The program goes on when the time is over; it gets the signals that are meant for us, and ends with us.
 *
 * @throws {LaunchError} If the program cannot be executed.
 * @throws What a step or `onStart` throws, when the program has ended.
 */
export async function during(kernel: KernelFiles, span: Span, step: () => void): Promise<SpanEnd> {
  const { argv, seconds, periodSeconds, addEnv, onStart, isOver } = span;
  // Before anything is done that has to be undone.
  using wish = span.asked === undefined ? new EndingWish(kernel) : null;
  const asked = span.asked ?? wish!.signal;
  if (asked.aborted) return { code: argv.length === 0 ? 0 : 128 + asked.reason, by: "signal", seconds: 0 };
  const over = new AbortController();
  const end = (by: SpanEnd["by"]) => over.abort(by);
  step();
  const program = argv.length === 0 ? null : launch({ argv, addEnv, dieWithParent: true, forwardSignals: true, isHeld: span.holdsProgram });
  const starting = program === null ? Promise.resolve() : tell(program, onStart);
  const startMs = performance.now();
  // What came before the program was there is meant for it, too.
  const onAsked = () => program === null ? end("signal") : passOn(kernel, program.pid, asked.reason);
  asked.addEventListener("abort", onAsked);
  const endTimer = seconds === undefined ? () => {} : after(seconds * 1000, () => end("time"));
  const ending = program === null ? null : waitAmong(program).finally(() => end("program"));
  const steps = () =>
    repeat(periodSeconds * 1000, over.signal, () => {
      step();
      if (isOver?.()) end("signal");
    });
  const stepping = starting.then(steps);
  const [status] = await Promise.all([ending, stepping.catch(() => {})]);
  endTimer();
  asked.removeEventListener("abort", onAsked);
  await stepping;
  return { code: status?.code ?? 0, by: over.signal.reason, seconds: (performance.now() - startMs) / 1000 };
}

/** A timer of any length, of which a single one has 32 bits of milliseconds. Returns what ends it before. */
function after(ms: number, then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const wait = (ms: number) => {
    timer = setTimeout(() => ms > timerMsMax ? wait(ms - timerMsMax) : then(), Math.min(ms, timerMsMax));
  };
  wait(ms);
  return () => clearTimeout(timer);
}

const timerMsMax = 2 ** 31 - 1;

/** Lets a program that is held run, whatever `onStart` does. Rejects with what that throws. */
function tell(program: Launched, onStart: Span["onStart"]): Promise<void> {
  try {
    return Promise.resolve(onStart?.(program.pid, program.isHeld === true));
  } catch (error) {
    return Promise.reject(error);
  } finally {
    release(program);
  }
}

function passOn(kernel: KernelFiles, pid: number, signal: number): void {
  const startTicks = startTicksOf(kernel, pid);
  if (startTicks !== null) sendSignal(pid, BigInt(startTicks), signal);
}

/** Periods that went by during a step are left out. */
async function repeat(periodMs: number, over: AbortSignal, step: () => void): Promise<void> {
  const startMs = performance.now();
  for (let count = 1; !over.aborted;) {
    await pause(startMs + count * periodMs - performance.now(), over);
    step();
    count = Math.max(count + 1, Math.ceil((performance.now() - startMs) / periodMs));
  }
}

function pause(ms: number, over: AbortSignal): Promise<void> {
  if (over.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      over.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    over.addEventListener("abort", done);
  });
}
