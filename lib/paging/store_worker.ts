/**
 * Runs a store in a worker: loads its module, says what it is, and answers until its region is gone.
 *
 * @module
 */

/// <reference lib="webworker" />

import { serveHere, stopServer } from "../../ffi/paging_stores.ts";
import { type OpenPageStore, type PageStore, storeErrorNumbers } from "./page_store.ts";
import { serve } from "./serve.ts";
import { StoreWords } from "./store_words.ts";

/** What a worker is told: first which store, then, when all of them have opened it, for whom it answers. */
export type ToWorker =
  | { readonly kind: "open"; readonly module: string; readonly options: unknown; readonly words: SharedArrayBuffer }
  | { readonly kind: "serve"; readonly server: number; readonly parallel: number }
  | { readonly kind: "close" };

/** What it says. */
export type FromWorker =
  | { readonly kind: "opened"; readonly bytes: number; readonly blockBytes: number; readonly isWritable: boolean }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "closed" };

const say = (message: FromWorker) => self.postMessage(message);
let store: PageStore | undefined;
let words = new StoreWords();
let server = -1;
let isClosing = false;

self.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  switch (data.kind) {
    case "open":
      return await open(data.module, data.options, data.words);
    case "serve":
      server = data.server;
      serveHere(server);
      await serve(server, store!, words, data.parallel);
      return await close();
    case "close":
      return await close();
  }
});

// Who waits for a page of a worker that ends would wait until the time limit.
self.addEventListener("error", () => fail());
self.addEventListener("unhandledrejection", () => fail());

function fail(): void {
  if (server >= 0) stopServer(server, storeErrorNumbers.EIO);
}

async function open(module: string, options: unknown, memory: SharedArrayBuffer): Promise<void> {
  words = new StoreWords(memory);
  try {
    const exported: unknown = (await import(module)).default;
    store = typeof exported === "function" ? await (exported as OpenPageStore)(options) : exported as PageStore;
    if (typeof store?.read !== "function" || !Number.isSafeInteger(store.bytes) || store.bytes <= 0) {
      throw new TypeError("its default export is neither a PageStore nor a function that gives one");
    }
    say({ kind: "opened", bytes: store.bytes, blockBytes: store.blockBytes ?? 1, isWritable: store.write !== undefined });
  } catch (error) {
    say({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
}

async function close(): Promise<void> {
  if (isClosing) return;
  isClosing = true;
  try {
    await store?.close?.();
  } finally {
    say({ kind: "closed" });
    self.close();
  }
}
