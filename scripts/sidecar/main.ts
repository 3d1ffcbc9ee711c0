/**
 * The sidecar of one container: HTTP on the Unix socket that is its descriptor 0, for the programs of the container.
 * The keeper of the container's system calls starts it; see `lib/sidecar/server.ts`.
 *
 * @module
 */

import { pathToFileURL } from "node:url";
import { Agent } from "../../ffi/agent.ts";
import { closeDescriptor, duplicate, peerOf, sendNow } from "../../ffi/keeper.ts";
import { variable } from "../../ffi/library.ts";
import { ContainerView } from "../../lib/sidecar/container.ts";
import { encodeNames } from "../../lib/sidecar/names.ts";
import { type FetchApp, serve } from "../../lib/sidecar/server.ts";
import { syscallService } from "../../lib/sidecar/service.ts";
import { throttled } from "../../lib/sidecar/throttle.ts";
import { UsageError } from "../../lib/errors.ts";
import { Board } from "../../lib/syscall/board.ts";
import type { Handler } from "../../lib/syscall/handling.ts";
import { policyFileName } from "../../lib/syscall/policy_file.ts";

const say = throttled((text) => console.error(`${new Date().toISOString()} nodeos-sidecar: ${text}`));

function log(error: unknown): void {
  say(error instanceof Error ? error.stack ?? error.message : String(error));
}

function directoryOf(): string {
  const directory = variable("NODEOS_FORWARD_DIR");
  if (directory !== undefined) return directory;
  throw new Error("Cannot start the sidecar: NODEOS_FORWARD_DIR is not set; the keeper starts it, with a listening socket as descriptor 0");
}

function handlersOf(args: readonly string[]): string | undefined {
  if (args.length === 0) return undefined;
  if (args.length === 2 && args[0] === "--handlers") return args[1];
  throw new Error(`Cannot start the sidecar: it takes --handlers MODULE, and not ${JSON.stringify(args.join(" "))}`);
}

async function main(): Promise<void> {
  const handlers = handlersOf(Deno.args);
  const directory = directoryOf();
  using board = new Board(`${directory}/board`);
  const owner = Deno.statSync(`${directory}/sidecar.sock`).uid;
  const container = new ContainerView(board, () => Deno.readTextFile(`${directory}/${policyFileName}`));
  const service = syscallService(board.architecture);
  let names: Uint8Array | undefined;
  const startAgent = async (fd: number): Promise<Agent> => {
    const agent = await Agent.start(directory, fd);
    agent.teach(names ??= encodeNames(board.architecture));
    return agent;
  };

  const loadApp = async (): Promise<FetchApp> => {
    const [{ createApp }, { EventLog }] = await Promise.all([
      import("../../lib/sidecar/app.ts"),
      import("../../lib/sidecar/event_log.ts"),
    ]);
    const app = createApp({ service, container, events: new EventLog(container, Date.now().toString(36)), log });
    return (request, env) => app.fetch(request, env);
  };
  await using server = await serve({ fd: 0 }, {
    service,
    startAgent,
    mayChange: (fd) => [0, owner].includes(peerOf(fd).uid),
    send: sendNow,
    descriptors: { duplicate, close: closeDescriptor },
    loadApp,
    log,
  });
  await using _handled = handlers === undefined ? null : await serveHandlers(directory, handlers);
  await Promise.race([server.ended, terminated()]);
}

/**
 * Takes over calls by the handlers in a module of the administrator's. One that is wrong takes nothing else with it: its
 * calls fail, and the log says why.
 */
async function serveHandlers(directory: string, path: string): Promise<AsyncDisposable | null> {
  try {
    const { connectHandlers } = await import("../../lib/syscall/handlers.ts");
    const { handlers, answerMsMax } = readHandlers(await import(pathToFileURL(path).href));
    const connected = await connectHandlers(directory, handlers, { onError: log, ...(answerMsMax === undefined ? {} : { answerMsMax }) });
    connected.ended.catch(log);
    return connected;
  } catch (cause) {
    // Whoever made the container looks for these words.
    log(new Error(`Cannot take over calls by ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause }));
    return null;
  }
}

/** What a module of handlers exports. */
function readHandlers(
  { handlers, answerMsMax }: { readonly handlers?: unknown; readonly answerMsMax?: unknown },
): { handlers: Record<string, Handler>; answerMsMax?: number } {
  if (typeof handlers !== "object" || handlers === null) {
    throw new UsageError(`it exports no handlers; write export const handlers = { openat: (call) => "forward" }`);
  }
  if (answerMsMax === undefined) return { handlers: handlers as Record<string, Handler> };
  if (typeof answerMsMax === "number" && answerMsMax > 0) return { handlers: handlers as Record<string, Handler>, answerMsMax };
  throw new UsageError(`its answerMsMax is no number of milliseconds`);
}

function terminated(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, resolve);
  });
}

try {
  await main();
  Deno.exit(0);
} catch (error) {
  log(error);
  Deno.exit(1);
}
