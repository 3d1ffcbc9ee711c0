import { didYouMean, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { type Architecture, auditArch } from "./arch.ts";
import {
  actionCodes,
  argumentCodes,
  boardAt,
  boardBytes,
  boardCount,
  boardMagic,
  HeaderLayout,
  policyBytes,
  rowFlags,
  rowLayout,
} from "./board_layout.ts";
import { errnoNames, errnoNumber } from "./errno.ts";
import type { Verdict } from "./switches.ts";
import { bytesOf, type Call, callsByNumber } from "./table.ts";

/** What a board has to know of a policy. */
export interface BoardPolicy {
  /** Whose calls they are. */
  readonly architecture: Architecture;
  /** What happens to calls. */
  readonly rules: readonly (Verdict & { readonly call: Call })[];
  /** What happens to numbers without a rule. */
  readonly unknown: Verdict;
}

/** A thread polls no longer than this for its next call. */
const spinUsMax = 1_000_000;

/**
 * The bytes of a new board: how each call of the architecture is executed for somebody else, and what happens to it now.
 *
 * @param options `spinUs`: how long a thread that answered a call polls for the next one, in microseconds; 0, the default,
 *   sleeps at once.
 * @throws {UsageError} If an error or the time to poll cannot be.
 */
export function encodeBoard(policy: BoardPolicy, options: { readonly spinUs?: number } = {}): Uint8Array<ArrayBuffer> {
  const { architecture } = policy;
  const { spinUs = 0 } = options;
  if (!Number.isInteger(spinUs) || spinUs < 0 || spinUs > spinUsMax) {
    throw new UsageError(`Cannot poll for ${spinUs} us`, { remedy: `Take a whole number from 0 to ${spinUsMax}` });
  }
  const board = new Uint8Array(boardBytes);
  HeaderLayout.write(board, { magic: boardMagic, size: boardBytes, audit_arch: auditArch[architecture], spin_us: spinUs });
  const view = new DataView(board.buffer);
  for (const [number, call] of callsByNumber(architecture)) writeRow(view, boardAt.rows + number * rowLayout.size, call, architecture);
  const unknown = policyWord(policy.unknown, "a call without a rule");
  for (let number = 0; number < boardCount.calls; number++) view.setUint32(boardAt.policy + number * policyBytes, unknown, true);
  for (const rule of policy.rules) {
    const number = rule.call.numbers[architecture];
    if (number !== undefined) view.setUint32(boardAt.policy + number * policyBytes, policyWord(rule, rule.call.name), true);
  }
  return board;
}

function writeRow(view: DataView, at: number, call: Call, architecture: Architecture): void {
  const { offsets } = rowLayout;
  call.arguments.forEach((argument, index) => {
    view.setUint8(at + offsets.kinds + index, argumentCodes[argument.kind]);
    view.setUint16(at + offsets.sizes + index * 2, bytesOf(argument, architecture), true);
  });
  const flags = call.traits.map((trait) => trait === "neverNotified" ? 0 : rowFlags[trait]);
  view.setUint16(at + offsets.flags, flags.reduce((all, flag) => all | flag, 0), true);
}

/**
 * What happens to a call as the board has it: the action, and the error's number 16 bits above.
 *
 * @param what The call, for messages.
 * @throws {UsageError} If a call is denied without an error, or with one that there is not.
 */
export function policyWord({ action, errno }: Verdict, what: string): number {
  if (action !== "deny") return actionCodes[action];
  if (errno === undefined) throw new UsageError(`Cannot deny ${what}: no error is named`, { remedy: "Name one, as in EPERM" });
  const number = errnoNumber(errno);
  if (number !== undefined) return actionCodes.deny | number << 16;
  throw new UsageError(`Cannot deny ${what}: ${quote(errno)} is no error of the kernel${didYouMean(errno, errnoNames)}`, {
    remedy: "Name one, as in EPERM",
  });
}
