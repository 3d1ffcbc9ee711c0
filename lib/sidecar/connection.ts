import type { Agent } from "../../ffi/agent.ts";
import { SysError } from "../../ffi/errors.ts";
import { Problem } from "./problem.ts";

/** A process that executes calls with the rights of a peer, until it is disposed. */
export type PeerAgent = Pick<Agent, "call" | "attend" | typeof Symbol.dispose>;

/** What starts an agent for the peer of a connection. Throws a `SysError` when the keeper refuses. */
export type StartAgent = (socketFd: number) => Promise<PeerAgent>;

/**
 * One connection of a client, and the agent that executes its calls: started at the first call, ended with the
 * connection. Descriptors that calls return live in the agent, from one request to the next.
 */
export class Connection implements Disposable {
  #agent: Promise<PeerAgent> | undefined;
  #started: PeerAgent | undefined;
  #isClosed = false;

  /**
   * A connection that was accepted.
   *
   * @param socketFd Its descriptor, which stays its owner's.
   * @param start Starts the agent.
   */
  constructor(readonly socketFd: number, readonly start: StartAgent) {}

  /** Whether it has ended. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether an agent waits for calls. */
  get hasAgent(): boolean {
    return this.#started !== undefined;
  }

  /**
   * The agent of this connection.
   *
   * @throws {Problem} If the keeper refuses the peer (403), has too many agents, or is gone (503).
   */
  agent(): PeerAgent | Promise<PeerAgent> {
    return this.#started ?? (this.#agent ??= this.#start());
  }

  async #start(): Promise<PeerAgent> {
    try {
      const agent = await this.start(this.socketFd);
      if (this.#isClosed) {
        agent[Symbol.dispose]();
        throw new Problem(503, "Cannot execute calls: the connection was closed");
      }
      return this.#started = agent;
    } catch (error) {
      this.#agent = undefined;
      throw refusal(error);
    }
  }

  /** Ends the agent; a call that it executes fails. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#started?.[Symbol.dispose]();
    this.#started = undefined;
  }
}

function refusal(error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  switch (error.code) {
    case "EPERM":
    case "EACCES":
    case "ESRCH":
      return new Problem(
        403,
        `Cannot execute calls for you: ${reasons[error.code]}`,
        "Connect from the process that makes the calls, with the user that it runs as",
        { cause: error },
      );
    case "ENOSPC":
    case "EAGAIN":
      return new Problem(503, "Cannot execute calls for you: too many connections make calls", "Close some", { cause: error });
    default:
      return new Problem(503, `Cannot execute calls for you: the keeper says ${error.code}`, undefined, { cause: error });
  }
}

const reasons = {
  EPERM: "the keeper refuses this peer: it is not any more what it was when it connected, or lives in another root directory or namespace",
  EACCES: "the keeper refuses this peer",
  ESRCH: "the process that connected is gone",
} as const;
