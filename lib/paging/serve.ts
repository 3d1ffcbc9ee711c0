import { answerRequest, nextRequest, type ServedRequest, stopServer, takeRequest } from "../../ffi/paging_stores.ts";
import { type PageStore, storeErrorNumber, storeErrorNumbers } from "./page_store.ts";
import type { StoreWords } from "./store_words.ts";

/** The most that a request is for. */
const requestBytesMax = 2 ** 20;

/**
 * Answers what a server is asked from a store, until it is closed.
 *
 * @param parallel How many requests at the same time; more than one pays for stores that wait for others.
 */
export async function serve(server: number, store: PageStore, words: StoreWords, parallel: number): Promise<void> {
  const loops = Array.from({ length: parallel }, () => serveLoop(server, store, words, parallel === 1));
  try {
    // The first one that hears of the end is enough: whatever others still do is nobody's any more.
    await Promise.race(loops);
  } catch (error) {
    // Nobody would answer what this loop took: rather an error than a wait.
    stopServer(server, storeErrorNumbers.EIO);
    throw error;
  }
}

async function serveLoop(server: number, store: PageStore, words: StoreWords, isAlone: boolean): Promise<void> {
  const data = new Uint8Array(requestBytesMax);
  let briefly = false;
  for (;;) {
    const request = await nextRequest(server, briefly);
    if (request === null) return;
    try {
      const answer = carryOut(server, store, request, data);
      // A store that computes keeps the thread anyway; one that waits needs it.
      briefly = isAlone && answer === undefined;
      await answer;
    } catch (error) {
      words.put(
        request.offset,
        request.operation === "sync" ? Infinity : request.bytes,
        error instanceof Error ? error.message : String(error),
      );
      answerRequest(server, request, storeErrorNumber(error));
      continue;
    }
    answerRequest(server, request, 0, request.operation === "read" ? data.subarray(0, request.bytes) : undefined);
  }
}

function carryOut(
  server: number,
  store: PageStore,
  request: ServedRequest,
  data: Uint8Array<ArrayBuffer>,
): void | Promise<void> {
  const part = data.subarray(0, request.bytes);
  switch (request.operation) {
    case "read":
      return store.read(request.offset, part);
    case "write":
      if (takeRequest(server, request, part)) return store.write!(request.offset, part);
      return;
    case "sync":
      return store.sync?.();
  }
}
