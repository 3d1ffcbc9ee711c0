/// <reference lib="webworker" />

import { pattern } from "../host.ts";
import { answer, type HttpFile } from "../http_server.ts";

/** Becomes ill after the first two requests: that which opens it, and one for data. */
let count = 0;
const bytes = pattern(300_000);
const files: Record<string, () => HttpFile | undefined> = {
  "/good": () => ({ bytes }),
  "/ill": () => ({ bytes, fault: count++ < 2 ? undefined : { kind: 500 } }),
  "/slow": () => ({ bytes, fault: count++ < 1 ? undefined : { kind: "slow body" } }),
};

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => self.postMessage(`http://127.0.0.1:${port}`),
}, (request) => answer(request, files[new URL(request.url).pathname]?.()));
