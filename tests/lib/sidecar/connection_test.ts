import assert from "node:assert/strict";
import { errnoText, SysError } from "../../../ffi/errors.ts";
import { Connection, type PeerAgent } from "../../../lib/sidecar/connection.ts";

// The library is opened once, outside any test.
errnoText(1);

function agent(): PeerAgent & { disposed: number } {
  return {
    disposed: 0,
    call: () => Promise.reject(new Error("no calls here")),
    attend: () => Promise.reject(new Error("no connection here")),
    [Symbol.dispose]() {
      this.disposed++;
    },
  };
}

Deno.test("Connection starts one agent at the first call, and ends it with itself", async () => {
  const one = agent();
  let starts = 0;
  const connection = new Connection(5, (fd) => {
    assert.equal(fd, 5);
    starts++;
    return Promise.resolve(one);
  });
  assert.equal(connection.hasAgent, false);
  const both = await Promise.all([connection.agent(), connection.agent()]);
  assert.deepEqual([both[0], both[1], starts, connection.hasAgent], [one, one, 1, true]);
  assert.equal(connection.agent(), one);
  connection[Symbol.dispose]();
  connection[Symbol.dispose]();
  assert.equal(one.disposed, 1);
});

Deno.test("Connection says why there is no agent, and tries again next time", async () => {
  const cases: [errno: number, status: number, detail: RegExp][] = [
    [1, 403, /not any more what it was/],
    [13, 403, /refuses this peer/],
    [3, 403, /the process that connected is gone/],
    [28, 503, /too many connections make calls/],
    [111, 503, /the keeper says ECONNREFUSED/],
  ];
  let errno = 0;
  const connection = new Connection(5, () => errno === 0 ? Promise.resolve(agent()) : Promise.reject(new SysError("ask", errno)));
  for (const [number, status, detail] of cases) {
    errno = number;
    await assert.rejects(async () => await connection.agent(), (error: { name: string; status: number; detail: string }) => {
      assert.deepEqual([error.name, error.status], ["Problem", status]);
      assert.match(error.detail, detail);
      return true;
    });
  }
  errno = 0;
  await connection.agent();
  assert.equal(connection.hasAgent, true);
});

Deno.test("an agent that is ready after the connection was closed ends at once", async () => {
  const late = agent();
  const { promise, resolve } = Promise.withResolvers<PeerAgent>();
  const connection = new Connection(5, () => promise);
  const wanted = connection.agent();
  connection[Symbol.dispose]();
  resolve(late);
  await assert.rejects(async () => await wanted, /the connection was closed/);
  assert.equal(late.disposed, 1);
});
