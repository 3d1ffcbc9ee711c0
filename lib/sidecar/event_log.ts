import { formatVerdict, type Verdict } from "../syscall/switches.ts";
import { callNumbered } from "../syscall/table.ts";
import type { Refusal } from "../syscall/board.ts";
import type { ChangedCall, ContainerView } from "./container.ts";

/** Changes of the policy that are kept for clients that come back. */
const changesKept = 256;

/** How far a client has read. */
interface Cursor {
  /** Number of the last refusal. */
  readonly refusal: number;
  /** Number of the last change of the policy. */
  readonly change: number;
}

/** Something that happened, and the id that a client goes on from. */
export interface LoggedEvent {
  /** What a client sends as `Last-Event-ID`. */
  readonly id: string;
  /** `refusal`, `policy`, or `lost`: some are not kept any more. */
  readonly type: "refusal" | "policy" | "lost";
  /** For JSON. */
  readonly data: Refusal | { readonly timeMs: number; readonly changed: readonly ChangedCall[] } | { readonly count: number };
}

interface PolicyChange {
  readonly number: number;
  readonly timeMs: number;
  readonly changed: readonly ChangedCall[];
}

/**
 * First refusals, which the board keeps, and changes of the policy, which are found by looking at the board: so that those
 * that were not made through this sidecar are there, too.
 */
export class EventLog {
  #changes: PolicyChange[] = [];
  #changeCount = 0;
  #known: readonly Verdict[];

  /**
   * A log that begins now.
   *
   * @param container The container.
   * @param instance Tells this sidecar from one before it, whose changes nobody knows any more.
   * @param nowMs The clock, in milliseconds since 1970.
   */
  constructor(
    readonly container: Pick<ContainerView, "board" | "architecture" | "refusals" | "state">,
    readonly instance: string,
    readonly nowMs = Date.now,
  ) {
    this.#known = container.board.rules();
  }

  /** Looks whether the policy is another one than before. */
  look(): void {
    const now = this.container.board.rules();
    const changed = now.flatMap((verdict, number): ChangedCall[] => {
      const call = callNumbered(this.container.architecture, number);
      if (call === undefined) return [];
      const [from, to] = [this.#known[number], verdict].map(formatVerdict);
      return from === to ? [] : [{ call: call.name, from, to }];
    });
    this.#known = now;
    if (changed.length === 0) return;
    this.#changes.push({ number: ++this.#changeCount, timeMs: this.nowMs(), changed });
    if (this.#changes.length > changesKept) this.#changes.shift();
  }

  /**
   * What came after an event; from the first that is kept without an id, or with one that we never gave.
   *
   * @param id That event's.
   */
  since(id: string | undefined): LoggedEvent[] {
    this.look();
    let cursor = this.#cursorOf(id);
    const { refusals, lost } = this.container.refusals(cursor.refusal);
    const changes = this.#changes.filter(({ number }) => number > cursor.change);
    const firstChange = changes[0]?.number ?? this.#changeCount + 1;
    const lostCount = lost + (firstChange - cursor.change - 1);
    const events: LoggedEvent[] = [];
    if (lostCount > 0) {
      const firstRefusal = refusals[0]?.number ?? cursor.refusal + lost + 1;
      cursor = { refusal: lost > 0 ? firstRefusal - 1 : cursor.refusal, change: firstChange - 1 };
      events.push({ id: this.#idOf(cursor), type: "lost", data: { count: lostCount } });
    }
    const all = [
      ...refusals.map((refusal) => ({ timeMs: refusal.timeMs, refusal })),
      ...changes.map((change) => ({ timeMs: change.timeMs, change })),
    ].sort((a, b) => a.timeMs - b.timeMs);
    for (const found of all) {
      if ("refusal" in found) {
        cursor = { ...cursor, refusal: Math.max(cursor.refusal, found.refusal.number) };
        events.push({ id: this.#idOf(cursor), type: "refusal", data: found.refusal });
      } else {
        cursor = { ...cursor, change: found.change.number };
        events.push({ id: this.#idOf(cursor), type: "policy", data: { timeMs: found.change.timeMs, changed: found.change.changed } });
      }
    }
    return events;
  }

  #idOf({ refusal, change }: Cursor): string {
    return `${refusal}.${change}.${this.instance}`;
  }

  #cursorOf(id: string | undefined): Cursor {
    const [, refusal, change, instance] = /^(\d{1,15})\.(\d{1,15})\.(\w{1,32})$/.exec(id ?? "") ?? [];
    // Numbers that were never given are of another board: its events are not ours.
    const isKnown = Number(refusal ?? 0) <= this.container.state().refusalCount;
    return {
      refusal: isKnown ? Number(refusal ?? 0) : 0,
      change: instance === this.instance ? Math.min(Number(change), this.#changeCount) : 0,
    };
  }
}
