/**
 * The least that answers a call over HTTP: `Deno.serve` on a Unix socket, one FFI call. `deno run bare_server.ts SOCKET`
 *
 * @module
 */

import { effectiveUid } from "../../ffi/mod.ts";

Deno.serve({ path: Deno.args[0], onListen() {} }, async (request) => {
  const { calls } = await request.json() as { calls: readonly unknown[] };
  return Response.json({ results: calls.map(() => ({ value: effectiveUid() })) });
});
