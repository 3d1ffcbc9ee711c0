import { UsageError } from "../errors.ts";
import { quote } from "../quote.ts";

/** What somebody asks for of the system calls of a container's programs. */
export interface SyscallRequest {
  /** A profile by name (`full`, `lean`, `cnk`, `cnk-strict`), or the path of one's own. */
  readonly profile: string;
  /** Differences from the profile, as in `openat=allow`, `@path=forward` or `ptrace=deny:EPERM`. */
  readonly switches?: readonly string[];
  /** Calls and groups that may be switched while programs run, besides those of the profile. */
  readonly switchable?: readonly string[];
  /** A TypeScript module that takes over the calls that it exports handlers for. */
  readonly handlers?: string;
  /** Who owns the sidecar's socket; root by default. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** How long a thread that answered a call polls for the next one, in microseconds; 50 by default, 0 sleeps at once. */
  readonly spinUs?: number;
}

/**
 * Parses system calls as the command line has them: a profile, and differences from it with commas between them, as in
 * `cnk,openat=allow,ptrace=deny:EPERM`.
 *
 * @throws {UsageError} If it begins with no profile.
 */
export function parseSyscalls(text: string): SyscallRequest {
  const [profile, ...switches] = text.split(",");
  const wrong = profile === "" || profile.includes("=") ? profile : switches.find((word) => !word.includes("="));
  if (wrong === undefined) return { profile, switches };
  throw new UsageError(
    `Cannot read ${quote(text)} as system calls: ${wrong === profile ? "it begins with no profile" : `${quote(wrong)} says nothing`}`,
    {
      remedy: "Write a profile, and what is different, as in cnk,openat=allow,ptrace=deny:EPERM",
    },
  );
}
