/**
 * Runs one program with system calls forwarded, without a container: `deno run -A tests/suites/forwarded.ts SYSCALLS --
 * PROGRAM...`, where SYSCALLS is as for `nodeos run`; `@path=switchable` besides lets calls through that could be switched.
 *
 * @module
 */

import { startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { KernelRoot } from "../../ffi/kernel_root.ts";
import { launch, wait } from "../../ffi/launch.ts";
import { ownerSelf } from "../../lib/plan/store.ts";
import { Board, encodeBoard } from "../../lib/syscall/board.ts";
import { hostArchitecture } from "../../lib/syscall/arch.ts";
import { compileFilter } from "../../lib/syscall/filter.ts";
import { resolvePolicy } from "../../lib/syscall/policy.ts";

/** Exit status when it was not the program that failed, as of `nodeos run`. */
const ownFailure = 125;

/** Runs a program under a profile and switches; its exit status. Calls that went back are named when asked. */
async function runForwarded(wish: string, argv: readonly string[], counts: boolean): Promise<number> {
  const [profile, ...words] = wish.split(",");
  const isSwitchable = (word: string) => word.endsWith("=switchable");
  const switchable = words.filter(isSwitchable).map((word) => word.split("=")[0]);
  const switches = words.filter((word) => !isSwitchable(word));
  const policy = resolvePolicy({ profile, switches, switchable }, hostArchitecture()!);
  // Not below TMPDIR, which may be long: sockets have short names.
  const directory = Deno.makeTempDirSync({ dir: "/tmp", prefix: "nodeos-forwarded-" });
  const kernel = new KernelRoot();
  try {
    // When this is killed it ends with the last program.
    await startKeeper({ directory: `${directory}/seat`, board: encodeBoard(policy), owner: ownerSelf(kernel) });
    const filter = { program: compileFilter(policy), control: `${directory}/seat/control.sock` };
    const { code } = wait(launch({ argv, filter, forwardSignals: true }));
    if (counts) report(`${directory}/seat/board`);
    return code;
  } finally {
    await stopKeeper(`${directory}/seat`);
    Deno.removeSync(directory, { recursive: true });
  }
}

function report(path: string): void {
  using board = new Board(path, { readOnly: true });
  for (const [name, counter] of Object.entries(board.counters())) console.error(name, JSON.stringify(counter));
}

if (import.meta.main) {
  const counts = Deno.args[0] === "--counts";
  const [wish, separator, ...argv] = counts ? Deno.args.slice(1) : Deno.args;
  if (wish === undefined || separator !== "--" || argv.length === 0) {
    console.error("usage: deno run -A tests/suites/forwarded.ts [--counts] SYSCALLS -- PROGRAM...");
    Deno.exit(2);
  }
  let code = ownFailure;
  try {
    code = await runForwarded(wish, argv, counts);
  } catch (error) {
    console.error(error);
  }
  Deno.exit(code);
}
