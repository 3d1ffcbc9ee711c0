import { Hono } from "hono";
import { didYouMean } from "../errors.ts";
import { callRoutes } from "./calls.ts";
import type { ContainerView } from "./container.ts";
import type { EventLog } from "./event_log.ts";
import { eventRoutes, type EventTimes } from "./events.ts";
import { healthRoutes } from "./health.ts";
import { json } from "./json.ts";
import { headersMax } from "./limits.ts";
import { metricsRoutes } from "./metrics.ts";
import { pageRoutes } from "./page.ts";
import { type PolicyEnv, policyRoutes } from "./policy.ts";
import { Problem, problemOf } from "./problem.ts";
import type { SyscallService } from "./service.ts";
import { type PeerEnv, syscallRoutes } from "./syscalls.ts";

/** What the server passes with each request. */
export interface AppEnv {
  /** Who connected, and how the request came. */
  Bindings: PeerEnv["Bindings"] & PolicyEnv["Bindings"] & {
    /** The names of its headers, in small letters. */
    readonly headerNames: readonly string[];
    /** Its version, as in `1.1`. */
    readonly httpVersion: string;
  };
}

/** What the app needs. */
export interface AppParts {
  /** Executes calls. */
  readonly service: SyscallService;
  /** Whose policy and counters are shown. */
  readonly container: ContainerView;
  /** What happens to it. */
  readonly events: EventLog;
  /** Takes what the client is not told. */
  readonly log: (error: unknown) => void;
  /** How often events are looked for. */
  readonly eventTimes?: EventTimes;
}

/** Every route, and what can be done with it. */
export const paths: Readonly<Record<string, readonly string[]>> = {
  "/": ["GET"],
  "/healthz": ["GET"],
  "/metrics": ["GET"],
  "/v1/calls": ["GET"],
  "/v1/calls/:name": ["GET"],
  "/v1/events": ["GET"],
  "/v1/openapi.json": ["GET"],
  "/v1/policy": ["GET", "PATCH"],
  "/v1/syscalls": ["POST"],
};

/** Headers that decide where a request ends or whom it is for: one that comes twice has two meanings. */
const onceOnly = ["host", "content-length", "transfer-encoding"];

/** The sidecar as a whole. */
export function createApp({ service, container, events, log, eventTimes }: AppParts): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(async (c, next) => {
    checkHead(c.env);
    await next();
    c.res.headers.set("cache-control", "no-store");
  });
  app.route("/v1/syscalls", syscallRoutes(service));
  app.route("/v1/policy", policyRoutes(container, events));
  app.route("/v1/calls", callRoutes(container));
  app.route("/v1/events", eventRoutes(events, eventTimes));
  app.get("/v1/openapi.json", async () => json((await import("./openapi.ts")).openApiDocument()));
  app.route("/metrics", metricsRoutes(container));
  app.route("/healthz", healthRoutes(container));
  app.route("/", pageRoutes(container));
  app.notFound((c) => notFound(c.req.method, c.req.path));
  app.onError((error) => {
    const problem = problemOf(error);
    if (problem.status === 500) log(error);
    return problem.response();
  });
  return app;
}

/** What the parser lets pass, and we do not. */
function checkHead({ headerNames: names, httpVersion }: AppEnv["Bindings"]): void {
  if (!["1.0", "1.1"].includes(httpVersion)) {
    throw new Problem(505, `Cannot read the request: it is of HTTP/${httpVersion}`, "Use HTTP/1.1");
  }
  if (names.length > headersMax) throw new Problem(431, `Cannot read the request: it has more than ${headersMax} headers`);
  const twice = onceOnly.find((name) => names.indexOf(name) !== names.lastIndexOf(name));
  if (twice !== undefined) throw new Problem(400, `Cannot read the request: it has two headers ${twice}`);
}

function notFound(method: string, path: string): Response {
  const shown = path.slice(0, 128);
  const found = Object.keys(paths).find((known) => new RegExp(`^${known.replace(/:\w+/, "[^/]+")}$`).test(path));
  if (found === undefined) {
    return new Problem(404, `Cannot find ${JSON.stringify(shown)}${didYouMean(shown, Object.keys(paths))}`, "GET / lists what there is")
      .response();
  }
  const allowed = paths[found].join(", ");
  const response = new Problem(405, `Cannot ${method} ${found}: it takes ${allowed}`).response();
  response.headers.set("allow", allowed);
  return response;
}
