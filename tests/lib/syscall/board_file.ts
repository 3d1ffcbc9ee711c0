import { type Architecture, hostArchitecture } from "../../../lib/syscall/arch.ts";
import { Board, encodeBoard } from "../../../lib/syscall/board.ts";
import { boardAt, CounterLayout, HeaderLayout, JournalLayout, RefusalLayout } from "../../../lib/syscall/board_layout.ts";
import { refusalAt } from "../../../lib/syscall/board_picture.ts";

type Fields<L extends { read(buffer: Uint8Array<ArrayBuffer>): unknown }> = Partial<ReturnType<L["read"]>>;

/** A board in a file of a test's own, on which the test plays keeper and forwarder; disposing closes and removes it. */
export class BoardFile implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "nodeos-board-" });
  readonly #opened: Board[] = [];
  /** The file. */
  readonly path = `${this.#directory}/board`;
  /** What the file holds. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  /** Writes a new board. */
  constructor(architecture: Architecture = hostArchitecture() ?? "x86_64") {
    this.bytes = encodeBoard({ architecture, rules: [], unknown: { action: "allow" } });
    this.save();
  }

  /** Writes the whole file, in place. */
  save(bytes = this.bytes): this {
    Deno.writeFileSync(this.path, bytes);
    return this;
  }

  /** Writes a part of the file. */
  #savePart(at: number, { size }: { size: number }): this {
    using file = Deno.openSync(this.path, { write: true });
    file.seekSync(at, Deno.SeekMode.Start);
    file.writeSync(this.bytes.subarray(at, at + size));
    return this;
  }

  /** Sets fields of the front. */
  header(fields: Fields<typeof HeaderLayout>): this {
    HeaderLayout.write(this.bytes, fields);
    return this.#savePart(0, HeaderLayout);
  }

  /** Sets counters of a call. */
  counter(number: number, fields: Fields<typeof CounterLayout>): this {
    const at = boardAt.counters + number * CounterLayout.size;
    CounterLayout.write(this.bytes, fields, at);
    return this.#savePart(at, CounterLayout);
  }

  /** Sets a slot of the journal. */
  slot(slot: number, fields: Fields<typeof JournalLayout>): this {
    const at = boardAt.journal + slot * JournalLayout.size;
    JournalLayout.write(this.bytes, fields, at);
    return this.#savePart(at, JournalLayout);
  }

  /** Writes a refusal to its place; `number` in the fields is written instead of its own. */
  refusal(number: number, fields: Fields<typeof RefusalLayout> = {}): this {
    const at = boardAt.refusals + refusalAt(number);
    RefusalLayout.write(this.bytes, { number: BigInt(number), ...fields }, at);
    return this.#savePart(at, RefusalLayout);
  }

  /** Opens the board as a reader does. */
  open(options?: { readOnly?: boolean }): Board {
    const board = new Board(this.path, options);
    this.#opened.push(board);
    return board;
  }

  /** Closes what was opened, and removes the file. */
  [Symbol.dispose](): void {
    for (const board of this.#opened) board[Symbol.dispose]();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}
