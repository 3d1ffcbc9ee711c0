import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { AppEnv } from "./app.ts";
import { attend, type AttendedParts, isForAgent } from "./attended.ts";
import { Connection, type StartAgent } from "./connection.ts";
import { connectionsMax, headerBytesMax, headersMsMax, idleMsMax, requestMsMax } from "./limits.ts";
import { Problem, problemType } from "./problem.ts";

/** How often slow clients are looked for. */
const lookEveryMs = 1000;

/** What answers everything but plain requests for calls, and these where there is no agent. */
export type FetchApp = (request: Request, env: AppEnv["Bindings"]) => Response | Promise<Response>;

/** What a server needs of the descriptors of connections, which nothing of Node's gives. */
export interface Descriptors {
  /** Makes another one of the same connection. */
  readonly duplicate: (fd: number) => number;
  /** Closes one that was made so. */
  readonly close: (fd: number) => void;
}

/** What a server needs. */
export interface ServerParts extends AttendedParts {
  /** Starts agents. */
  readonly startAgent: StartAgent;
  /** Whether the peer of a connection may change the policy. */
  readonly mayChange: (socketFd: number) => boolean;
  /** Loads the app, at the first request that needs it. */
  readonly loadApp: () => Promise<FetchApp>;
  /** Works on descriptors. */
  readonly descriptors: Descriptors;
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
  const [{ createServer }, { Socket }] = await Promise.all([import("node:http"), import("node:net")]);
  const clients = new Set<Client>();
  const bySocket = new WeakMap<Socket, Client>();
  const listener = lazyListener(parts, (socket) => bySocket.get(socket)!.connection);
  const options = {
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersMsMax,
    requestTimeout: requestMsMax,
    connectionsCheckingInterval: lookEveryMs,
    // Idle connections are our own matter: one that made calls may have files open.
    keepAliveTimeout: 0,
  };
  const server = createServer(options, (request, response) => {
    const client = bySocket.get(request.socket);
    if (client === undefined) return request.socket.destroy();
    client.requests++;
    response.on("close", () => client.done());
    void listener(request, response);
  });
  // Node's own handler of connections comes second, where a connection is not for an agent.
  const [ordinary] = server.listeners("connection") as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners("connection");
  const serveOrdinarily = (client: Client, socket: Socket, bytes: Uint8Array) => {
    bySocket.set(socket, client);
    ordinary.call(server, socket);
    socket.emit("data", bytes);
  };
  const open = (fd: number) => new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  server.on("connection", (socket: Socket) => {
    if (clients.size >= connectionsMax) return refuse(socket);
    const client = new Client(socket, parts, { open, serveOrdinarily, onEnd: () => void clients.delete(client) });
    clients.add(client);
  });
  const timer = setInterval(() => {
    for (const client of clients) client.look(lookEveryMs);
  }, lookEveryMs);
  const ended = new Promise<void>((resolve) => server.on("close", resolve));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(where, resolve));
  return {
    ended,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      server.close();
      for (const client of clients) client.end();
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

/** What a client needs of the server. */
interface Surroundings {
  /** Makes Node's socket of a descriptor, which is its own then. */
  readonly open: (fd: number) => Socket;
  /** Has the ordinary server serve a client from now on, for good, with what came so far. */
  readonly serveOrdinarily: (client: Client, socket: Socket, bytes: Uint8Array) => void;
  /** Takes a client out of the list. */
  readonly onEnd: () => void;
}

/** One client: its connection, and who serves it. */
class Client {
  readonly connection: Connection;
  /** What we read with; none while an agent attends to the connection. */
  #socket: Socket | null;
  /** A descriptor of our own, which keeps the connection while Node has none. */
  readonly #fd: number;
  /** That the ordinary server answers now. */
  requests = 0;
  #quietLooks = 0;
  #isEnded = false;

  constructor(
    socket: Socket,
    readonly parts: ServerParts,
    readonly surroundings: Surroundings,
  ) {
    this.#fd = parts.descriptors.duplicate(descriptorOf(socket));
    this.connection = new Connection(this.#fd, parts.startAgent);
    this.#socket = socket;
    for (const event of ["end", "error", "close"]) socket.on(event, this.#onGone);
    socket.once("data", this.#begin);
  }

  readonly #onGone = (): void => this.end();

  /** The first bytes decide. */
  readonly #begin = (bytes: Uint8Array): void => {
    const socket = this.#socket!;
    // Who has sent all that it will may still wait for answers.
    socket.off("error", this.#onGone).off("end", this.#onGone);
    if (!isForAgent(bytes)) return this.surroundings.serveOrdinarily(this, socket, bytes);
    this.#socket = null;
    // Node would read on: whoever attends reads alone.
    socket.off("close", this.#onGone).on("error", () => {}).destroy();
    void this.#attend(new Uint8Array(bytes));
  };

  async #attend(bytes: Uint8Array): Promise<void> {
    const others = await attend(this.connection, bytes, this.parts);
    if (others === null || this.#isEnded) return this.end();
    const socket = this.surroundings.open(this.parts.descriptors.duplicate(this.#fd));
    this.#socket = socket.on("close", this.#onGone);
    this.#quietLooks = 0;
    this.surroundings.serveOrdinarily(this, socket, others);
  }

  done(): void {
    this.requests--;
    this.#quietLooks = 0;
  }

  /** Closes the connection if its client has left it alone. Called every `lookMs`. */
  look(lookMs: number): void {
    const isIdle = this.#socket !== null && this.requests === 0 && !this.connection.hasAgent;
    this.#quietLooks = isIdle ? this.#quietLooks + 1 : 0;
    if (this.#quietLooks * lookMs > idleMsMax) this.end();
  }

  /** Closes the connection, with its agent. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.connection[Symbol.dispose]();
    this.#socket?.destroy();
    this.parts.descriptors.close(this.#fd);
    this.surroundings.onEnd();
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
