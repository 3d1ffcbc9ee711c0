import { SysError } from "../../../ffi/errors.ts";
import { RefusedError, UsageError } from "../../errors.ts";
import { drivers, type Kernel } from "../../plan/driver.ts";
import type { Drift } from "../../plan/executor.ts";
import { formatValue, type Meter } from "../meter.ts";
import type { Registry } from "../registry.ts";
import type { Snapshot } from "../snapshot.ts";
import { Journal, type Restored } from "./journal.ts";
import type { Person, Policy } from "./policy.ts";

/** An actuator that was set. */
export interface Setting {
  /** Its name. */
  readonly name: string;
  /** What was asked for. */
  readonly asked: number;
  /** What it has now: the hardware rounds, and may clip. */
  readonly value: number;
}

/** What a {@link PowerSession} is made of. */
export interface SessionOptions {
  /** The running machine. */
  readonly kernel: Kernel;
  /** Its meters. */
  readonly registry: Registry;
  /** Directory of the journal, `/run/nodeos/power`. */
  readonly directory: string;
  /** Who may do what. */
  readonly policy: Policy;
  /** Who asks. */
  readonly person: Person;
  /** Is told what a dead writer had left, when that was put back. */
  readonly onRestored?: (restored: Restored) => void;
}

/**
 * Somebody's access to power: reads what the policy allows, and sets what it allows. To set makes it the only writer of the
 * machine; disposing puts everything back that it set, and so does whoever comes next if this process is killed.
 */
export class PowerSession implements AsyncDisposable {
  readonly #options: SessionOptions;
  #journal: Journal | null;

  private constructor(options: SessionOptions, journal: Journal | null) {
    this.#options = options;
    this.#journal = journal;
  }

  /** A session that only reads. It keeps nobody from writing. */
  static forReading(options: SessionOptions): PowerSession {
    return new PowerSession(options, null);
  }

  /**
   * A session that may set.
   *
   * @throws {RefusedError} If another one lives.
   */
  static async open(options: SessionOptions): Promise<PowerSession> {
    const { kernel, directory, person, onRestored } = options;
    return new PowerSession(options, await Journal.open(kernel, directory, person.user, onRestored));
  }

  /**
   * Reads meters, all of one moment.
   *
   * @throws {RefusedError} If the policy does not allow one of them; then nothing is read.
   */
  snapshot(names: readonly string[]): Snapshot {
    const { registry, policy, person } = this.#options;
    for (const name of names) policy.checkRead(person, registry.find(name));
    return registry.snapshot(names);
  }

  /**
   * Sets an actuator; what it was before is on disk first.
   *
   * @throws {NoSuchObjectError} If there is no such actuator.
   * @throws {UsageError} If the value is not a number, or out of range.
   * @throws {RefusedError} If the policy does not allow it, or the machine refuses; then it is as it was.
   */
  set(name: string, value: number): Setting {
    const { registry, policy, person, kernel } = this.#options;
    const meter = registry.find(name);
    if (Number.isNaN(value)) throw new UsageError(`Cannot set ${name}: ${value} is not a number`);
    policy.checkSet(person, meter, value);
    const changes = registry.plan(name, value);
    if (this.#journal === null) throw new RefusedError(`Cannot set ${name}: this session only reads`, { remedy: "Open one that may set" });
    this.#journal.remember(changes);
    const before = changes.map(({ kind, what }) => drivers[kind].read(kernel, what));
    try {
      for (const { kind, what, to } of changes) drivers[kind].write(kernel, what, to);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      throw new RefusedError(`Cannot set ${name} to ${formatValue(value, meter.unit)}: ${error.message}`, { cause: error });
    }
    return this.#settingOf(
      meter,
      name,
      value,
      changes.every(({ kind, what }, index) => drivers[kind].read(kernel, what) === before[index]),
    );
  }

  #settingOf(meter: Meter, name: string, asked: number, isUnchanged: boolean): Setting {
    const { values: [value], missing } = this.#options.registry.snapshot([name]);
    if (value === null) throw new RefusedError(`Cannot set ${name}: ${missing[0].reason}`);
    if (isUnchanged && Math.abs(value - asked) > roundingOf(meter, asked)) {
      const [is, was] = [formatValue(value, meter.unit), formatValue(asked, meter.unit)];
      throw new RefusedError(`Cannot set ${name} to ${was}: the machine took it, and stays at ${is}`);
    }
    return { name, asked, value };
  }

  /** What was set so far goes back. Returns what the machine would not take back; again does nothing. */
  async end(): Promise<readonly Drift[]> {
    const journal = this.#journal;
    this.#journal = null;
    return journal === null ? [] : await journal.close();
  }

  /** See {@link end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** How far a value may be from what was asked for without being refused: windows come in steps of a quarter. */
function roundingOf({ unit, resolution }: Meter, asked: number): number {
  return unit === "s" ? Math.max(resolution, asked / 4) : Math.max(resolution, Math.abs(asked) * 2e-3);
}
