import { Hono } from "hono";
import type { Connection } from "./connection.ts";
import { json } from "./json.ts";
import type { SyscallService } from "./service.ts";

/** Environment of routes that know who connected. */
export interface PeerEnv {
  /** What the server passes with each request. */
  Bindings: { readonly connection: Connection };
}

/** `POST /`: executes calls with the rights of the peer. */
export function syscallRoutes(service: SyscallService): Hono<PeerEnv> {
  return new Hono<PeerEnv>().post(
    "/",
    async (c) => json(await service.answer(new Uint8Array(await c.req.arrayBuffer()), c.env.connection)),
  );
}
