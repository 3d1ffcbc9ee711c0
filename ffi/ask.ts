import { SysError } from "./errors.ts";
import { cstr, lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_ask(const char *socket_path, const char *request, uint8_t *ret_reply, int32_t size);
  nodeos_ask: { parameters: ["buffer", "buffer", "buffer", "i32"], result: "i32" },
});

const replyBytesMax = 64 * 1024;

/**
 * Asks a service of the machine one question over its Unix socket, and waits up to a second for each part of the answer.
 *
 * @param socketPath A socket of a service that the library knows (`/run/irqbalance/NAME`).
 * @returns All that it says before it closes, `""` when that is nothing; `null` when nobody listens there (any more).
 * @throws {SysError} If the path is none of those (`EACCES`), or the service stays silent (`ETIMEDOUT`).
 */
export function ask(socketPath: string, request: string): string | null {
  const reply = new Uint8Array(replyBytesMax);
  const length = library().nodeos_ask(cstr(socketPath), cstr(request), reply, reply.length);
  if (length >= 0) return new TextDecoder().decode(reply.subarray(0, length));
  const error = new SysError(`ask ${socketPath} for ${JSON.stringify(request)}`, -length);
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return null;
  throw error;
}
