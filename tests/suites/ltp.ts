import { UsageError } from "../../lib/errors.ts";
import { readLtpOutput } from "./ltp_output.ts";
import type { Entry, Suite } from "./suite.ts";

/**
 * Directories of `testcases/kernel/syscalls` whose programs are run: files by name and by descriptor, their data, and who
 * the caller is.
 */
export const ltpDirectories: readonly string[] = [
  ...["access", "faccessat", "faccessat2", "cachestat", "chdir", "fchdir", "chmod", "fchmod", "fchmodat", "fchmodat2"],
  ...["chown", "fchown", "fchownat", "lchown", "chroot", "close", "close_range", "creat", "dup", "dup2", "dup3", "fallocate"],
  ...["fcntl", "fdatasync", "flock", "fsync", "ftruncate", "truncate", "futimesat", "getcwd", "getdents", "ioctl", "link", "linkat"],
  ...["lseek", "llseek", "mkdir", "mkdirat", "mknod", "mknodat", "open", "openat", "openat2", "open_by_handle_at", "open_tree"],
  ...["pread", "preadv", "preadv2", "pwrite", "pwritev", "pwritev2", "read", "readv", "readdir", "readlink", "readlinkat"],
  ...["rename", "renameat", "renameat2", "rmdir", "setfsuid", "setfsgid", "setresuid", "stat", "fstat", "fstatat", "lstat", "statfs"],
  ...["fstatfs", "statmount", "statvfs", "statx", "symlink", "symlinkat", "sync", "syncfs", "sync_file_range", "umask", "unlink"],
  ...["unlinkat", "ustat", "utime", "utimes", "utimensat", "write", "writev", "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr"],
  ...["getxattr", "lgetxattr", "listxattr", "llistxattr", "lremovexattr", "removexattr", "setxattr"],
];

/**
 * Lists what `runtest/syscalls` of an installed Linux Test Project runs of these directories: its lines are a name, a
 * program, and arguments. Installed programs lie in one folder; their names begin with the name of their directory.
 *
 * @param exists Whether a program is installed.
 */
export function readRuntest(text: string, directories: readonly string[], exists: (program: string) => boolean): Entry[] {
  const known = new Set(directories);
  return text.split("\n").flatMap((line) => {
    const [name, program, ...args] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (program === undefined || !known.has(directoryOf(program, directories)) || !exists(program)) return [];
    return [{ name, argv: [program, ...args] }];
  });
}

/** The longest directory that a program's name consists of, before its number or another word. */
function directoryOf(program: string, directories: readonly string[]): string {
  const fits = directories.filter((directory) => program.startsWith(directory) && /^(?:\d|_|$)/.test(program.slice(directory.length)));
  return fits.reduce((best, next) => next.length > best.length ? next : best, "");
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
    entries: readRuntest(runtest, ltpDirectories, (program) => programs.has(program)).map(({ name, argv: [program, ...args] }) => ({
      name,
      argv: [`${bin}/${program}`, ...args],
    })),
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
