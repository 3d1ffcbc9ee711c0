/**
 * The board in bytes, as `ffi/native/board.h` has it; `tests/lib/syscall/board_layout_test.ts` proves it against the compiler's.
 *
 * @module
 */

import { struct } from "../../ffi/struct.ts";
import type { Action } from "./switches.ts";
import type { ArgumentKind, Trait } from "./table.ts";

/** The first eight bytes of a board, "NFWBORD1": a name, and the version as its last letter. */
export const boardMagic = 0x3144524f4257464en;

/** How many there are of what a board repeats. */
export const boardCount = { calls: 512, slots: 512, refusals: 256, buckets: 24 } as const;

/** The front of a board. */
export const HeaderLayout = struct({
  magic: "u64",
  size: "u32",
  audit_arch: "u32",
  keeper_start_ticks: "u64",
  keeper_pid: "i32",
  forwarder_pid: "i32",
  forwarder_starts: "u32",
  sidecar_pid: "i32",
  sidecar_starts: "u32",
  threads: "u32",
  listeners: "u32",
  spin_us: "u32",
  refusal_count: "u64",
  handlers: "u64",
});

/** How a call is executed for somebody else. Its fields have 8 and 16 bits, so it is no `struct()`. */
export const rowLayout = { size: 32, offsets: { kinds: 0, flags: 6, sizes: 8, reserved: 20 } } as const;

/** What happened to one call. */
export const CounterLayout = struct({
  calls: "u64",
  forwarded: "u64",
  returned: "u64",
  allowed: "u64",
  denied: "u64",
  handled: "u64",
  stale: "u64",
  failed: "u64",
  total_ns: "u64",
  buckets: "u32[24]",
  reserved: "u32[6]",
});

/** A call in flight. */
export const JournalLayout = struct({
  state: "u32",
  listener: "u32",
  id: "u64",
  tid: "u32",
  flags: "u32",
  call: "u32",
  arch: "u32",
  instruction: "u64",
  arguments: "u64[6]",
  result: "i64",
  received_ns: "u64",
  reserved: "u32[6]",
});

/** The first time that a program was refused a call. */
export const RefusalLayout = struct({
  number: "u64",
  time_ns: "u64",
  call: "u32",
  tid: "u32",
  error: "i32",
  listener: "u32",
  command: "u32[4]", // 16 characters
  reserved: "u32[4]",
});

/** Bytes of a policy word. */
export const policyBytes = 4;

const rowsAt = 4096;
const policyAt = rowsAt + boardCount.calls * rowLayout.size;
const countersAt = policyAt + boardCount.calls * policyBytes;
const journalAt = countersAt + boardCount.calls * CounterLayout.size;
const refusalsAt = journalAt + boardCount.slots * JournalLayout.size;

/** Where each part begins, in bytes from the start of the file. */
export const boardAt = { rows: rowsAt, policy: policyAt, counters: countersAt, journal: journalAt, refusals: refusalsAt } as const;

/** Size of a board, in bytes. */
export const boardBytes: number = refusalsAt + boardCount.refusals * RefusalLayout.size;

/** `enum nodeos_argument`. */
export const argumentCodes: Readonly<Record<ArgumentKind, number>> = {
  integer: 1,
  dirfd: 2,
  path: 3,
  text: 4,
  fd: 5,
  in: 6,
  out: 7,
  inSized: 8,
  outSized: 9,
  openFlags: 10,
  pointer: 11,
};

/** `enum nodeos_row_flag`; what is never notified, the forwarder never sees. */
export const rowFlags: Readonly<Record<Exclude<Trait, "neverNotified">, number>> = {
  descriptor: 1,
  opens: 2,
  creates: 4,
  access: 8,
  limited: 16,
  data: 32,
  repeatable: 64,
  namespace: 128,
  identity: 256,
  forwardable: 512,
  watches: 1024,
};

/** `enum nodeos_action`; to the forwarder, `inject` is `forward`. */
export const actionCodes: Readonly<Record<Action, number>> = { allow: 0, forward: 1, inject: 1, deny: 2, handle: 3, record: 4 };

/** Actions by their code. */
export const actionOfCode: readonly Action[] = ["allow", "forward", "deny", "handle", "record"];

/** `enum nodeos_journal_state`. */
export const journalStates = ["free", "received", "running", "answered", "handed", "adding"] as const;
