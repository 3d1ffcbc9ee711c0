import { check } from "./errors.ts";
import { type ExitStatus, type Launched, type Placement, statusOf } from "./launch.ts";
import { cstr, lazyLibrary } from "./library.ts";
import { cpuWords, maskOf } from "./task.ts";

const library = lazyLibrary({
  // int32_t nodeos_ending_watch(int32_t token, int32_t pidfd, const char *threads_path, const uint64_t *cpus);
  nodeos_ending_watch: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
  // int32_t nodeos_ending_next(int32_t *ret_token);
  nodeos_ending_next: { parameters: ["buffer"], result: "i32", nonblocking: true },
});

/** Programs that are waited for, by the token that the library gives back. */
const waiting = new Map<number, PromiseWithResolvers<number>>();
let tokenCount = 0;
let isAsking = false;

/**
 * Waits for a program among others: however many there are, they hold one thread of Deno's together. Needs no permission
 * besides that for the library. Programs are placed meanwhile, as by `wait()`.
 *
 * @throws {SysError} If it cannot be waited for.
 */
export async function waitAmong(launched: Launched, placement?: Placement): Promise<ExitStatus> {
  const token = tokenCount = tokenCount + 1 & 0x7fffffff;
  const threads = cstr(placement?.threadsPath ?? "");
  const action = () => `wait for process ${launched.pid}`;
  check(library().nodeos_ending_watch(token, launched.pidfd, threads, maskOf(placement?.cpus ?? [], cpuWords)), action);
  const ending = Promise.withResolvers<number>();
  waiting.set(token, ending);
  if (!isAsking) ask();
  return statusOf(check(await ending.promise, action));
}

/** Hands the endings out until nobody waits. */
async function ask(): Promise<void> {
  isAsking = true;
  const token = new Int32Array(1);
  while (waiting.size > 0) {
    const result = await library().nodeos_ending_next(token);
    waiting.get(token[0])!.resolve(result);
    waiting.delete(token[0]);
  }
  isAsking = false;
}
