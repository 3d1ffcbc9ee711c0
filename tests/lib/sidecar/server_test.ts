import assert from "node:assert/strict";
import { peerOf, sendNow } from "../../../ffi/keeper.ts";
import { HttpConnection } from "../../../lib/sidecar/http_connection.ts";
import { Problem } from "../../../lib/sidecar/problem.ts";
import { serve, type ServerParts } from "../../../lib/sidecar/server.ts";
import type { Connection } from "../../../lib/sidecar/connection.ts";

// The library is opened once, outside any test.
assert.throws(() => peerOf(-1));

const decoder = new TextDecoder();

/** A server whose service says what it was asked, on a socket of its own. */
async function withServer(parts: Partial<ServerParts>, fn: (path: string, logged: unknown[]) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  const path = `${directory}/socket`;
  const logged: unknown[] = [];
  try {
    await using _server = await serve({ path }, {
      service: { architecture: "x86_64", answer: (body) => Promise.resolve({ results: [{ value: decoder.decode(body) }] }) },
      startAgent: () => Promise.reject(new Error("no agent")),
      mayChange: () => true,
      loadApp: () => Promise.resolve(answerOf),
      log: (error) => void logged.push(error),
      ...parts,
    });
    await fn(path, logged);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** The server waits for what an app has not read of a request, by a timer that outlives a test. */
async function answerOf(request: Request): Promise<Response> {
  await request.text();
  return new Response(`app ${new URL(request.url).pathname}`);
}

async function open(path: string): Promise<HttpConnection> {
  return new HttpConnection(await Deno.connect({ transport: "unix", path }));
}

async function ask(http: HttpConnection, method: string, path: string, body?: string, headers?: Record<string, string>) {
  const head = await http.request(method, path, body, headers);
  return { status: head.status, connection: head.headers.get("connection"), text: await http.text(head) };
}

Deno.test("plain requests for calls and others are answered on one connection, in their order", async () => {
  await withServer({}, async (path) => {
    using http = await open(path);
    assert.equal((await ask(http, "POST", "/v1/syscalls", "one")).text, '{"results":[{"value":"one"}]}\n');
    assert.equal((await ask(http, "POST", "/v1/syscalls", "grüß")).text, '{"results":[{"value":"grüß"}]}\n');
    assert.equal((await ask(http, "GET", "/other")).text, "app /other");
    assert.equal((await ask(http, "POST", "/v1/syscalls", "two")).text, "app /v1/syscalls");
  });
});

Deno.test("an answer goes by the quick way as far as that takes it, and by the stream for the rest", async () => {
  for (const bytesMax of [0, 1, 50, 1000]) {
    const sent: number[] = [];
    const send: ServerParts["send"] = (fd, room, bytes) => {
      sent.push(bytes);
      return bytesMax === 0 ? 0 : sendNow(fd, room, Math.min(bytes, bytesMax));
    };
    await withServer({ send }, async (path) => {
      using http = await open(path);
      for (let i = 0; i < 5; i++) assert.equal((await ask(http, "POST", "/v1/syscalls", `${i}`)).text, `{"results":[{"value":"${i}"}]}\n`);
      assert.equal(sent.length, 5);
      const large = "a".repeat(100_000);
      assert.equal((await ask(http, "POST", "/v1/syscalls", large)).text.length, 100_000 + 27);
      assert.equal(sent.length, 5);
    });
  }
});

Deno.test("a problem of ours is logged and ends the connection; one of the client's does neither", async () => {
  const faults: unknown[] = [new Problem(403, "Cannot"), new Error("a secret")];
  const answer = () => Promise.reject(faults.shift());
  await withServer({ service: { architecture: "x86_64", answer } }, async (path, logged) => {
    using http = await open(path);
    assert.equal((await ask(http, "POST", "/v1/syscalls", "x")).status, 403);
    assert.deepEqual(logged, []);
    const { status, connection, text } = await ask(http, "POST", "/v1/syscalls", "x");
    assert.deepEqual([status, connection], [500, "close"]);
    assert.doesNotMatch(text, /secret/);
    assert.equal((logged[0] as Error).message, "a secret");
    await assert.rejects(ask(http, "POST", "/v1/syscalls", "x"));
  });
});

Deno.test("an app that cannot be loaded is logged, and its client does not wait", async () => {
  await withServer({ loadApp: () => Promise.reject(new Error("not there")) }, async (path, logged) => {
    using http = await open(path);
    await assert.rejects(ask(http, "GET", "/"), /closed the connection|reset/);
    assert.equal((logged[0] as Error).message, "not there");
  });
});

Deno.test("the agent of a connection ends with the connection", async () => {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const startAgent = () => Promise.resolve({ call: () => Promise.reject(new Error("none")), [Symbol.dispose]: () => resolve() });
  const answer = async (_body: Uint8Array, connection: Connection) => {
    await connection.agent();
    return { results: [] };
  };
  await withServer({ startAgent, service: { architecture: "x86_64", answer } }, async (path) => {
    {
      using http = await open(path);
      await ask(http, "POST", "/v1/syscalls", "x");
    }
    await ended;
  });
});

Deno.test("a connection that is closed before its answer leaves nothing behind", async () => {
  const { promise, resolve } = Promise.withResolvers<{ results: [] }>();
  await withServer({ service: { architecture: "x86_64", answer: () => promise } }, async (path, logged) => {
    const connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode("POST /v1/syscalls HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    connection.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    resolve({ results: [] });
    assert.deepEqual(logged, []);
  });
});
