import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { AppEnv } from "./app.ts";
import { Connection, type StartAgent } from "./connection.ts";
import { connectionsMax, headerBytesMax, headersMsMax, idleMsMax, requestMsMax } from "./limits.ts";
import { Problem, problemType } from "./problem.ts";
import { type QuickParts, QuickPath } from "./quick_path.ts";
import type { SyscallService } from "./service.ts";

/** How often slow clients are looked for. */
const lookEveryMs = 1000;

/** What answers everything but plain requests for calls. */
export type FetchApp = (request: Request, env: AppEnv["Bindings"]) => Response | Promise<Response>;

/** What a server needs. */
export interface ServerParts {
  /** Executes calls. */
  readonly service: SyscallService;
  /** Starts agents. */
  readonly startAgent: StartAgent;
  /** Whether the peer of a connection may change the policy. */
  readonly mayChange: (socketFd: number) => boolean;
  /** Loads the app, at the first request that needs it. */
  readonly loadApp: () => Promise<FetchApp>;
  /** See {@link QuickParts}. */
  readonly send?: QuickParts["send"];
  /** Takes what clients are not told. */
  readonly log: (error: unknown) => void;
}

/** A server that runs; it ends with its connections when it is disposed. */
export interface SidecarServer extends AsyncDisposable {
  /** Resolves when it does not serve any more. */
  readonly ended: Promise<void>;
}

/**
 * Serves HTTP on a listening Unix socket.
 *
 * @param where A path to listen at, or an inherited descriptor.
 */
export async function serve(where: { readonly path: string } | { readonly fd: number }, parts: ServerParts): Promise<SidecarServer> {
  const { createServer } = await import("node:http");
  const clients = new Map<Socket, Client>();
  const clock = { date: new Date().toUTCString() };
  const listener = lazyListener(parts, (socket) => clients.get(socket)!.connection);
  const options = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersMsMax,
    requestTimeout: requestMsMax,
    connectionsCheckingInterval: lookEveryMs,
    // Idle connections are our own matter: one that made calls may have files open.
    keepAliveTimeout: 0,
  };
  const server = createServer(options, (request, response) => {
    const client = clients.get(request.socket);
    if (client === undefined) return request.socket.destroy();
    client.requests++;
    response.on("close", () => client.done());
    void listener(request, response);
  });
  // Node's own handler of connections comes second, where a connection is not for the quick path.
  const [ordinary] = server.listeners("connection") as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    if (clients.size >= connectionsMax) return refuse(socket);
    const client = new Client(socket, { ...parts, clock }, (socket, bytes) => {
      ordinary.call(server, socket);
      socket.emit("data", bytes);
    });
    clients.set(socket, client);
    socket.on("close", () => {
      clients.delete(socket);
      client.connection[Symbol.dispose]();
    });
  });
  const timer = setInterval(() => {
    clock.date = new Date().toUTCString();
    for (const client of clients.values()) client.look(lookEveryMs);
  }, lookEveryMs);
  const ended = new Promise<void>((resolve) => server.on("close", resolve));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(where, resolve));
  return {
    ended,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      server.close();
      for (const socket of clients.keys()) socket.destroy();
      await ended;
    },
  };
}

/** Too many: says so, as far as the socket takes it at once, and closes. */
function refuse(socket: Socket): void {
  const problem = new Problem(503, `Cannot serve you: ${connectionsMax} clients are connected`, "Close some");
  const body = `${JSON.stringify(problem.details())}\n`;
  const head =
    `HTTP/1.1 503 Service Unavailable\r\ncontent-type: ${problemType}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`;
  socket.on("error", () => {});
  socket.write(head + body, () => socket.destroy());
}

/** One client: its connection, and who serves it. */
class Client {
  readonly connection: Connection;
  readonly quick: QuickPath;
  /** That the ordinary server answers now. */
  requests = 0;
  #quietLooks = 0;

  constructor(
    readonly socket: Socket,
    parts: ServerParts & Pick<QuickParts, "clock">,
    handOver: (socket: Socket, bytes: Uint8Array) => void,
  ) {
    this.connection = new Connection(descriptorOf(socket), parts.startAgent);
    this.quick = new QuickPath(socket, this.connection, { ...parts, handOver });
  }

  done(): void {
    this.requests--;
    this.#quietLooks = 0;
  }

  look(lookMs: number): void {
    this.quick.look(lookMs);
    const isIdle = this.quick.isHandedOver && this.requests === 0 && !this.connection.hasAgent;
    this.#quietLooks = isIdle ? this.#quietLooks + 1 : 0;
    if (this.#quietLooks * lookMs > idleMsMax) this.socket.destroy();
  }
}

/** The descriptor of a connection; node has no public name for it. */
function descriptorOf(socket: Socket): number {
  const { _handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return _handle?.fd ?? -1;
}

/** Loads the app when the first request comes: calls alone never need it. */
function lazyListener(
  { loadApp, mayChange, log }: ServerParts,
  connectionOf: (socket: Socket) => Connection,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const load = async () => {
    const [{ getRequestListener }, app] = await Promise.all([import("@hono/node-server"), loadApp()]);
    return getRequestListener((request, { incoming }) => {
      const { socket, rawHeaders, httpVersion } = incoming as IncomingMessage;
      const connection = connectionOf(socket);
      const headerNames = rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
      return app(request, { connection, headerNames, httpVersion, mayChange: () => mayChange(connection.socketFd) });
    }, { overrideGlobalObjects: false });
  };
  let loaded: ReturnType<typeof load> | undefined;
  return async (request, response) => {
    try {
      await (await (loaded ??= load()))(request, response);
    } catch (error) {
      log(error);
      response.destroy();
    }
  };
}
