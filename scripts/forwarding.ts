import { forwardingBy } from "../lib/container/forwarding.ts";
import type { SyscallRequest } from "../lib/container/syscall_wish.ts";
import type { CompiledWish } from "../lib/container/wish_compiler.ts";
import { later } from "./later.ts";
import { readyWish } from "./ready_wishes.ts";

/** What forwards system calls, in a file of its own: commands that need it import it later. */
export const forwarding = forwardingBy(() => Promise.resolve(compile));

/** Our own profiles, as they are, were compiled when the command was installed. */
async function compile(wish: SyscallRequest): Promise<CompiledWish> {
  return readyWish(wish) ?? (await later<typeof import("./wish_compiler.ts")>("wish_compiler")).compileWish(wish);
}
