import { type PageStore, StoreError } from "../../../../lib/paging/page_store.ts";

/** How a store fails. */
export interface FailingOptions {
  /** How: when it is opened, written, or read from `from` on. */
  readonly how: "throw" | "exit" | "uncaught" | "never" | "open" | "short" | "once" | "write";
  /** Where it begins to fail. */
  readonly from?: number;
}

/** A store of a MiB that fails. */
export default function open({ how, from = 0 }: FailingOptions): PageStore {
  if (how === "open") throw new Error("the disk is gone");
  let fails = true;
  const write = () => {
    throw new StoreError("the disk is full", "ENOSPC");
  };
  return {
    ...(how === "write" ? { write } : {}),
    bytes: how === "short" ? 0 : 2 ** 20,
    read(offset, into) {
      into.fill(1);
      if (offset + into.length <= from || !fails) return;
      switch (how) {
        case "throw":
          throw new StoreError(`no medium at ${offset}`, "ENODATA");
        case "once":
          fails = false;
          throw new Error("a hiccup");
        case "exit":
          return self.close();
        case "uncaught":
          setTimeout(() => {
            throw new Error("nobody catches this");
          });
          return new Promise(() => {});
        case "never":
          return new Promise(() => {});
      }
    },
  };
}
