import net from "node:net";
import { once } from "node:events";
import { Agent } from "../../ffi/agent.ts";
import { keeperOf, type KeeperProcess, type KeeperRequest, startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { hostArchitecture } from "../../lib/syscall/arch.ts";
import { Board, encodeBoard } from "../../lib/syscall/board.ts";
import type { Verdict } from "../../lib/syscall/switches.ts";
import { calls } from "../../lib/syscall/table.ts";
import { callBy } from "./agent_calls.ts";
import { hasCompiler, isRoot, kernel, until } from "./host.ts";
import { checkout, linesOf, scratch } from "./programs.ts";

/** Why keepers cannot be started here, or `null` when they can. */
export const cannotKeep: string | null = !isRoot ? "needs root" : !hasCompiler ? "needs gcc" : null;

/** The ending of a test's name that says why it is skipped, if it is. */
export const keepNote = cannotKeep === null ? "" : ` [${cannotKeep}]`;

/** A test of keepers. */
export function keeperTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${keepNote}`, ignore: cannotKeep !== null, fn });
}

const architecture = hostArchitecture() ?? "x86_64";
const clientPath = `${scratch}/keeper_client`;

/** A board on which everything is forwarded, but for some calls. */
export function boardWith(verdicts: Readonly<Record<string, Verdict>> = {}): Uint8Array<ArrayBuffer> {
  const rules = calls.map((call) => ({ call, ...verdicts[call.name] ?? { action: "forward" as const } }));
  return encodeBoard({ architecture, rules, unknown: { action: "allow" } });
}

/** What the forwarder says to a program that calls getppid: an error that no kernel would give. */
export const forwardedErrno = 117;
const boardOfTests = boardWith({ getppid: { action: "deny", errno: "EUCLEAN" } });

let keeperCount = 0;

/** A keeper of a test; disposing stops it. */
export class TestKeeper implements AsyncDisposable {
  private constructor(readonly directory: string, readonly process: KeeperProcess) {}

  /** Starts one, in a directory of its own. */
  static async start(request: Partial<KeeperRequest> = {}): Promise<TestKeeper> {
    const directory = newDirectory();
    return new TestKeeper(directory, await startKeeper({ directory, board: boardOfTests, ...request }));
  }

  /** Path of its control socket. */
  get control(): string {
    return `${this.directory}/control.sock`;
  }

  /** What the front of its board says. */
  get state(): ReturnType<Board["state"]> {
    using board = new Board(`${this.directory}/board`);
    return board.state();
  }

  /** What happened to calls, by their names. */
  get counters(): ReturnType<Board["counters"]> {
    using board = new Board(`${this.directory}/board`);
    return board.counters();
  }

  /** Its descriptors. */
  get fdCount(): number {
    return kernel.list(`/proc/${this.process.pid}/fd`).length;
  }

  /** Its children. */
  get children(): number[] {
    return childrenOf(this.process.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopKeeper(this.directory);
  }
}

/** A directory for a keeper, which is not there yet. */
export function newDirectory(): string {
  return `${scratch}/keeper-${keeperCount++}`;
}

/** Processes that a process started. */
export function childrenOf(pid: number): number[] {
  const text = kernel.tryRead(`/proc/${pid}/task/${pid}/children`) ?? "";
  return text.split(" ").filter(Boolean).map(Number);
}

/** Whether a process runs; one that nobody has collected yet does not. */
export function isRunning(pid: number): boolean {
  const stat = kernel.tryRead(`/proc/${pid}/stat`);
  return stat !== null && stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
}

/** A program of keeper_client.c; disposing ends it. */
export class Client implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncGenerator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  /** Starts it, by the program `prefix` names if there is one. */
  constructor(args: readonly (string | number)[], prefix: readonly string[] = []) {
    const [command, ...rest] = [...prefix, clientPath, ...args.map(String)];
    this.#child = new Deno.Command(command, { args: rest, stdin: "piped", stdout: "piped" }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    this.#writer = this.#child.stdin.getWriter();
  }

  /** A peer that has connected, as the nobody of these tests unless told otherwise. */
  static peer(
    socket: string,
    { uid = nobody, gid = nobody, umask = "027", cwd = "/", files = 256, isGuarded = false, prefix }: {
      uid?: number;
      gid?: number;
      umask?: string;
      cwd?: string;
      files?: number;
      isGuarded?: boolean;
      prefix?: readonly string[];
    } = {},
  ): Client {
    return new Client(["peer", socket, uid, gid, umask, cwd, files, ...isGuarded ? ["guarded"] : []], prefix);
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it says next. */
  async line(): Promise<string> {
    return (await this.#lines.next()).value ?? "";
  }

  /** Tells it something, and returns what it says then. */
  async tell(text = ""): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${text}\n`));
    return await this.line();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    // One that waits for an answer does not look.
    if (isRunning(this.pid)) this.#child.kill("SIGKILL");
    for await (const _line of this.#lines);
    await this.#child.status;
  }
}

/** User and group that own nothing. */
export const nobody = 65534;

/** The file of keeper_client.c's program, for a test to copy. */
export function clientProgram(): string {
  return clientPath;
}

/** What one run of keeper_client.c says. */
export async function askClient(...args: readonly (string | number)[]): Promise<string> {
  await using client = new Client(args);
  return await client.line();
}

function fdOf(socket: net.Socket | net.Server): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

/** A listening socket whose connections' descriptors can be had. */
export class PeerSocket implements AsyncDisposable {
  /** Its path; anybody may connect. */
  readonly path: string = `${scratch}/peer-${keeperCount++}.sock`;
  // A connection stays open when its peer ends, which is what some tests are about.
  readonly #server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  readonly #accepted: net.Socket[] = [];
  readonly #closing: net.Socket[] = [];

  /** Opens one. */
  static async open(): Promise<PeerSocket> {
    const socket = new PeerSocket();
    socket.#server.on("connection", (connection) => socket.#accepted.push(connection));
    socket.#server.listen(socket.path);
    await once(socket.#server, "listening");
    Deno.chmodSync(socket.path, 0o777);
    return socket;
  }

  /** Descriptor of the next connection. */
  async accept(): Promise<number> {
    await until("somebody connects", () => this.#accepted.length > 0);
    const connection = this.#accepted.pop()!;
    this.#closing.push(connection);
    return fdOf(connection);
  }

  /** Descriptor that it listens on. */
  get listenFd(): number {
    return fdOf(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of [...this.#closing, ...this.#accepted]) {
      connection.destroy();
      if (!connection.closed) await once(connection, "close");
    }
    this.#server.close();
    await once(this.#server, "close");
  }
}

if (cannotKeep === null) {
  const args = ["-std=c17", "-O1", "-o", clientPath, `${checkout}tests/ffi/keeper_client.c`];
  const { success, stderr } = await new Deno.Command("gcc", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  // Peers have other users: they have to find the programs and sockets of these tests.
  Deno.chmodSync(scratch, 0o755);
  // The functions are registered at their first use, which within a test would count as a leak.
  await using keeper = await TestKeeper.start();
  await using socket = await PeerSocket.open();
  await using peer = Client.peer(socket.path);
  await peer.line();
  using agent = await Agent.start(keeper.directory, await socket.accept());
  await callBy(agent, "getpid");
  keeperOf(keeper.directory);
}
