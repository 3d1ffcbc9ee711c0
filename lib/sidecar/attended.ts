import type { Found } from "../../ffi/agent.ts";
import { SysError } from "../../ffi/errors.ts";
import type { Connection } from "./connection.ts";
import { problemOf, problemType } from "./problem.ts";
import type { SyscallService } from "./service.ts";

/** What attends to connections. */
export interface AttendedParts {
  /** Executes requests that an agent leaves to us. */
  readonly service: Pick<SyscallService, "answer">;
  /** Sends the first bytes of a buffer on a connection without waiting, and says how many. */
  readonly send: (socketFd: number, bytes: Uint8Array<ArrayBuffer>, byteCount: number) => number;
  /** Takes what the client is not told. */
  readonly log: (error: unknown) => void;
}

/** How requests for calls begin that an agent may answer. */
const start = new TextEncoder().encode("POST /v1/syscalls HTTP/1.1\r\n");
const encoder = new TextEncoder();
const nothing = new Uint8Array(0);

/** Whether an agent may know what begins so. */
export function isForAgent(bytes: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, index) => bytes[index] === byte);
}

/**
 * Has the agent of a connection answer plain requests there, which takes a third of the time that we need, and answers
 * those for calls that the agent does not read by itself.
 *
 * @param unread What the client has sent already.
 * @returns What was read of the first request for something else; `null` when the connection has ended.
 */
export async function attend(connection: Connection, unread: Uint8Array, parts: AttendedParts): Promise<Uint8Array | null> {
  let rest = nothing;
  for (;;) {
    const found = await findNext(connection, rest, unread);
    if (found?.kind !== "request") return found === null ? null : found.bytes;
    unread = nothing;
    const { bytes, isLast } = await answer(connection, found.bytes, parts);
    rest = bytes.subarray(parts.send(connection.socketFd, bytes, bytes.length));
    if (isLast) return null;
  }
}

async function findNext(connection: Connection, rest: Uint8Array, unread: Uint8Array): Promise<Found | null> {
  try {
    const agent = await connection.agent();
    return await agent.attend(rest, unread);
  } catch (error) {
    // Of a client that has no agent the ordinary server asks again, and says why.
    if (!(error instanceof SysError)) return { kind: "other", bytes: new Uint8Array(unread) };
    return null;
  }
}

async function answer(
  connection: Connection,
  body: Uint8Array,
  { service, log }: AttendedParts,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; isLast: boolean }> {
  try {
    return { bytes: responseOf(200, "application/json", await service.answer(body, connection)), isLast: false };
  } catch (error) {
    const problem = problemOf(error);
    const isLast = problem.endsConnection;
    if (isLast && !connection.isClosed) log(error);
    return { bytes: responseOf(problem.status, problemType, problem.details(), isLast ? "connection: close\r\n" : ""), isLast };
  }
}

function responseOf(status: number, type: string, answer: unknown, more = ""): Uint8Array<ArrayBuffer> {
  const body = encoder.encode(`${JSON.stringify(answer)}\n`);
  const head = encoder.encode(
    `HTTP/1.1 ${status} ${words[status] ?? "Error"}\r\ncontent-type: ${type}\r\ncache-control: no-store\r\n${more}` +
      `date: ${new Date().toUTCString()}\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}

const words: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  413: "Content Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
