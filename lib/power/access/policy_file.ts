import { didYouMean, RefusedError, UsageError } from "../../errors.ts";
import { everything, type Grant, Policy, type Range } from "./policy.ts";

/**
 * Reads a policy, a YAML document:
 *
 * ```yaml
 * users:
 *   alice:
 *     read: ["*"]
 *     set:
 *       package0/power-limit: { min: 60, max: 120 }
 * groups:
 *   operators: { set: { "*": any } }
 * ```
 *
 * @throws {UsageError} If it is no YAML, or has something in it that is no grant.
 */
export async function parsePolicy(text: string): Promise<Policy> {
  const { parse } = await import("yaml");
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new UsageError(`Cannot read the policy of power: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  const { users, groups } = fieldsOf("the policy", document ?? {}, ["users", "groups"]);
  return new Policy(grantsOf("users", users), grantsOf("groups", groups));
}

/**
 * Loads a policy; without a file, {@link Policy.rootOnly}. Needs read permission for it.
 *
 * @throws {RefusedError} If others than root, or than the user who runs this, could have written it.
 */
export async function loadPolicy(path: string): Promise<Policy> {
  let file: Deno.FileInfo;
  try {
    file = Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return Policy.rootOnly;
    throw error;
  }
  const isOurs = file.uid === 0 || file.uid === Deno.uid();
  if (!isOurs || ((file.mode ?? 0) & 0o022) !== 0) {
    throw new RefusedError(`Cannot trust the policy ${path}: others than root may write it`, {
      remedy: `chown root ${path}; chmod 644 ${path}`,
    });
  }
  return await parsePolicy(Deno.readTextFileSync(path));
}

function fieldsOf(what: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(what, `is no map of ${known.join(", ") || "names"}`);
  if (known.length > 0) {
    const stray = Object.keys(value).find((key) => !known.includes(key));
    if (stray !== undefined) throw wrong(what, `has no field ${JSON.stringify(stray)}${didYouMean(stray, known)}`);
  }
  return value as Record<string, unknown>;
}

function wrong(what: string, why: string): UsageError {
  return new UsageError(`Cannot read the policy of power: ${what} ${why}`);
}

function grantsOf(what: string, value: unknown): Map<string, Grant> {
  return new Map(Object.entries(fieldsOf(what, value ?? {}, [])).map(([name, grant]) => [name, grantOf(`${what}.${name}`, grant)]));
}

function grantOf(what: string, value: unknown): Grant {
  const { read = [], set = {} } = fieldsOf(what, value, ["read", "set"]);
  if (!Array.isArray(read) || read.some((name) => typeof name !== "string")) throw wrong(`${what}.read`, "is no list of names of meters");
  const ranges = Object.entries(fieldsOf(`${what}.set`, set, [])).map(([name, range]) =>
    [name, rangeOf(`${what}.set.${name}`, range)] as const
  );
  return { read, set: new Map(ranges) };
}

function rangeOf(what: string, value: unknown): Range {
  if (value === "any") return everything;
  const { min, max } = fieldsOf(what, value, ["min", "max"]);
  if (typeof min !== "number" || typeof max !== "number" || !(min <= max)) {
    throw wrong(what, `is neither "any" nor a range, such as { min: 60, max: 120 }`);
  }
  return { min, max };
}
