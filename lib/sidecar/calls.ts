import { Hono } from "hono";
import { didYouMean } from "../errors.ts";
import { bytesOf, type Call, callNamed, callsByNumber } from "../syscall/table.ts";
import type { CallCounter } from "../syscall/board.ts";
import { formatVerdict } from "../syscall/switches.ts";
import { shortForm } from "./arguments.ts";
import type { ContainerView } from "./container.ts";
import { json } from "./json.ts";
import { Problem } from "./problem.ts";

/** A call that never came. */
const nothing: Omit<CallCounter, "buckets" | "p50Ns" | "p99Ns"> = {
  calls: 0,
  forwarded: 0,
  returned: 0,
  allowed: 0,
  denied: 0,
  handled: 0,
  stale: 0,
  failed: 0,
  totalNs: 0,
};

/** `GET /`: counters and latencies of the calls that came. `GET /:name`: everything about one call. */
export function callRoutes(container: ContainerView): Hono {
  return new Hono()
    .get("/", () => json({ calls: container.counters() }))
    .get("/:name", async (c) => {
      const call = callOf(container, c.req.param("name"));
      const rule = (await container.rules()).find((rule) => rule.call === call);
      return json({
        call: call.name,
        number: call.numbers[container.architecture],
        group: `@${call.group}`,
        arguments: call.arguments.map((argument, index) => ({
          name: argument.name,
          kind: argument.kind,
          ...(argument.bytes === undefined ? {} : { bytes: bytesOf(argument, container.architecture) }),
          inShortForm: shortForm(call).includes(index),
        })),
        ...(rule === undefined ? {} : { action: formatVerdict(rule), switchable: rule.notified }),
        counters: container.counters()[call.name] ?? { ...nothing, buckets: [], p50Ns: null, p99Ns: null },
      });
    });
}

function callOf({ architecture }: ContainerView, name: string): Call {
  const call = callNamed(name);
  if (call?.numbers[architecture] !== undefined) return call;
  const known = [...callsByNumber(architecture).values()].map(({ name }) => name);
  const shown = name.slice(0, 64);
  throw new Problem(404, `Cannot show ${JSON.stringify(shown)}: ${architecture} has no such call${didYouMean(shown, known)}`);
}
