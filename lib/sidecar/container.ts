import type { Architecture } from "../syscall/arch.ts";
import type { Board, BoardState, CallCounter, Refusals } from "../syscall/board.ts";
import { type FiledRule, parsePolicyFile } from "../syscall/policy_file.ts";
import type { Rule } from "../syscall/rules.ts";
import { formatVerdict, type Verdict } from "../syscall/switches.ts";
import { type Change, decideSwitch, fixedCalls } from "../syscall/switching.ts";
import { callNamed } from "../syscall/table.ts";

/** What of a board the sidecar uses. */
export type BoardFace = Pick<Board, "architecture" | "state" | "counters" | "refusals" | "rules" | "setRule">;

/** A call whose action changed. */
export interface ChangedCall {
  /** Its name. */
  readonly call: string;
  /** What happened to it before, such as `deny:EPERM`. */
  readonly from: string;
  /** What happens to it now. */
  readonly to: string;
}

/** What a change of the policy did. */
export interface ChangeReport {
  /** Calls whose action is another one now. */
  readonly changed: readonly ChangedCall[];
  /** Calls of groups that stay what they are, and why. */
  readonly fixed: readonly { readonly call: string; readonly reason: string }[];
}

/** What the policy file says, with the calls themselves. */
interface Filed {
  readonly container: string;
  readonly profile: string;
  readonly rules: readonly Rule[];
}

/** A container as its sidecar knows it: the board, and the policy that its programs were started with. */
export class ContainerView {
  #filed: Promise<Filed> | undefined;

  /**
   * A container.
   *
   * @param board Its board.
   * @param readPolicy Reads its policy file, at the first time that it is needed.
   */
  constructor(readonly board: BoardFace, readonly readPolicy: () => Promise<string>) {}

  /** Whose calls they are. */
  get architecture(): Architecture {
    return this.board.architecture;
  }

  /** How forwarder and sidecar are doing. */
  state(): BoardState {
    return this.board.state();
  }

  /** What happened to calls, by name. */
  counters(): Record<string, CallCounter> {
    return this.board.counters();
  }

  /** See {@link Board}. */
  refusals(since: number): Refusals {
    return this.board.refusals(since);
  }

  /** The container's name and profile, and the rules that its programs were started with. */
  filed(): Promise<Filed> {
    return this.#filed ??= this.#read().catch((error) => {
      this.#filed = undefined;
      throw error;
    });
  }

  async #read(): Promise<Filed> {
    const { container, profile, rules } = await parsePolicyFile(await this.readPolicy());
    return { container, profile, rules: rules.flatMap(ruleOf) };
  }

  /** What happens to every call now, by number. */
  async rules(): Promise<Rule[]> {
    const { rules } = await this.filed();
    const now = this.board.rules();
    return rules.map((rule) => rule.notified ? { call: rule.call, ...this.#verdict(rule, now), notified: true } : rule);
  }

  #verdict({ call }: Rule, now: readonly Verdict[]): Verdict {
    return now[call.numbers[this.architecture]!];
  }

  /**
   * Changes what happens to calls from now on: everything that is asked for, or nothing.
   *
   * @param switches Such as `openat=allow` and `@path=forward`. A name beats a group, a group beats `@all`.
   * @throws {UsageError} If one can change nothing, with the reason.
   */
  async change(switches: readonly string[]): Promise<ChangeReport> {
    const filed = await this.filed();
    const wanted = new Map(inOrder(switches).flatMap((text) => decideSwitch(filed, text)).map((change) => [change.call, change]));
    const fixed = new Map(switches.flatMap((text) => fixedCalls(filed, text)).map((call) => [call.call.name, call]));
    const before = this.board.rules();
    const changed = [...wanted.values()].flatMap((change) => this.#difference(change, before));
    this.#apply(changed, before);
    return {
      changed: changed.map(({ shown }) => shown),
      fixed: [...fixed].map(([call, { reason }]) => ({ call, reason })),
    };
  }

  #difference(change: Change, before: readonly Verdict[]): { change: Change; number: number; shown: ChangedCall }[] {
    const { call } = change;
    const number = call.numbers[this.architecture]!;
    const [from, to] = [before[number], change].map(formatVerdict);
    return from === to ? [] : [{ change, number, shown: { call: call.name, from, to } }];
  }

  #apply(changes: readonly { change: Verdict; number: number }[], before: readonly Verdict[]): void {
    const done: number[] = [];
    try {
      for (const { change: { action, errno }, number } of changes) {
        done.push(number);
        this.board.setRule(number, action, errno);
      }
    } catch (error) {
      for (const number of done) this.board.setRule(number, before[number].action, before[number].errno);
      throw error;
    }
  }
}

/** As layers of a profile have it: what names more calls comes first, and is overridden by what names fewer. */
function inOrder(switches: readonly string[]): string[] {
  const rank = (text: string) => !text.startsWith("@") ? 2 : text.startsWith("@all=") ? 0 : 1;
  return switches.toSorted((a, b) => rank(a) - rank(b));
}

/** A rule of the file; one of a call that we do not know is left out: another version of us wrote it. */
function ruleOf({ call: name, ...rest }: FiledRule): Rule[] {
  const call = callNamed(name);
  return call === undefined ? [] : [{ call, ...rest }];
}
