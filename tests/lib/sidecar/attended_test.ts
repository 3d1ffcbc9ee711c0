import assert from "node:assert/strict";
import type { Found } from "../../../ffi/agent.ts";
import { errnoText, SysError } from "../../../ffi/errors.ts";
import { attend, type AttendedParts, isForAgent } from "../../../lib/sidecar/attended.ts";
import { Connection } from "../../../lib/sidecar/connection.ts";
import { bodyBytesMax, headersMsMax, idleMsMax, requestMsMax } from "../../../lib/sidecar/limits.ts";
import { Problem } from "../../../lib/sidecar/problem.ts";

// The library is opened once, outside any test.
errnoText(1);

const encoder = new TextEncoder(), decoder = new TextDecoder();
const none = new Uint8Array(0);

/** What an agent was told, and what went to the client past it. */
interface Seen {
  readonly attended: [rest: string, unread: string][];
  readonly sent: string[];
  readonly logged: unknown[];
}

/** Attends to a connection whose agent finds these; the connection has ended after the last. */
async function attended(
  finds: readonly [Found["kind"], string][],
  answer: AttendedParts["service"]["answer"],
  takes = Infinity,
): Promise<Seen & { readonly others: string | null }> {
  const seen: Seen = { attended: [], sent: [], logged: [] };
  const left = [...finds];
  const agent = {
    call: () => Promise.reject(new Error("no calls here")),
    attend(rest: Uint8Array, unread: Uint8Array): Promise<Found> {
      seen.attended.push([decoder.decode(rest), decoder.decode(unread)]);
      const [kind, text] = left.shift() ?? [];
      if (kind === undefined) return Promise.reject(new SysError("have a call executed", 32));
      return Promise.resolve({ kind, bytes: encoder.encode(text) });
    },
    [Symbol.dispose]() {},
  };
  const send: AttendedParts["send"] = (fd, bytes, count) => {
    assert.equal(fd, 7);
    const taken = Math.min(count, takes);
    seen.sent.push(decoder.decode(bytes.subarray(0, taken)));
    return taken;
  };
  const connection = new Connection(7, () => Promise.resolve(agent));
  const parts = { service: { answer }, send, log: (error: unknown) => void seen.logged.push(error) };
  const others = await attend(connection, encoder.encode("first"), parts);
  return { ...seen, others: others === null ? null : decoder.decode(others) };
}

const echo: AttendedParts["service"]["answer"] = (body) => Promise.resolve({ results: [{ value: decoder.decode(body) }] });

Deno.test("isForAgent() knows how requests for calls begin", () => {
  assert.ok(isForAgent(encoder.encode("POST /v1/syscalls HTTP/1.1\r\nhost: a")));
  for (
    const text of ["", "POST /v1/sysc", "POST /v1/syscalls HTTP/1.0\r\n", "GET / HTTP/1.1\r\n\r\n", "POST /v1/syscalls?a HTTP/1.1\r\n"]
  ) {
    assert.ok(!isForAgent(encoder.encode(text)), text);
  }
});

Deno.test("requests that the agent leaves are answered, until one is for something else", async () => {
  const { attended: told, sent, logged, others } = await attended([["request", "one"], ["request", "grüß"], ["other", "GET /"]], echo);
  assert.deepEqual(told, [["", "first"], ["", ""], ["", ""]]);
  assert.equal(others, "GET /");
  assert.deepEqual(logged, []);
  const bodies = ['{"results":[{"value":"one"}]}\n', '{"results":[{"value":"grüß"}]}\n'];
  for (const [index, body] of bodies.entries()) {
    const date = /\r\ndate: (.*?)\r\n/.exec(sent[index])![1];
    assert.ok(!Number.isNaN(Date.parse(date)));
    assert.equal(
      sent[index],
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ndate: ${date}\r\n` +
        `content-length: ${encoder.encode(body).length}\r\n\r\n${body}`,
    );
  }
});

Deno.test("what the client does not take at once goes by the agent, before all that comes later", async () => {
  for (const takes of [0, 1, 50]) {
    const { attended: told, sent } = await attended([["request", "one"]], echo, takes);
    assert.equal(sent[0].length, takes);
    assert.match(sent[0] + told[1][0], /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\{"results":\[\{"value":"one"\}\]\}\n$/);
  }
});

Deno.test("the end of the agent is the end of the connection", async () => {
  assert.equal((await attended([], echo)).others, null);
});

Deno.test("a client that gets no agent is served by others, with all that it has sent", async () => {
  const connection = new Connection(7, () => Promise.reject(new SysError("ask", 1)));
  const parts = { service: { answer: echo }, send: () => assert.fail("nothing to send"), log: () => {} };
  assert.deepEqual(await attend(connection, encoder.encode("all"), parts), encoder.encode("all"));
  assert.deepEqual(await attend(connection, none, parts), none);
});

Deno.test("a problem of ours is logged and ends the connection; one of the client's does neither", async () => {
  const faults: Error[] = [new Problem(403, "Cannot"), new Error("a secret")];
  const { sent, logged, attended: told, others } = await attended(
    [["request", "x"], ["request", "y"], ["request", "z"]],
    () => Promise.reject(faults.shift()),
  );
  assert.equal(others, null);
  assert.equal(told.length, 2);
  assert.match(sent[0], /^HTTP\/1\.1 403 Forbidden\r\ncontent-type: application\/problem\+json\r\n/);
  assert.doesNotMatch(sent[0], /connection: close/);
  assert.match(sent[1], /^HTTP\/1\.1 500 Internal Server Error\r\n[^]*\r\nconnection: close\r\n/);
  assert.doesNotMatch(sent[1], /secret/);
  assert.deepEqual(logged.map((error) => (error as Error).message), ["a secret"]);
});

Deno.test("an agent waits for its client as long as we do, and takes as much", () => {
  const read = (name: string) => Deno.readTextFileSync(new URL(`../../../ffi/native/forwarder/${name}`, import.meta.url));
  const valueOf = (text: string, name: string) => Number(new RegExp(`\\b${name} = (\\d+)[,\\s]`).exec(text)?.[1]);
  const attend = read("agent_attend.c");
  assert.equal(valueOf(attend, "QUIET_MS_MAX"), headersMsMax);
  assert.equal(valueOf(attend, "REQUEST_MS_MAX"), requestMsMax);
  assert.equal(valueOf(attend, "IDLE_MS_MAX"), idleMsMax);
  assert.ok(read("agent.h").includes(`HTTP_BODY_MAX = 1 << ${Math.log2(bodyBytesMax)} `));
});
