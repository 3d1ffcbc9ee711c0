import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { errnoText, SysError } from "../../../ffi/errors.ts";
import { socketPair } from "../../../ffi/keeper.ts";
import { answerHeaderBytes, decodeAnswer, encodeCall, FrameCutter } from "../../../lib/syscall/frames.ts";
import { connectHandlers, type Handler, type HandlerOptions } from "../../../lib/syscall/handlers.ts";
import { callNamed } from "../../../lib/syscall/table.ts";

// The library is opened once, outside any test.
errnoText(1);
for (const fd of socketPair()) new net.Socket({ fd }).destroy();

/** The forwarder's side of a handler's connection. */
class Forwarder {
  /** What the handler said first. */
  registered: number[] = [];
  readonly #pending = new Map<bigint, (frame: Uint8Array) => void>();
  #socket!: net.Socket;
  #id = 0;

  /** Gives the other end to a handler. */
  readonly connect = (): Promise<number> => {
    const [ours, theirs] = socketPair();
    this.#socket = new net.Socket({ fd: ours, readable: true, writable: true });
    let cutter: FrameCutter | undefined;
    this.#socket.on("error", () => {}).on("data", (bytes: Uint8Array) => {
      if (cutter === undefined) {
        this.registered = [...new Uint32Array(bytes.slice().buffer)];
        cutter = new FrameCutter(answerHeaderBytes);
        return;
      }
      for (const frame of cutter.take(bytes)) {
        this.#pending.get(new DataView(frame.buffer, frame.byteOffset).getBigUint64(8, true))!(frame.slice());
      }
    });
    return Promise.resolve(theirs);
  };

  async ready(): Promise<void> {
    while (this.registered.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Makes a call, and gives its result. */
  ask(name: string, path: string): Promise<number | bigint> {
    const call = callNamed(name)!;
    const id = ++this.#id;
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#pending.set(BigInt(id), resolve);
    this.send(encodeCall(call, id, call.numbers.x86_64!, [0, 1, 0, 0], [, new TextEncoder().encode(path)]));
    return promise.then((frame) => decodeAnswer(call, frame).value);
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    if (!this.#socket.closed) await once(this.#socket, "close");
  }
}

async function withHandlers(
  handlers: Record<string, Handler>,
  fn: (forwarder: Forwarder, errors: string[]) => Promise<void>,
  options: HandlerOptions = {},
): Promise<void> {
  const forwarder = new Forwarder(), errors: string[] = [];
  const onError = (error: unknown) => void errors.push((error as Error).message);
  const all = { architecture: "x86_64", onError, connect: forwarder.connect, ...options } as const;
  const connected = await connectHandlers("/nonexistent", handlers, all);
  await forwarder.ready();
  await fn(forwarder, errors);
  await connected[Symbol.asyncDispose]();
  await forwarder.close();
}

Deno.test("handlers say which calls they handle, and answer them in any order", async () => {
  let release = () => {};
  const slow = new Promise<number>((resolve) => release = () => resolve(1));
  await withHandlers(
    { openat: ({ arguments: { path } }) => path === "slow" ? slow : 2, mkdirat: () => ({ errno: "EXDEV" }) },
    async (forwarder) => {
      assert.deepEqual(forwarder.registered, [16, 2, 257, 258]);
      const first = forwarder.ask("openat", "slow");
      assert.equal(await forwarder.ask("openat", "quick"), 2);
      assert.equal(await forwarder.ask("mkdirat", "a"), -18);
      release();
      assert.equal(await first, 1);
    },
  );
});

Deno.test("a handler that throws, rejects, answers what cannot be, or nothing in time is reported, and its caller gets EIO", async () => {
  const handlers: Record<string, Handler> = {
    openat({ arguments: { path } }) {
      if (path === "throws") throw new Error("thrown");
      if (path === "rejects") return Promise.reject(new Error("rejected"));
      if (path === "hangs") return new Promise(() => {});
      return path === "wrong" ? "nonsense" as never : 0;
    },
  };
  await withHandlers(handlers, async (forwarder, errors) => {
    for (const path of ["throws", "rejects", "wrong", "hangs"]) assert.equal(await forwarder.ask("openat", path), -5, path);
    assert.deepEqual(errors.map((text) => text.replace("Cannot handle openat of thread 0: ", "")), [
      "thrown",
      "rejected",
      "its handler returned no result",
      "its handler has not answered in 0.02 s",
    ]);
    assert.equal(await forwarder.ask("openat", "fine"), 0);
  }, { answerMsMax: 20 });
});

Deno.test("disposing does not wait for a handler that hangs, and leaves no timer", async () => {
  await withHandlers({ openat: () => new Promise(() => {}) }, (forwarder) => {
    void forwarder.ask("openat", "hangs");
    return new Promise((resolve) => setTimeout(resolve, 10));
  });
});

Deno.test("handlers connect again when the forwarder dies, and to none that is gone for good", async () => {
  const first = new Forwarder(), second = new Forwarder();
  const forwarders = [first, second];
  const gone = new SysError("connect", 2);
  const connect = () => forwarders.length > 0 ? forwarders.shift()!.connect() : Promise.reject(gone);
  const connected = await connectHandlers("/nonexistent", { openat: () => 1 }, { architecture: "x86_64", connect });
  await first.ready();
  await first.close();
  await second.ready();
  assert.equal(await second.ask("openat", "a"), 1);
  await second.close();
  await assert.rejects(connected.ended, gone);
  await connected[Symbol.asyncDispose]();
});

Deno.test("what is no frame, or a call that nobody registered, ends the connection and is reported", async () => {
  const call = callNamed("unlinkat")!;
  const frames = [new Uint8Array(100), encodeCall(call, 1, call.numbers.x86_64!, [0, 1, 0], [, new Uint8Array(1)])];
  for (const frame of frames) {
    const forwarders = [new Forwarder(), new Forwarder()], errors: unknown[] = [];
    let count = 0;
    const connect = () => forwarders[count++].connect();
    const connected = await connectHandlers("/nonexistent", { openat: () => 1 }, {
      architecture: "x86_64",
      connect,
      onError: (error) => void errors.push(error),
    });
    await forwarders[0].ready();
    forwarders[0].send(frame);
    await forwarders[1].ready();
    assert.equal(errors.length, 1);
    await connected[Symbol.asyncDispose]();
    for (const forwarder of forwarders) await forwarder.close();
  }
});

Deno.test("handlers of calls that are none, and what is no function, are refused", async () => {
  const cases: [unknown, RegExp][] = [
    [{ opennat: () => 0 }, /Cannot handle "opennat": x86_64 has no such call; did you mean "openat"\?/],
    [{ openat: 5 }, /Cannot handle openat: its handler is no function/],
  ];
  for (const [handlers, message] of cases) {
    const connect = () => Promise.reject(new Error("nobody may connect"));
    await assert.rejects(connectHandlers("/nonexistent", handlers as never, { architecture: "x86_64", connect }), {
      name: "UsageError",
      message,
    });
  }
});
