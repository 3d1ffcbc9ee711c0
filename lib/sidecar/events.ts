import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { EventLog } from "./event_log.ts";
import { Problem } from "./problem.ts";

/** Clients that may listen at a time. */
const listenersMax = 16;

/** How often events are looked for, and the connection is kept awake, in milliseconds. */
export interface EventTimes {
  /** Between two looks. */
  readonly lookEveryMs: number;
  /** Between two comments when nothing happens. */
  readonly aliveEveryMs: number;
}

const usual: EventTimes = { lookEveryMs: 250, aliveEveryMs: 15_000 };

/**
 * `GET /`: first refusals and changes of the policy as server-sent events, from the first that is kept, or after
 * `Last-Event-ID`. A client that reads slowly gets them later, and `lost` for those that are not kept so long.
 */
export function eventRoutes(log: EventLog, { lookEveryMs, aliveEveryMs } = usual): Hono {
  let listeners = 0;
  return new Hono().get("/", (c) => {
    if (listeners >= listenersMax) throw new Problem(503, `Cannot send events: ${listeners} clients listen already`);
    let id = c.req.header("last-event-id");
    listeners++;
    return streamSSE(c, async (stream) => {
      try {
        // Something at once: a client waits for the first bytes.
        await stream.write(": events of the container\n\n");
        for (let quietMs = 0; !stream.aborted && !stream.closed; quietMs += lookEveryMs) {
          for (const event of log.since(id)) {
            await stream.writeSSE({ id: event.id, event: event.type, data: JSON.stringify(event.data) });
            id = event.id;
            quietMs = 0;
          }
          if (quietMs >= aliveEveryMs) {
            await stream.write(": alive\n\n");
            quietMs = 0;
          }
          await stream.sleep(lookEveryMs);
        }
      } finally {
        listeners--;
      }
    });
  });
}
