import { Hono } from "hono";
import { NodeosError } from "../errors.ts";
import { formatVerdict } from "../syscall/switches.ts";
import { bodyJson, bodyOf } from "./body.ts";
import type { ContainerView } from "./container.ts";
import type { EventLog } from "./event_log.ts";
import { json } from "./json.ts";
import { Problem } from "./problem.ts";

/** More than there are calls and groups. */
const switchesMax = 600;
const example = 'As in { "openat": "allow", "mkdirat": "deny:EPERM" }';

/** What the route needs to know of whoever connected. */
export interface PolicyEnv {
  /** What the server passes with each request. */
  Bindings: { readonly mayChange: () => boolean };
}

/** `GET /`: what happens to every call. `PATCH /`: changes it, for the owner of the socket and root. */
export function policyRoutes(container: ContainerView, events: EventLog): Hono<PolicyEnv> {
  return new Hono<PolicyEnv>()
    .get("/", async () => {
      const [{ container: name, profile }, rules] = await Promise.all([container.filed(), container.rules()]);
      const byVerdict = Map.groupBy(rules, formatVerdict);
      return json({
        container: name,
        profile,
        architecture: container.architecture,
        calls: Object.fromEntries([...byVerdict].map(([verdict, rules]) => [verdict, rules.map(({ call }) => call.name)])),
        switchable: rules.filter(({ notified }) => notified).map(({ call }) => call.name),
      });
    })
    .patch("/", async (c) => {
      if (!c.env.mayChange()) {
        throw new Problem(403, "Cannot change the policy: only the owner of the sidecar's socket and root may");
      }
      const switches = readSwitches(bodyJson(await bodyOf(c.req.raw), "the changes", example));
      try {
        const report = await container.change(switches);
        events.look();
        return json(report);
      } catch (error) {
        if (!(error instanceof NodeosError)) throw error;
        throw new Problem(error.exitCode === 3 ? 503 : 409, error.message, error.remedy, { cause: error });
      }
    });
}

function readSwitches(body: unknown): string[] {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new Problem(400, "Cannot read the changes: it is no object", example);
  }
  const entries = Object.entries(body);
  if (entries.length > switchesMax) throw new Problem(413, `Cannot make ${entries.length} changes at once: the most is ${switchesMax}`);
  return entries.map(([target, verdict]) => {
    if (typeof verdict !== "string") throw new Problem(400, `Cannot change ${JSON.stringify(target)}: its action is no text`, example);
    if (!/^@?\w+$/.test(target)) {
      throw new Problem(400, `Cannot change ${JSON.stringify(target)}: it is neither a call nor a group`, example);
    }
    return `${target}=${verdict}`;
  });
}
