import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Connection } from "./connection.ts";
import { bodyBytesMax } from "./limits.ts";
import { Problem } from "./problem.ts";
import type { SyscallService } from "./service.ts";

/** Environment of routes that know who connected. */
export interface PeerEnv {
  /** What the server passes with each request. */
  Bindings: { readonly connection: Connection };
}

/** `POST /`: executes calls with the rights of the peer. */
export function syscallRoutes(service: SyscallService): Hono<PeerEnv> {
  const tooLarge = () => new Problem(413, `Cannot read the request: it has more than ${bodyBytesMax} bytes`).response();
  return new Hono<PeerEnv>().post("/", bodyLimit({ maxSize: bodyBytesMax, onError: tooLarge }), async (c) => {
    return c.json(await service.answer(await c.req.text(), c.env.connection));
  });
}
