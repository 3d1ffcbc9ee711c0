import { SysError } from "../../ffi/errors.ts";
import type { Architecture } from "../syscall/arch.ts";
import { type BatchAnswer, executeBatch, readBatch } from "./batch.ts";
import type { Connection } from "./connection.ts";
import { requestsMax } from "./limits.ts";
import { Problem } from "./problem.ts";

/** What executes the calls of requests. */
export interface SyscallService {
  /** Whose calls they are. */
  readonly architecture: Architecture;
  /**
   * Executes a request.
   *
   * @param text The body.
   * @throws {Problem} If it is refused.
   */
  answer(text: string, connection: Connection): Promise<BatchAnswer>;
}

/** The service of one machine. */
export function syscallService(architecture: Architecture): SyscallService {
  let running = 0;
  return {
    architecture,
    async answer(text, connection) {
      const batch = readBatch(parsed(text), architecture);
      if (running >= requestsMax) throw new Problem(503, `Cannot execute calls now: ${running} requests wait for the kernel`, "Try again");
      running++;
      try {
        return await executeBatch(batch, await connection.agent(), architecture);
      } catch (error) {
        if (!(error instanceof SysError)) throw error;
        throw new Problem(500, `Cannot execute the calls: their agent ended (${error.code})`, "Connect again; its descriptors are closed", {
          cause: error,
        });
      } finally {
        running--;
      }
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problem(400, `Cannot read the request: it is no JSON: ${(error as Error).message}`, undefined, { cause: error });
  }
}
