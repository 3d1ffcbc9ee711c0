import { NoSuchObjectError, NotRunningError, RefusedError } from "../errors.ts";
import { quote } from "../quote.ts";
import { type Architecture, architectureOfAudit } from "./arch.ts";
import { policyWord } from "./board_image.ts";
import { actionOfCode, boardAt, boardBytes, boardCount, boardMagic, HeaderLayout, policyBytes } from "./board_layout.ts";
import {
  type BoardState,
  type CallCounter,
  type CallInFlight,
  decodeCounters,
  decodeJournal,
  decodeRefusal,
  decodeState,
  type Refusal,
  regions,
} from "./board_picture.ts";
import { errnoName } from "./errno.ts";
import { fitted } from "./rules.ts";
import type { Action, Verdict } from "./switches.ts";
import { callNumbered } from "./table.ts";

export { type BoardPolicy, encodeBoard } from "./board_image.ts";
export type { Action, Verdict } from "./switches.ts";
export type { BoardState, CallCounter, CallInFlight, Refusal } from "./board_picture.ts";

/** What programs were refused. */
export interface Refusals {
  /** In the order of their numbers. */
  readonly refusals: readonly Refusal[];
  /** How many came after those that the caller knows, and are no longer kept. */
  readonly lost: number;
}

/** The lower bytes of a policy word: one for the action, and two above for the error. */
const [actionByte, errorByte] = [0, 2];
/** A refusal that is not finished when so many have come after it never will be: who wrote it died. */
const unfinishedMax = 8;

/**
 * The board of a container's forwarder, read as a file while the forwarder has it mapped: every call sees it as it is now.
 *
 * The forwarder counts while we read. Numbers of one counter may be apart by the calls of that moment.
 */
export class Board implements Disposable {
  /** Whose calls it is for. */
  readonly architecture: Architecture;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #closed = false;

  /**
   * Opens a board.
   *
   * @param path The file.
   * @param options `readOnly`: rules cannot be set; otherwise the file is opened for writing, too.
   * @throws {NoSuchObjectError} If there is no such file.
   * @throws {RefusedError} If we may not open it, it is no board, or it is of another version.
   */
  constructor(path: string, options: { readonly readOnly?: boolean } = {}) {
    this.#path = path;
    this.#file = open(path, options.readOnly !== true);
    try {
      this.architecture = this.#check();
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** How keeper, forwarder and sidecar are doing. */
  state(): BoardState {
    return decodeState(this.#read("header"));
  }

  /** What happened to calls, by name, in the order of their numbers; calls that never came are left out. */
  counters(): Record<string, CallCounter> {
    return decodeCounters(this.#read("counters"), this.architecture);
  }

  /** Calls that have no answer at this moment. */
  journal(): CallInFlight[] {
    return decodeJournal(this.#read("journal"), this.architecture);
  }

  /**
   * What programs were refused since a number: ask next time with the last number that you got. Up to 256 are kept.
   *
   * One that is being written comes next time, and so do those after it.
   */
  refusals(since = 0): Refusals {
    // A writer counts, then fills the place, then writes the number. What had its number before it is read, and is among
    // those that are kept after, was whole.
    const before = this.#read("refusals");
    const region = this.#read("refusals");
    const { refusalCount } = this.state();
    const begin = Math.max(since + 1, refusalCount - boardCount.refusals + 1);
    const refusals: Refusal[] = [];
    let lost = begin - since - 1;
    for (let number = begin; number <= refusalCount; number++) {
      const isWhole = [before, region].every((read) => decodeRefusal(read, number, this.architecture).number === number);
      if (isWhole) refusals.push(decodeRefusal(region, number, this.architecture));
      else if (refusalCount - number < unfinishedMax) break;
      else lost++;
    }
    return { refusals, lost };
  }

  /** What happens now to a call that reaches the forwarder. */
  rule(number: number): Verdict {
    return this.#named(number, verdictOf(this.#read("policy"), this.#checkNumber(number)));
  }

  /** What happens now to every call number that reaches the forwarder, by number from 0 to 511. */
  rules(): Verdict[] {
    const policy = this.#read("policy");
    return Array.from({ length: boardCount.calls }, (_, number) => this.#named(number, verdictOf(policy, number)));
  }

  /**
   * Changes what happens to a call from now on. It counts where the filter sends the call to the forwarder.
   *
   * @param number The call's number on the board's architecture, from 0 to 511.
   * @param errno Of `deny`: the name of the error, as in `EPERM`.
   * @throws {RangeError} If there cannot be such a number.
   * @throws {UsageError} If `deny` has no error, or one that there is not.
   */
  setRule(number: number, action: Action, errno?: string): void {
    const at = boardAt.policy + this.#checkNumber(number) * policyBytes;
    const word = policyWord({ action, errno }, `call ${number}`);
    this.#checkThere();
    // The forwarder reads meanwhile, and on some processors the kernel copies a small write byte by byte. All numbers fit a
    // byte; the error is there before the action that needs it, and goes after it.
    const [actionCode, error] = [word & 0xff, word >> 16];
    if (action === "deny") this.#writeByte(at + errorByte, error);
    this.#writeByte(at + actionByte, actionCode);
    if (action !== "deny") this.#writeByte(at + errorByte, error);
  }

  /** The board has one code for `forward` and `inject`; the call says which it is. */
  #named(number: number, verdict: Verdict): Verdict {
    const call = callNumbered(this.architecture, number);
    return call === undefined ? verdict : { ...verdict, action: fitted(call, verdict.action) };
  }

  /** Closes the file; twice is fine. */
  [Symbol.dispose](): void {
    if (!this.#closed) this.#file.close();
    this.#closed = true;
  }

  #check(): Architecture {
    const { size } = this.#file.statSync();
    if (size < HeaderLayout.size) throw this.#refusal("it is no board");
    const header = HeaderLayout.read(this.#read("header"));
    // The last letter of the magic word is the version.
    const [mine, its] = [boardMagic, header.magic].map((magic) => ({ name: magic & (1n << 56n) - 1n, version: Number(magic >> 56n) }));
    if (its.name !== mine.name) throw this.#refusal("it is no board");
    if (its.version !== mine.version) {
      const [wrong, right] = [its, mine].map(({ version }) => quote(String.fromCharCode(version)));
      throw this.#refusal(`it is of version ${wrong}, and not ${right}`, "Use the nodeos that started the container");
    }
    if (header.size !== boardBytes || size < boardBytes) {
      throw this.#refusal(`it has ${Math.min(header.size, size)} bytes, and not ${boardBytes}`);
    }
    const architecture = architectureOfAudit(header.audit_arch);
    if (architecture === null) throw this.#refusal(`it is for the unknown architecture 0x${header.audit_arch.toString(16)}`);
    return architecture;
  }

  #checkNumber(number: number): number {
    if (Number.isInteger(number) && number >= 0 && number < boardCount.calls) return number;
    throw new RangeError(`Cannot find the rule of call ${number}: numbers are from 0 to ${boardCount.calls - 1}`);
  }

  /** A file that was removed can still be read, but nobody keeps it any longer. */
  #checkThere(): void {
    if (this.#file.statSync().nlink === 0) {
      throw new NotRunningError(`Cannot use the board ${this.#path}: it was removed, because the container ended`);
    }
  }

  #read(region: keyof typeof regions): Uint8Array<ArrayBuffer> {
    this.#checkThere();
    const { at, bytes } = regions[region];
    const buffer = new Uint8Array(bytes);
    this.#file.seekSync(at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes;) {
      const count = this.#file.readSync(buffer.subarray(done));
      if (count === null) throw this.#refusal(`it ends after ${at + done} bytes`);
      done += count;
    }
    return buffer;
  }

  #writeByte(at: number, value: number): void {
    this.#file.seekSync(at, Deno.SeekMode.Start);
    this.#file.writeSync(Uint8Array.of(value));
  }

  #refusal(fault: string, remedy?: string): RefusedError {
    return new RefusedError(`Cannot use the board ${this.#path}: ${fault}`, { remedy });
  }
}

function open(path: string, write: boolean): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write });
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) throw new NoSuchObjectError(`Cannot open the board ${path}: there is none`, { cause });
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new RefusedError(`Cannot open the board ${path}: permission denied`, { cause, remedy: "Become root" });
  }
}

function verdictOf(policy: Uint8Array<ArrayBuffer>, number: number): Verdict {
  const at = number * policyBytes;
  const action = actionOfCode[policy[at + actionByte]] ?? "allow";
  return action === "deny" ? { action, errno: errnoName(policy[at + errorByte]) } : { action };
}
