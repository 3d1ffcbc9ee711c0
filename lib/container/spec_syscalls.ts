import { z } from "zod";
import { parseDurationNs } from "./quantity.ts";
import { filled, map, parsed } from "./spec_schema.ts";
import { expected } from "./spec_words.ts";
import type { SyscallRequest } from "./syscall_wish.ts";
import { parseUser } from "./user.ts";

const callsRemedy = 'Write a list of system calls and groups, such as [openat, "@path"]';
const callList = (what: string) => z.array(filled("a system call", callsRemedy), expected(what, callsRemedy)).optional();
const profileRemedy = "Write full, lean, cnk, cnk-strict, or the path of a profile";
/** The map that `syscalls` may be. */
export const syscallMap = map("syscalls", {
  profile: filled("profile", profileRemedy),
  allow: callList("allow"),
  forward: callList("forward"),
  inject: callList("inject"),
  handle: callList("handle"),
  deny: callList("deny"),
  switchable: callList("switchable"),
  handlers: filled("handlers", "Write the path of a TypeScript module").optional(),
  user: parsed("user", "Write numbers, as in 1000 or 1000:100", parseUser).optional(),
  spin: parsed("spin", "Write a time, such as 50us, or off", (text) => text === "off" ? 0 : parseDurationNs(text)).optional(),
});
/** `syscalls` of a container: a profile, or a map. */
export const syscalls = z.preprocess((value) => typeof value === "string" ? { profile: value } : value, syscallMap).transform(syscallsOf);

/** Lists by action become switches; a denied call may bring its errno, as in `ptrace:EPERM`. */
function syscallsOf({ profile, switchable, handlers, user, spin, ...lists }: z.output<typeof syscallMap>): SyscallRequest {
  const switches = Object.entries(lists).flatMap(([action, calls = []]) =>
    calls.map((call) => {
      const [name, errno] = call.split(":");
      return `${name}=${action}${errno === undefined ? "" : `:${errno}`}`;
    })
  );
  return {
    profile,
    switches,
    ...(switchable === undefined ? {} : { switchable }),
    ...(handlers === undefined ? {} : { handlers }),
    ...(user === undefined ? {} : { user }),
    ...(spin === undefined ? {} : { spinUs: Math.round(spin / 1000) }),
  };
}
