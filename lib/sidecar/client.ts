/**
 * The sidecar of a container from TypeScript: system calls that are executed on the ServiceOS with the rights of this
 * process, what is done with those of the container, and what happens to them.
 *
 * @module
 */

import { NoSuchObjectError, RefusedError } from "../errors.ts";
import type { CallCounter } from "../syscall/board.ts";
import type { BatchAnswer, CallSuccess } from "./batch.ts";
import type { ChangeReport } from "./container.ts";
import type { LoggedEvent } from "./event_log.ts";
import { HttpConnection } from "./http_connection.ts";
import type { Decoded } from "./structures.ts";

export type { CallCounter } from "../syscall/board.ts";
export type { ChangedCall, ChangeReport } from "./container.ts";
export type { LoggedEvent } from "./event_log.ts";
export type { Decoded } from "./structures.ts";

/** An argument of a call: numbers, symbolic constants (`O_RDONLY|O_CLOEXEC`), references (`$f`), text, data, NULL. */
export type ClientArgument = number | bigint | string | Uint8Array | null | { readonly words: readonly number[] };

/** A call of a batch. */
export interface ClientCall {
  /** As the kernel names it. */
  readonly call: string;
  /** By position, buffers to fill left out; or by name. */
  readonly args?: readonly ClientArgument[] | Readonly<Record<string, ClientArgument>>;
  /** Later calls refer to the result as `$` and this. */
  readonly as?: string;
}

/** What a call filled. */
export interface ClientFilled {
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The structure, where the sidecar knows it. */
  readonly decoded?: Decoded;
}

/** What became of a call. */
export interface ClientResult {
  /** The result; a bigint where a number is not exact. */
  readonly value: number | bigint;
  /** What was filled, by the name of the argument. */
  readonly out: Readonly<Record<string, ClientFilled>>;
}

/** What happens to calls. */
export interface ClientPolicy {
  /** The container. */
  readonly container: string;
  /** The profile that its programs were started with. */
  readonly profile: string;
  /** Whose calls they are. */
  readonly architecture: string;
  /** Calls by what happens to them, such as `deny:EPERM`. */
  readonly calls: Readonly<Record<string, readonly string[]>>;
  /** Calls whose action can be changed now. */
  readonly switchable: readonly string[];
}

const connectTriesMax = 250;
const connectPauseMs = 20;

/** The kernel refused a call. */
export class SyscallError extends Error {
  /** Always `SyscallError`. */
  override readonly name = "SyscallError";

  /**
   * A refusal.
   *
   * @param call The call, as the kernel names it.
   * @param code Name of the error, such as `ENOENT`.
   * @param words The error in words.
   * @param index Position in the batch.
   */
  constructor(readonly call: string, readonly code: string, words: string, readonly index: number) {
    super(`Cannot make ${call}: ${code} (${words})`);
  }
}

/** One connection to the sidecar. What it opens stays open until it is disposed. */
export class SyscallClient implements Disposable {
  readonly #http: HttpConnection;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(readonly path: string, connection: Deno.UnixConn) {
    this.#http = new HttpConnection(connection);
  }

  /**
   * Connects.
   *
   * Needs the permissions to read and write the socket and to connect to it (`--allow-net=unix:PATH`), and that of the
   * environment variable when no path is given.
   *
   * @param path The sidecar's socket; what `NODEOS_SIDECAR` says by default.
   * @throws {NoSuchObjectError} If there is no sidecar, {RefusedError} if it is another user's.
   */
  static async connect(path: string | undefined = Deno.env.get("NODEOS_SIDECAR")): Promise<SyscallClient> {
    return new SyscallClient(...await connect(path));
  }

  /**
   * Makes one call.
   *
   * @param args In the order of C, without buffers that the kernel fills.
   * @throws {SyscallError} If the kernel refuses, {RefusedError} if the sidecar does.
   *
   * @example Usage
   * ```ts ignore
   * using client = await SyscallClient.connect();
   * const { value: fd } = await client.call("openat", "AT_FDCWD", "data.txt", "O_RDONLY|O_CLOEXEC");
   * const { out: { data } } = await client.call("pread64", fd, 4096, 0);
   * ```
   */
  async call(call: string, ...args: ClientArgument[]): Promise<ClientResult> {
    return (await this.batch([{ call, args }]))[0];
  }

  /**
   * Makes calls one after the other, in one request: the way is as long as for one.
   *
   * @throws {SyscallError} For the first that the kernel refuses; those after it are not made.
   * @throws {RefusedError} If the sidecar refuses, and then none is made.
   */
  async batch(calls: readonly ClientCall[]): Promise<ClientResult[]> {
    const { results } = await this.#post(calls, true);
    return results.map((result, index) => {
      if ("errno" in result) throw new SyscallError(calls[index].call, result.errno, result.message, index);
      return resultOf(result);
    });
  }

  /** Makes calls one after the other, whether or not some fail: their errors come back beside the results. */
  async tryBatch(calls: readonly ClientCall[]): Promise<(ClientResult | SyscallError)[]> {
    const { results } = await this.#post(calls, false);
    return results.map((result, index) =>
      "errno" in result ? new SyscallError(calls[index].call, result.errno, result.message, index) : resultOf(result)
    );
  }

  /** What happens to every call now. */
  async policy(): Promise<ClientPolicy> {
    return await this.#json("GET", "/v1/policy") as ClientPolicy;
  }

  /**
   * Changes what happens to calls: all of it, or nothing. For the owner of the socket and root.
   *
   * @param changes By call or group, such as `{ openat: "allow", mkdirat: "deny:EPERM" }`.
   * @throws {RefusedError} If one cannot be, with the reason.
   */
  async setPolicy(changes: Readonly<Record<string, string>>): Promise<ChangeReport> {
    return await this.#json("PATCH", "/v1/policy", changes) as ChangeReport;
  }

  /** Counters and latencies of the calls that came, by name. */
  async counters(): Promise<Readonly<Record<string, CallCounter>>> {
    return (await this.#json("GET", "/v1/calls") as { calls: Record<string, CallCounter> }).calls;
  }

  /**
   * First refusals and changes of the policy, from the first that is kept, and then as they happen; on a connection of
   * their own, which ends with the iteration.
   *
   * @param after The id of the last event that is known.
   */
  async *events(after?: string): AsyncGenerator<LoggedEvent> {
    const [, connection] = await connect(this.path);
    using http = new HttpConnection(connection);
    const head = await http.request("GET", "/v1/events", undefined, after === undefined ? {} : { "last-event-id": after });
    if (head.status !== 200) throw refusal(await http.text(head), head.status);
    const decoder = new TextDecoder();
    let text = "";
    for await (const part of http.body(head)) {
      text += decoder.decode(part, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const event = eventOf(block);
        if (event !== null) yield event;
      }
    }
  }

  async #post(calls: readonly ClientCall[], stopOnError: boolean): Promise<BatchAnswer> {
    const body = { calls: calls.map(({ args, ...call }) => args === undefined ? call : { ...call, args: plain(args) }), stopOnError };
    return await this.#json("POST", "/v1/syscalls", body) as BatchAnswer;
  }

  /** One request at a time: answers come in the order of the requests. */
  #json(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = this.#last.then(async () => {
      const head = await this.#http.request(method, path, body === undefined ? undefined : JSON.stringify(body));
      const text = await this.#http.text(head);
      if (head.status !== 200) throw refusal(text, head.status);
      return JSON.parse(text);
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Closes the connection, and with it what was opened on it. */
  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}

async function connect(path: string | undefined): Promise<[string, Deno.UnixConn]> {
  if (path === undefined) {
    throw new NoSuchObjectError("Cannot connect to the sidecar: NODEOS_SIDECAR is not set", {
      remedy: "Run in a container with a system-call profile, or give the path of its socket",
    });
  }
  try {
    return [path, await connectAtLast(path)];
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.ConnectionRefused) {
      throw new NoSuchObjectError(`Cannot connect to the sidecar at ${path}: nobody listens there`, { cause });
    }
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new RefusedError(`Cannot connect to the sidecar at ${path}: it is another user's`, { cause });
  }
}

/** While a sidecar starts, some hundred clients can wait for it; more are told to try again. */
async function connectAtLast(path: string): Promise<Deno.UnixConn> {
  for (let tries = 1;; tries++) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock) || tries === connectTriesMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, connectPauseMs));
    }
  }
}

function plain(args: NonNullable<ClientCall["args"]>): unknown {
  if (Array.isArray(args)) return args.map(plainOne);
  return Object.fromEntries(Object.entries(args as Record<string, ClientArgument>).map(([name, value]) => [name, plainOne(value)]));
}

function plainOne(argument: ClientArgument): unknown {
  if (typeof argument === "bigint") return `${argument}`;
  return argument instanceof Uint8Array ? { base64: argument.toBase64() } : argument;
}

function resultOf({ value, out = {} }: CallSuccess): ClientResult {
  const filled = Object.entries(out).map(([name, { base64 = "", decoded }]): [string, ClientFilled] => [
    name,
    { bytes: Uint8Array.fromBase64(base64), ...(decoded === undefined ? {} : { decoded }) },
  ]);
  return { value: typeof value === "string" ? BigInt(value) : value, out: Object.fromEntries(filled) };
}

function refusal(text: string, status: number): RefusedError {
  let problem: { detail?: string; remedy?: string } = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // Not a problem of ours: the status has to do.
  }
  return new RefusedError(problem.detail ?? `Cannot use the sidecar: it answered with status ${status}`, { remedy: problem.remedy });
}

/** `null` for a comment, which only keeps the connection awake. */
function eventOf(block: string): LoggedEvent | null {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
  const [id, type, data] = [field("id"), field("event"), field("data")];
  return id === undefined || type === undefined || data === undefined
    ? null
    : { id, type: type as LoggedEvent["type"], data: JSON.parse(data) };
}
