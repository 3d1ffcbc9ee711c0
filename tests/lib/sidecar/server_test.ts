import assert from "node:assert/strict";
import type { Found } from "../../../ffi/agent.ts";
import { SysError } from "../../../ffi/errors.ts";
import { closeDescriptor, duplicate, peerOf, sendNow } from "../../../ffi/keeper.ts";
import { HttpConnection } from "../../../lib/sidecar/http_connection.ts";
import type { PeerAgent } from "../../../lib/sidecar/connection.ts";
import { serve, type ServerParts } from "../../../lib/sidecar/server.ts";

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
      service: { answer: (body) => Promise.resolve({ results: [{ value: decoder.decode(body) }] }) },
      send: sendNow,
      descriptors: { duplicate, close: closeDescriptor },
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

/** An agent that finds these, one after the other, and then waits for its end. */
class FakeAgent implements PeerAgent {
  readonly ended: Promise<void>;
  readonly #end = Promise.withResolvers<void>();

  constructor(readonly finds: Found[]) {
    this.ended = this.#end.promise;
  }

  call(): Promise<never> {
    return Promise.reject(new Error("no calls here"));
  }

  async attend(): Promise<Found> {
    const found = this.finds.shift();
    if (found !== undefined) return found;
    await this.ended;
    throw new SysError("have a call executed", 32);
  }

  [Symbol.dispose](): void {
    this.#end.resolve();
  }
}

function found(kind: Found["kind"], text: string): Found {
  return { kind, bytes: new TextEncoder().encode(text) };
}

async function open(path: string): Promise<HttpConnection> {
  return new HttpConnection(await Deno.connect({ transport: "unix", path }));
}

async function ask(http: HttpConnection, method: string, path: string, body?: string, headers?: Record<string, string>) {
  const head = await http.request(method, path, body, headers);
  return { status: head.status, connection: head.headers.get("connection"), text: await http.text(head) };
}

Deno.test("an agent attends to a connection whose client asks for calls, and leaves it to the app for good", async () => {
  const agent = new FakeAgent([found("request", "one"), found("other", "GET /given HTTP/1.1\r\nhost: a\r\n\r\n")]);
  await withServer({ startAgent: () => Promise.resolve(agent) }, async (path) => {
    using http = await open(path);
    assert.equal((await ask(http, "POST", "/v1/syscalls", "first")).text, '{"results":[{"value":"one"}]}\n');
    // The answer to what the agent has read comes without being asked for.
    const given = await http.request("GET", "/next");
    assert.equal(await http.text(given), "app /given");
    assert.equal((await ask(http, "POST", "/v1/syscalls", "two")).text, "app /next");
  });
  await agent.ended;
});

Deno.test("a client that gets no agent, and one that asks for something else, are the app's", async () => {
  await withServer({}, async (path) => {
    for (const first of ["POST", "GET"]) {
      using http = await open(path);
      const body = first === "POST" ? "{}" : undefined;
      for (let i = 0; i < 3; i++) assert.equal((await ask(http, first, "/v1/syscalls", body)).text, "app /v1/syscalls");
    }
  });
});

Deno.test("a connection whose agent has ended is closed", async () => {
  const agent = new FakeAgent([]);
  await withServer({ startAgent: () => Promise.resolve(agent) }, async (path, logged) => {
    using http = await open(path);
    const answer = ask(http, "POST", "/v1/syscalls", "x");
    agent[Symbol.dispose]();
    await assert.rejects(answer, /closed the connection|reset/);
    assert.deepEqual(logged, []);
  });
});

Deno.test("the server's end is that of its agents", async () => {
  const agent = new FakeAgent([]);
  const { promise: isStarted, resolve } = Promise.withResolvers<void>();
  const startAgent = () => {
    resolve();
    return Promise.resolve(agent);
  };
  let connection: Deno.Conn;
  await withServer({ startAgent }, async (path) => {
    connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode("POST /v1/syscalls HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"));
    await isStarted;
  });
  await agent.ended;
  connection!.close();
});

Deno.test("of what a client sends at once nothing is lost when its connection changes hands", async () => {
  const start = "POST /v1/syscalls HTTP/1.1\r\n";
  for (const bytes of [100, 65535, 65536, 65537, 150_000]) {
    let first = 0;
    const agent = new FakeAgent([]);
    // What was read is for the agent, and what was not for whoever reads next: here the app.
    agent.attend = (_rest?: Uint8Array, unread?: Uint8Array) => {
      first = unread!.length;
      return Promise.resolve(found("other", `POST /all HTTP/1.1\r\nhost: a\r\ncontent-length: ${bytes - first}\r\n\r\n`));
    };
    await withServer({ startAgent: () => Promise.resolve(agent) }, async (path) => {
      using connection = await Deno.connect({ transport: "unix", path });
      const all = new TextEncoder().encode(start + "a".repeat(bytes - start.length));
      for (let sent = 0; sent < all.length;) sent += await connection.write(all.subarray(sent));
      const answer = new Uint8Array(1000);
      const count = await connection.read(answer);
      assert.match(decoder.decode(answer.subarray(0, count!)), /app \/all$/);
    });
    assert.ok(first > 0);
  }
});

Deno.test("an app that cannot be loaded is logged, and its client does not wait", async () => {
  await withServer({ loadApp: () => Promise.reject(new Error("not there")) }, async (path, logged) => {
    using http = await open(path);
    await assert.rejects(ask(http, "GET", "/"), /closed the connection|reset/);
    assert.equal((logged[0] as Error).message, "not there");
  });
});

Deno.test("a connection that is closed before its answer leaves nothing behind", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await withServer({ loadApp: () => Promise.resolve(() => promise) }, async (path, logged) => {
    const connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode("POST /v1/syscalls HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    connection.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    resolve(new Response("late"));
    assert.deepEqual(logged, []);
  });
});
