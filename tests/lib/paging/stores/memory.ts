import type { PageStore } from "../../../../lib/paging/page_store.ts";

/** What a store in memory is made of. */
export interface MemoryOptions {
  /** Its bytes, shared with who asks for it. */
  readonly memory: SharedArrayBuffer;
  /** Answers come later, from the event loop. */
  readonly isAsync?: boolean;
}

/** A store in shared memory: what it holds is seen by the test, without a message. */
export default function open({ memory, isAsync = false }: MemoryOptions): PageStore {
  const bytes = new Uint8Array(memory);
  const later = () => isAsync ? new Promise<void>((resolve) => setTimeout(resolve, 1)) : undefined;
  return {
    bytes: bytes.length,
    read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.length));
      return later();
    },
    write(offset, from) {
      bytes.set(from, offset);
      return later();
    },
  };
}
