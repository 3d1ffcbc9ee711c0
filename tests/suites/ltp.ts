import { UsageError } from "../../lib/errors.ts";
import { reasonToLeaveOut } from "./ltp_left_out.ts";
import { readLtpOutput } from "./ltp_output.ts";
import type { Entry, Suite } from "./suite.ts";

/**
 * Lists what `runtest/syscalls` of an installed Linux Test Project runs: its lines are a name, a program, and arguments.
 * What is not installed, because it does not build here, is no entry.
 *
 * @param exists Whether a program is installed.
 */
export function readRuntest(text: string, exists: (program: string) => boolean): Entry[] {
  return text.split("\n").flatMap((line) => {
    const [name, program, ...args] = line.replace(/#.*/, "").trim().split(/\s+/);
    return program === undefined || !exists(program) ? [] : [{ name, argv: [program, ...args] }];
  });
}

/**
 * The system-call tests of the Linux Test Project, as installed below `root`.
 *
 * @throws {UsageError} If nothing is installed there.
 */
export function ltp(root: string): Suite {
  const bin = `${root}/testcases/bin`;
  let runtest: string;
  let programs: Set<string>;
  try {
    runtest = Deno.readTextFileSync(`${root}/runtest/syscalls`);
    programs = new Set([...Deno.readDirSync(bin)].map(({ name }) => name));
  } catch (cause) {
    throw new UsageError(`Cannot use ${root} as the Linux Test Project: it has no runtest/syscalls and testcases/bin`, {
      cause,
      remedy: "Give the directory that it was installed to",
    });
  }
  return {
    name: "ltp",
    entries: readRuntest(runtest, (program) => programs.has(program)).map(({ name, argv: [program, ...args] }) => ({
      name,
      argv: [`${bin}/${program}`, ...args],
    })),
    leftOut: reasonToLeaveOut,
    environment: (directory) => ({
      TMPDIR: directory,
      LTPROOT: root,
      PATH: `${Deno.env.get("PATH")}:${bin}`,
      LTP_COLORIZE_OUTPUT: "n",
      // One file system instead of all that the machine has: what is tested is on this side of them.
      LTP_DEV_FS_TYPE: "ext4",
      LTP_SINGLE_FS_TYPE: "ext4",
    }),
    read: readLtpOutput,
  };
}
