import { type BoardFace, ContainerView } from "../../../lib/sidecar/container.ts";
import type { BoardState, CallCounter, Refusal } from "../../../lib/syscall/board.ts";
import { resolvePolicy } from "../../../lib/syscall/policy.ts";
import { filePolicy, formatPolicyFile } from "../../../lib/syscall/policy_file.ts";
import { fitted } from "../../../lib/syscall/rules.ts";
import type { Verdict } from "../../../lib/syscall/switches.ts";

/** What a test may set. */
export interface FakeBoard extends BoardFace {
  /** By call number. */
  readonly words: Verdict[];
  /** By call name. */
  readonly counted: Record<string, CallCounter>;
  /** What programs were refused. */
  readonly refused: Refusal[];
  /** Refusals before this one are not kept. */
  keptFrom: number;
  /** The number of a rule that cannot be set. */
  brokenAt?: number;
  /** How it does. */
  readonly front: { -readonly [key in keyof BoardState]: BoardState[key] };
}

/** A board in memory. */
export function fakeBoard(): FakeBoard {
  const words: Verdict[] = Array.from({ length: 512 }, () => ({ action: "forward" }));
  const refused: Refusal[] = [];
  return {
    architecture: "x86_64",
    words,
    counted: {},
    refused,
    keptFrom: 1,
    front: {
      architecture: "x86_64",
      keeperPid: 10,
      forwarderPid: 11,
      forwarderStarts: 1,
      sidecarPid: 12,
      sidecarStarts: 2,
      threads: 3,
      listeners: 1,
      refusalCount: 0,
      handlers: 0,
    } as BoardState,
    state() {
      return { ...this.front, refusalCount: refused.length };
    },
    counters() {
      return this.counted;
    },
    refusals(since = 0) {
      const first = Math.max(since + 1, this.keptFrom);
      return { refusals: refused.filter(({ number }) => number >= first), lost: first - since - 1 };
    },
    rules() {
      return [...words];
    },
    setRule(number, action, errno) {
      if (number === this.brokenAt) throw new Error("this rule cannot be set");
      words[number] = errno === undefined ? { action } : { action, errno };
    },
  };
}

/** A container with the policy of a profile. */
export function fakeContainer(board = fakeBoard(), profile = "lean"): ContainerView {
  const policy = resolvePolicy({ profile }, "x86_64");
  for (const { call, action, errno } of policy.rules) {
    board.words[call.numbers.x86_64!] = { action: fitted(call, action), ...(errno === undefined ? {} : { errno }) };
  }
  return new ContainerView(board, () => Promise.resolve(formatPolicyFile("sim", filePolicy(policy))));
}

/** Counters of a call that was forwarded so often. */
export function counterOf(forwarded: number): CallCounter {
  const buckets = Array(24).fill(0);
  buckets[4] = forwarded;
  return {
    calls: forwarded,
    forwarded,
    returned: 0,
    allowed: 0,
    denied: 0,
    handled: 0,
    stale: 0,
    failed: 1,
    totalNs: forwarded * 5000,
    buckets,
    p50Ns: 6144,
    p99Ns: 8110,
  };
}
