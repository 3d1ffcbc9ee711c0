import { Hono } from "hono";
import { bodyOf } from "./body.ts";
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
    async (c) => json(await service.answer(await bodyOf(c.req.raw), c.env.connection)),
  );
}
