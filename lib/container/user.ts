import { UsageError } from "../errors.ts";
import { quote } from "../quote.ts";

/** A user and a group, by number. */
export interface User {
  /** User id. */
  readonly uid: number;
  /** Group id. */
  readonly gid: number;
}

/**
 * Parses `UID` or `UID:GID`, in numbers; the group of a user alone has the same number.
 *
 * @throws {UsageError} If it is none.
 */
export function parseUser(text: string): User {
  const match = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(text);
  if (match) return { uid: Number(match[1]), gid: Number(match[2] ?? match[1]) };
  throw new UsageError(`Cannot read ${quote(text)} as a user`, { remedy: "Write numbers, as in 1000 or 1000:100 (id -u, id -g)" });
}
