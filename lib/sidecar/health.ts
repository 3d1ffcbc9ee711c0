import { Hono } from "hono";
import type { ContainerView } from "./container.ts";
import { json } from "./json.ts";

/** `GET /`: whether calls are forwarded now; 503 when not. */
export function healthRoutes(container: Pick<ContainerView, "state">): Hono {
  return new Hono().get("/", () => {
    const { forwarderPid, forwarderStarts, sidecarPid, sidecarStarts, threads, listeners, handlers, architecture } = container.state();
    const status = forwarderPid === null ? "no forwarder" : "ok";
    const body = {
      status,
      architecture,
      forwarder: { pid: forwarderPid, starts: forwarderStarts, threads, listeners },
      sidecar: { pid: sidecarPid, starts: sidecarStarts },
      handlers,
    };
    return json(body, status === "ok" ? 200 : 503);
  });
}
