import type { Result } from "./result.ts";
import { Scratch } from "./scratch.ts";
import type { Entry, Suite } from "./suite.ts";

/** Where and how entries are run. */
export interface RunOptions {
  /** Parent of the directories that the runs have. */
  readonly directory: string;
  /** A run that takes longer is ended. */
  readonly limitMs: number;
}

/** A run, and all that it wrote. */
export interface Run {
  /** How it ended. */
  readonly result: Result;
  /** Its standard output and error, in their order. */
  readonly output: string;
}

/** The shell redirects the output to a file, so that nobody waits for children that keep a pipe open. */
const script = 'out=$1; shift; exec "$@" >"$out" 2>&1';

/** Runs one entry in a directory and a session of its own; `prefix` comes before the program. */
export async function runEntry(suite: Suite, entry: Entry, prefix: readonly string[], options: RunOptions): Promise<Run> {
  using output = new Scratch(options.directory);
  using scratch = new Scratch(options.directory);
  const file = `${output.path}/output`;
  const startedMs = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", script, "sh", file, ...prefix, ...entry.argv],
    cwd: scratch.path,
    env: { ...suite.environment(scratch.path), NODEOS_SCRATCH: scratch.path },
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  const watch = { timedOut: false };
  const timer = setTimeout(() => {
    watch.timedOut = true;
    endSession(child.pid, scratch);
  }, options.limitMs);
  const { code } = await child.status;
  clearTimeout(timer);
  const text = new TextDecoder().decode(Deno.readFileSync(file));
  return { result: { code, ...watch, ...suite.read(text), durationMs: Math.round(performance.now() - startedMs) }, output: text };
}

/** Ends the whole session, and who left it. */
function endSession(pid: number, scratch: Scratch): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  scratch.endLeftovers();
}
