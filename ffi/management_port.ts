import { check } from "./errors.ts";
import { lazyLibrary } from "./library.ts";

const library = lazyLibrary({
  // int32_t nodeos_hsmp(int32_t socket, uint32_t message, const uint32_t *words, int32_t count, uint32_t *ret_words);
  nodeos_hsmp: { parameters: ["i32", "u32", "buffer", "i32", "buffer"], result: "i32" },
});

/** The system management port of AMD's servers. */
export interface ManagementPort {
  /** Sends a message to a socket and returns the words that come back. Throws a `SysError`: `EACCES` for one that is not on our list. */
  call(socket: number, message: number, words?: readonly number[]): number[];
}

/** That of the running machine, `/dev/hsmp`. */
export const managementPort: ManagementPort = {
  call(socket, message, words = []) {
    const answer = new Uint32Array(8);
    const sent = Uint32Array.from(words.length > 0 ? words : [0]);
    const count = library().nodeos_hsmp(socket, message, sent, words.length, answer);
    check(count, () => `send message 0x${message.toString(16)} to the management port of package ${socket}`);
    return [...answer.subarray(0, count)];
  },
};
