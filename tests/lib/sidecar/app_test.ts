import assert from "node:assert/strict";
import { createApp } from "../../../lib/sidecar/app.ts";
import { Connection } from "../../../lib/sidecar/connection.ts";
import { EventLog } from "../../../lib/sidecar/event_log.ts";
import { Problem } from "../../../lib/sidecar/problem.ts";
import type { SyscallService } from "../../../lib/sidecar/service.ts";
import { counterOf, fakeBoard, fakeContainer } from "./fake_container.ts";

const board = fakeBoard();
const container = fakeContainer(board);
board.counted.openat = counterOf(3);

function appWith(answer: SyscallService["answer"] = () => Promise.resolve({ results: [] }), log: (error: unknown) => void = () => {}) {
  const app = createApp({
    service: { architecture: "x86_64", answer },
    container,
    events: new EventLog(container, "test"),
    log,
    eventTimes: { lookEveryMs: 5, aliveEveryMs: 20 },
  });
  const connection = new Connection(-1, () => Promise.reject(new Error("no agent")));
  return (path: string, init: RequestInit = {}, env: { mayChange?: boolean; headerNames?: string[]; httpVersion?: string } = {}) =>
    app.request(path, init, {
      connection,
      mayChange: () => env.mayChange ?? true,
      headerNames: env.headerNames ?? ["host"],
      httpVersion: env.httpVersion ?? "1.1",
    });
}

async function problemOf(answer: Response | Promise<Response>): Promise<[number, string]> {
  const response = await answer;
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  return [response.status, (await response.json()).detail];
}

Deno.test("every answer says that it must not be kept", async () => {
  for (const path of ["/", "/healthz", "/metrics", "/v1/policy", "/v1/calls"]) {
    const response = await appWith()(path);
    assert.deepEqual([response.status, response.headers.get("cache-control")], [200, "no-store"], path);
    await response.body?.cancel();
  }
});

Deno.test("what is not there is named, with what is near, and what it takes", async () => {
  const request = appWith();
  assert.deepEqual(await problemOf(request("/v1/polic")), [404, 'Cannot find "/v1/polic"; did you mean "/v1/policy"?']);
  assert.deepEqual(await problemOf(request("/v1/policy", { method: "DELETE" })), [405, "Cannot DELETE /v1/policy: it takes GET, PATCH"]);
  assert.deepEqual(await problemOf(request("/v1/calls/x/y")), [404, 'Cannot find "/v1/calls/x/y"']);
  const [status, detail] = await problemOf(request("/v1/calls/opennat"));
  assert.equal(status, 404);
  assert.match(detail, /did you mean "openat"/);
  assert.equal((await request("/v1/policy", { method: "PUT" })).headers.get("allow"), "GET, PATCH");
});

Deno.test("a head that can be read in two ways is refused", async () => {
  const request = appWith();
  for (const name of ["host", "content-length", "transfer-encoding"]) {
    assert.deepEqual(await problemOf(request("/", {}, { headerNames: ["host", name, "x", name] })), [
      400,
      `Cannot read the request: it has two headers ${name}`,
    ]);
  }
  assert.equal((await problemOf(request("/", {}, { headerNames: Array(101).fill("x") })))[0], 431);
  for (const httpVersion of ["0.9", "2.0", "9.9"]) assert.equal((await problemOf(request("/", {}, { httpVersion })))[0], 505);
  assert.equal((await request("/healthz", {}, { httpVersion: "1.0" })).status, 200);
});

Deno.test("who may not change the policy is told so before the change is read", async () => {
  const request = appWith();
  const body = JSON.stringify({ openat: "allow" });
  const before = board.rules();
  assert.equal((await problemOf(request("/v1/policy", { method: "PATCH", body }, { mayChange: false })))[0], 403);
  assert.deepEqual(board.rules(), before);
  const response = await request("/v1/policy", { method: "PATCH", body });
  assert.deepEqual(await response.json(), { changed: [{ call: "openat", from: "inject", to: "allow" }], fixed: [] });
});

Deno.test("an error of ours is logged, and the client gets nothing of it", async () => {
  const logged: unknown[] = [];
  const fault = new Error("a secret");
  const log = (error: unknown) => void logged.push(error);
  const request = appWith(() => Promise.reject(fault), log);
  const [status, detail] = await problemOf(request("/v1/syscalls", { method: "POST", body: "{}" }));
  assert.equal(status, 500);
  assert.doesNotMatch(detail, /secret/);
  assert.deepEqual(logged, [fault]);
  const refusing = appWith(() => Promise.reject(new Problem(403, "Cannot")), log);
  assert.equal((await problemOf(refusing("/v1/syscalls", { method: "POST", body: "{}" })))[0], 403);
  assert.equal(logged.length, 1);
});

Deno.test("events come as they happen, comments while nothing does, and sixteen clients can listen", async () => {
  const request = appWith();
  const responses: Response[] = [];
  for (let i = 0; i < 16; i++) responses.push(await request("/v1/events"));
  assert.equal((await problemOf(request("/v1/events")))[0], 503);
  const reader = responses[0].body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const read = async (pattern: RegExp) => {
    while (!pattern.test(text)) text += (await reader.read()).value;
  };
  await read(/^: events of the container\n\n/);
  await read(/: alive\n\n/);
  board.setRule(83, "deny", "EXDEV");
  await read(/event: policy\ndata: .*"to":"deny:EXDEV".*\nid: /);
  await reader.cancel();
  for (const response of responses.slice(1)) await response.body?.cancel();
  for (let tries = 0;; tries++) {
    const response = await request("/v1/events");
    await response.body?.cancel();
    if (response.status === 200) break;
    assert.ok(tries < 100);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
});
