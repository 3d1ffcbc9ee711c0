import type { PageStore } from "../../../../lib/paging/page_store.ts";

/** A store of a MiB that loads a module for each page. */
export default function open(): PageStore {
  let count = 0;
  return {
    bytes: 2 ** 20,
    async read(_offset, into) {
      const { default: value } = await import(`./nothing.ts?worker-${count++}`);
      into.fill(value);
    },
  };
}
