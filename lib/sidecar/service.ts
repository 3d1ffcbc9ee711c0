import { SysError } from "../../ffi/errors.ts";
import type { Architecture } from "../syscall/arch.ts";
import { type BatchAnswer, executeBatch, readBatch } from "./batch.ts";
import { bodyJson } from "./body.ts";
import type { Connection } from "./connection.ts";
import { Problem } from "./problem.ts";

/** What executes the calls of requests. */
export interface SyscallService {
  /** Whose calls they are. */
  readonly architecture: Architecture;
  /**
   * Executes a request.
   *
   * @param body Its JSON.
   * @throws {Problem} If it is refused.
   */
  answer(body: Uint8Array, connection: Connection): Promise<BatchAnswer>;
}

/** The service of one machine. */
export function syscallService(architecture: Architecture): SyscallService {
  return {
    architecture,
    async answer(body, connection) {
      const batch = readBatch(bodyJson(body, "the request"), architecture);
      try {
        return await executeBatch(batch, await connection.agent(), architecture);
      } catch (error) {
        if (!(error instanceof SysError)) throw error;
        throw new Problem(500, `Cannot execute the calls: their agent ended (${error.code})`, "Connect again; its descriptors are closed", {
          cause: error,
        });
      }
    },
  };
}
