/**
 * The routes for machines. Loaded when somebody asks: nothing is checked with these schemas on the way of a call; a test
 * holds the real answers against them.
 *
 * @module
 */

import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { problemType } from "./problem.ts";

const integer = z.number().int();
const count = integer.min(0);
const verdict = z.string().regex(/^(?:allow|forward|inject|handle|record|deny:E\w+)$/);

const Counters = z.strictObject({
  calls: count,
  forwarded: count,
  returned: count,
  allowed: count,
  denied: count,
  handled: count,
  stale: count,
  failed: count,
  totalNs: count,
  buckets: z.array(count),
  p50Ns: z.number().nullable(),
  p99Ns: z.number().nullable(),
}).openapi("Counters");

/** What requests and answers are, by the name that they have in the document. */
export const schemas = {
  Problem: z.strictObject({ status: integer, title: z.string(), detail: z.string(), remedy: z.string().optional() }).openapi("Problem"),
  Batch: z.strictObject({
    calls: z.array(z.strictObject({
      call: z.string().openapi({ example: "openat" }),
      args: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]).optional().openapi({
        example: ["AT_FDCWD", "data.txt", "O_RDONLY|O_CLOEXEC", 0],
      }),
      as: z.string().optional().openapi({ example: "f", description: 'Later calls refer to the result as "$f"' }),
    })).max(1000),
    stopOnError: z.boolean().optional().openapi({ default: true }),
    encoding: z.enum(["base64", "text"]).optional().openapi({ default: "base64" }),
  }).openapi("Batch"),
  BatchAnswer: z.strictObject({
    results: z.array(z.union([
      z.strictObject({
        value: z.union([integer, z.string()]),
        out: z.record(
          z.string(),
          z.strictObject({ base64: z.string().optional(), text: z.string().optional(), decoded: z.unknown().optional() }),
        ).optional(),
      }),
      z.strictObject({ errno: z.string().regex(/^E\w+$/), number: integer.min(1), message: z.string() }),
    ])),
    failed: count.optional(),
  }).openapi("BatchAnswer"),
  Policy: z.strictObject({
    container: z.string(),
    profile: z.string(),
    architecture: z.string(),
    calls: z.record(z.string(), z.array(z.string())).openapi({ example: { allow: ["read"], "deny:ENOSYS": ["fork"] } }),
    switchable: z.array(z.string()),
  }).openapi("Policy"),
  PolicyChange: z.record(z.string(), z.string()).openapi("PolicyChange", { example: { openat: "allow", mkdirat: "deny:EPERM" } }),
  PolicyReport: z.strictObject({
    changed: z.array(z.strictObject({ call: z.string(), from: verdict, to: verdict })),
    fixed: z.array(z.strictObject({ call: z.string(), reason: z.string() })),
  }).openapi("PolicyReport"),
  Calls: z.strictObject({ calls: z.record(z.string(), Counters) }).openapi("Calls"),
  Call: z.strictObject({
    call: z.string(),
    number: count,
    group: z.string(),
    arguments: z.array(z.strictObject({ name: z.string(), kind: z.string(), bytes: count.optional(), inShortForm: z.boolean() })),
    action: verdict.optional(),
    switchable: z.boolean().optional(),
    counters: Counters,
  }).openapi("Call"),
  Health: z.strictObject({
    status: z.enum(["ok", "no forwarder"]),
    architecture: z.string().nullable(),
    forwarder: z.strictObject({ pid: integer.nullable(), starts: count, threads: count, listeners: count }),
    sidecar: z.strictObject({ pid: integer.nullable(), starts: count }),
    handlers: count,
  }).openapi("Health"),
};

const json = (schema: z.ZodType) => ({ "application/json": { schema } });
const text = (type: string) => ({ [type]: { schema: z.string() } });
const problem = { description: "Refused; nothing was done", content: { [problemType]: { schema: schemas.Problem } } };

type Content = Readonly<Record<string, { schema: z.ZodType }>>;

function route(method: "get" | "post" | "patch", path: string, summary: string, content: Content, body?: z.ZodType) {
  return createRoute({
    method,
    path,
    summary,
    ...(body === undefined ? {} : { request: { body: { required: true, content: json(body) } } }),
    responses: { 200: { description: "Done", content }, default: problem },
  });
}

const routes = [
  route(
    "post",
    "/v1/syscalls",
    "Executes calls, one after the other, with the rights of whoever connected",
    json(schemas.BatchAnswer),
    schemas.Batch,
  ),
  route("get", "/v1/policy", "What happens to every call", json(schemas.Policy)),
  route(
    "patch",
    "/v1/policy",
    "Changes what happens to calls, all or nothing; for the owner of the socket and root",
    json(schemas.PolicyReport),
    schemas.PolicyChange,
  ),
  route("get", "/v1/calls", "Counters and latencies of the calls that came", json(schemas.Calls)),
  createRoute({
    method: "get",
    path: "/v1/calls/{name}",
    summary: "Everything about one call",
    request: { params: z.object({ name: z.string().openapi({ param: { name: "name", in: "path" }, example: "openat" }) }) },
    responses: { 200: { description: "Done", content: json(schemas.Call) }, default: problem },
  }),
  createRoute({
    method: "get",
    path: "/v1/events",
    summary: "First refusals and changes of the policy, as they happen",
    request: { headers: z.object({ "last-event-id": z.string().optional() }) },
    responses: { 200: { description: "Server-sent events: refusal, policy, lost", content: text("text/event-stream") }, default: problem },
  }),
  route("get", "/metrics", "The board for Prometheus", text("text/plain")),
  createRoute({
    method: "get",
    path: "/healthz",
    summary: "Whether calls are forwarded now",
    responses: {
      200: { description: "They are", content: json(schemas.Health) },
      503: { description: "No forwarder runs", content: json(schemas.Health) },
    },
  }),
  route("get", "/v1/openapi.json", "This document", json(z.record(z.string(), z.unknown()))),
  route("get", "/", "A page for people", text("text/html")),
];

let document: object | undefined;

/** The OpenAPI 3.1 document, made once. */
export function openApiDocument(): object {
  if (document !== undefined) return document;
  const app = new OpenAPIHono();
  for (const each of routes) app.openAPIRegistry.registerPath(each);
  return document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "argo-nodeos sidecar",
      version: "1",
      description: "The system calls of one container: make them, see them, and decide what happens to them. Served on the Unix " +
        "socket that NODEOS_SIDECAR names; who may connect is a matter of its owner.",
    },
    servers: [{ url: "http://nodeos" }],
  });
}
