import { RefusedError } from "../../errors.ts";
import { formatValue, type Meter } from "../meter.ts";

/** Who asks. */
export interface Person {
  /** User id. */
  readonly uid: number;
  /** Name of the user. */
  readonly user: string;
  /** Names of all groups, and their ids as decimal text. */
  readonly groups: readonly string[];
}

/** What somebody may set an actuator to, in its unit. */
export interface Range {
  /** The least value. */
  readonly min: number;
  /** The highest value. */
  readonly max: number;
}

/** What a user or the members of a group may do. Names may hold `*` for any part between two slashes; `*` alone is everything. */
export interface Grant {
  /** Meters that may be read. */
  readonly read: readonly string[];
  /** Actuators that may be read and set, and to what. */
  readonly set: ReadonlyMap<string, Range>;
}

/** Any value. */
export const everything: Range = { min: -Infinity, max: Infinity };

/** Who may read which meters and set which actuators to what. Whatever no grant allows is refused. */
export class Policy {
  /** Grants by the name or id of a user, and of a group. */
  constructor(readonly users: ReadonlyMap<string, Grant>, readonly groups: ReadonlyMap<string, Grant>) {}

  /** Everything for root, nothing for others: what counts where there is no policy. */
  static readonly rootOnly: Policy = new Policy(new Map([["0", { read: ["*"], set: new Map([["*", everything]]) }]]), new Map());

  #grantsOf({ uid, user, groups }: Person): Grant[] {
    const users = [this.users.get(user), this.users.get(`${uid}`)];
    return [...users, ...groups.map((group) => this.groups.get(group))].filter((grant) => grant !== undefined);
  }

  /** Whether somebody may read a meter; what may be set may be read. */
  mayRead(person: Person, { name }: Pick<Meter, "name">): boolean {
    return this.#grantsOf(person).some(({ read, set }) => [...read, ...set.keys()].some((pattern) => matches(pattern, name)));
  }

  /** Whether somebody may set an actuator to anything at all. */
  maySet(person: Person, { name }: Pick<Meter, "name">): boolean {
    return this.#grantsOf(person).some(({ set }) => [...set.keys()].some((pattern) => matches(pattern, name)));
  }

  /** Throws a `RefusedError` if somebody may not read a meter. */
  checkRead(person: Person, meter: Pick<Meter, "name">): void {
    if (this.mayRead(person, meter)) return;
    throw new RefusedError(`Cannot read ${meter.name}: the policy does not allow user ${person.user} to`, { remedy: askRoot });
  }

  /** Throws a `RefusedError` if somebody may not set an actuator to a value. */
  checkSet(person: Person, { name, unit }: Pick<Meter, "name" | "unit">, value: number): void {
    const ranges = this.#grantsOf(person).flatMap(({ set }) =>
      [...set].filter(([pattern]) => matches(pattern, name)).map(([, range]) => range)
    );
    if (ranges.length === 0) {
      throw new RefusedError(`Cannot set ${name}: the policy does not allow user ${person.user} to`, { remedy: askRoot });
    }
    if (ranges.some(({ min, max }) => value >= min && value <= max)) return;
    const allowed = ranges.map(({ min, max }) => `${formatValue(min, unit)} to ${formatValue(max, unit)}`).join(", or ");
    throw new RefusedError(`Cannot set ${name} to ${formatValue(value, unit)}: the policy does not allow user ${person.user} to`, {
      remedy: `Give a value from ${allowed}`,
    });
  }
}

const askRoot = "Ask root for a grant in the policy of power";

/** Whether a pattern, as a {@link Grant} has it, is about the meter of a name. */
export function matches(pattern: string, name: string): boolean {
  if (pattern === "*" || pattern === name) return true;
  if (!pattern.includes("*")) return false;
  const escaped = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join("[^/]*")}$`).test(name);
}
