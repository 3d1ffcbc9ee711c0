import { type Architecture, architectureOfAudit } from "./arch.ts";
import { boardAt, boardCount, CounterLayout, HeaderLayout, JournalLayout, journalStates, RefusalLayout } from "./board_layout.ts";
import { errnoName } from "./errno.ts";
import { latencyNs } from "./latency.ts";
import { callNumbered } from "./table.ts";

/** How a container's forwarding is doing. */
export interface BoardState {
  /** Whose calls the board is for; `null` for an architecture that we do not know. */
  readonly architecture: Architecture | null;
  /** The keeper. */
  readonly keeperPid: number;
  /** Field 22 of the keeper's stat: tells it from a later process of its number. */
  readonly keeperStartTicks: number;
  /** The forwarder; `null` while none runs. */
  readonly forwarderPid: number | null;
  /** How often a forwarder began; more than 1: it died and was replaced. */
  readonly forwarderStarts: number;
  /** The sidecar; `null` while none runs. */
  readonly sidecarPid: number | null;
  /** How often a sidecar began. */
  readonly sidecarStarts: number;
  /** Threads that the forwarder has. */
  readonly threads: number;
  /** Filters whose programs still run. */
  readonly listeners: number;
  /** How long a thread that answered a call polls for the next one, in microseconds. */
  readonly spinUs: number;
  /** Refusals ever; the last 256 are kept. */
  readonly refusalCount: number;
  /** TypeScript handlers that are connected. */
  readonly handlers: number;
}

/** What happened to one call. Each is in `calls`, and in one of the six numbers after it. */
export interface CallCounter {
  /** All that reached the forwarder. */
  readonly calls: number;
  /** Executed for the caller, also when the answer was an error. */
  readonly forwarded: number;
  /** Should have been forwarded, and had to go back to the caller. */
  readonly returned: number;
  /** Left to the caller. */
  readonly allowed: number;
  /** Refused by policy. */
  readonly denied: number;
  /** Answered by a TypeScript handler. */
  readonly handled: number;
  /** The caller was gone, or had been interrupted. */
  readonly stale: number;
  /** Of those forwarded and handled: answered with an error. */
  readonly failed: number;
  /** From receiving to answering, of all together. */
  readonly totalNs: number;
  /** How many took how long: bucket b counts from 2^(b+8) to 2^(b+9) ns, the first from 0, the last without end. */
  readonly buckets: readonly number[];
  /** Half of them took at most this, as the buckets have it; `null` when none was measured. */
  readonly p50Ns: number | null;
  /** 99 of 100 took at most this. */
  readonly p99Ns: number | null;
}

/** The first time that a program was refused a call by policy. */
export interface Refusal {
  /** From 1. */
  readonly number: number;
  /** When, in milliseconds since 1970. */
  readonly timeMs: number;
  /** The call's name, or `call 500` where it has none. */
  readonly call: string;
  /** The thread that was refused it. */
  readonly tid: number;
  /** The error that it got, as in `EPERM`. */
  readonly errno: string;
  /** The keeper's number for the filter. */
  readonly listener: number;
  /** The thread's name, as the program chose it. */
  readonly command: string;
}

/** A call that has no answer yet. */
export interface CallInFlight {
  /** Its place in the journal. */
  readonly slot: number;
  /** How far it is. */
  readonly state: "received" | "running" | "adding" | "answered" | "handed";
  /** The keeper's number for the filter. */
  readonly listener: number;
  /** Of the notification. */
  readonly id: bigint;
  /** The call's name, or `call 500` where it has none. */
  readonly call: string;
  /** Who calls. */
  readonly tid: number;
  /** As the caller has them. */
  readonly arguments: readonly bigint[];
  /** Value, or an error as a negative number; of `answered` only. */
  readonly result: bigint | null;
  /** When it was received, on the clock CLOCK_MONOTONIC. */
  readonly receivedNs: bigint;
}

/** Reads the front of a board. */
export function decodeState(header: Uint8Array<ArrayBuffer>): BoardState {
  const fields = HeaderLayout.read(header);
  return {
    architecture: architectureOfAudit(fields.audit_arch),
    keeperPid: fields.keeper_pid,
    keeperStartTicks: Number(fields.keeper_start_ticks),
    forwarderPid: fields.forwarder_pid || null,
    forwarderStarts: fields.forwarder_starts,
    sidecarPid: fields.sidecar_pid || null,
    sidecarStarts: fields.sidecar_starts,
    threads: fields.threads,
    listeners: fields.listeners,
    spinUs: fields.spin_us,
    refusalCount: Number(fields.refusal_count),
    handlers: Number(fields.handlers),
  };
}

/** Reads the counters of all calls that came, by name, in the order of their numbers. */
export function decodeCounters(region: Uint8Array<ArrayBuffer>, architecture: Architecture): Record<string, CallCounter> {
  const view = new DataView(region.buffer, region.byteOffset);
  const counters: Record<string, CallCounter> = {};
  for (let number = 0; number < boardCount.calls; number++) {
    const at = number * CounterLayout.size;
    if (view.getBigUint64(at + CounterLayout.offsets.calls, true) !== 0n) {
      counters[nameOf(architecture, number)] = decodeCounter(region, at);
    }
  }
  return counters;
}

function decodeCounter(region: Uint8Array<ArrayBuffer>, at: number): CallCounter {
  const { calls, forwarded, returned, allowed, denied, handled, stale, failed, total_ns, buckets: bucketFields } = CounterLayout.read(
    region,
    at,
  );
  const buckets = bucketFields.map(Number);
  return {
    calls: Number(calls),
    forwarded: Number(forwarded),
    returned: Number(returned),
    allowed: Number(allowed),
    denied: Number(denied),
    handled: Number(handled),
    stale: Number(stale),
    failed: Number(failed),
    totalNs: Number(total_ns),
    buckets,
    p50Ns: latencyNs(buckets, 0.5),
    p99Ns: latencyNs(buckets, 0.99),
  };
}

/** Reads the calls in flight. */
export function decodeJournal(region: Uint8Array<ArrayBuffer>, architecture: Architecture): CallInFlight[] {
  const view = new DataView(region.buffer, region.byteOffset);
  return Array.from({ length: boardCount.slots }, (_, slot) => slot).flatMap((slot): CallInFlight[] => {
    const state = journalStates[view.getUint32(slot * JournalLayout.size + JournalLayout.offsets.state, true)];
    if (state === undefined || state === "free") return [];
    const fields = JournalLayout.read(region, slot * JournalLayout.size);
    return [{
      slot,
      state,
      listener: fields.listener,
      id: fields.id,
      call: nameOf(architecture, fields.call),
      tid: fields.tid,
      arguments: fields.arguments.map(BigInt),
      result: state === "answered" ? fields.result : null,
      receivedNs: fields.received_ns,
    }];
  });
}

/** Where the refusal of a number is, in bytes from the start of the refusals. */
export function refusalAt(number: number): number {
  return number % boardCount.refusals * RefusalLayout.size;
}

/** Reads a refusal from the refusals. */
export function decodeRefusal(region: Uint8Array<ArrayBuffer>, number: number, architecture: Architecture): Refusal {
  const at = refusalAt(number);
  const fields = RefusalLayout.read(region, at);
  const command = region.subarray(at + RefusalLayout.offsets.command, at + RefusalLayout.offsets.reserved);
  const end = command.indexOf(0);
  return {
    number: Number(fields.number),
    timeMs: Number(fields.time_ns) / 1e6,
    call: nameOf(architecture, fields.call),
    tid: fields.tid,
    errno: errnoName(fields.error),
    listener: fields.listener,
    command: new TextDecoder().decode(end < 0 ? command : command.subarray(0, end)),
  };
}

/** Where the parts that are read begin, and how many bytes they have. */
export const regions = {
  header: { at: 0, bytes: HeaderLayout.size },
  policy: { at: boardAt.policy, bytes: boardAt.counters - boardAt.policy },
  counters: { at: boardAt.counters, bytes: boardAt.journal - boardAt.counters },
  journal: { at: boardAt.journal, bytes: boardAt.refusals - boardAt.journal },
  refusals: { at: boardAt.refusals, bytes: boardCount.refusals * RefusalLayout.size },
} as const;

function nameOf(architecture: Architecture, number: number): string {
  return callNumbered(architecture, number)?.name ?? `call ${number}`;
}
