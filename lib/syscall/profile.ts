import { didYouMean, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import type { Layer } from "./layer.ts";
import { parseProfile, type ProfileText } from "./profile_text.ts";
import type { Verdict } from "./switches.ts";
// Imported as text, they are also in a bundle, and need no permission to read.
import cnk from "./profiles/cnk.yaml" with { type: "text" };
import cnkStrict from "./profiles/cnk-strict.yaml" with { type: "text" };
import full from "./profiles/full.yaml" with { type: "text" };
import lean from "./profiles/lean.yaml" with { type: "text" };

/** What happens to the system calls of programs, before anybody switches anything. */
export interface Profile {
  /** What policies call it. */
  readonly name: string;
  /** What it is for; may be empty. */
  readonly doc: string;
  /** What happens to calls that nobody names: `allow` or `deny`. */
  readonly default: Verdict;
  /** What is said of calls; a later layer beats an earlier one. */
  readonly layers: readonly Layer[];
}

const ours: ReadonlyMap<string, string> = new Map([["full", full], ["lean", lean], ["cnk", cnk], ["cnk-strict", cnkStrict]]);

/** The names of the profiles that come with us, the least strict first. */
export const profileNames: readonly string[] = [...ours.keys()];

/** More than anybody extends. */
const extendedMax = 8;
/** Larger than any profile. */
const bytesMax = 64 * 1024;

/**
 * Loads a profile with those it extends.
 *
 * @param name One of {@link profileNames}, or the path of a file when it contains `/` or ends in `.yaml` or `.yml`; that
 * needs read permission for it.
 * @throws {UsageError} If there is none, or it is wrong.
 */
export function loadProfile(name: string): Profile {
  const [first, ...below] = chain(name);
  const { default: byDefault } = [first, ...below].find((text) => text.default !== undefined)!;
  return { name: first.name, doc: first.doc, default: byDefault!, layers: [first, ...below].toReversed() };
}

/** A profile, the one that it extends, and so on. */
function chain(name: string): ProfileText[] {
  const found: ProfileText[] = [];
  const read = new Set<string>();
  for (let next: string | undefined = name; next !== undefined;) {
    if (read.has(next) || found.length === extendedMax) {
      throw new UsageError(
        `Cannot use the profile ${quote(name)}: ${read.has(next) ? `it extends ${quote(next)} in a circle` : "it extends too many"}`,
        {
          remedy: "Extend a profile that extends nothing, such as lean",
        },
      );
    }
    read.add(next);
    const text: ProfileText = parseProfile(ours.get(next) ?? readProfile(next), isPath(next) ? next : `${next}.yaml`);
    found.push(text);
    next = text.extends === undefined ? undefined : beside(next, text.extends);
  }
  return found;
}

function isPath(name: string): boolean {
  return name.includes("/") || /\.ya?ml$/.test(name);
}

/** What a profile extends: one of ours, or a file that is named from its own directory. */
function beside(path: string, name: string): string {
  if (!isPath(name) || name.startsWith("/")) return name;
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  return `${directory}${name.replace(/^(?:\.\/)+/, "")}`;
}

function readProfile(path: string): string {
  if (!isPath(path)) {
    throw new UsageError(`Cannot find the profile ${quote(path)}${didYouMean(path.slice(0, 40), profileNames)}`, {
      remedy: `Write ${profileNames.join(", ")}, or the path of a file, as in ./mine.yaml`,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readBytes(path));
  } catch (cause) {
    throw new UsageError(`Cannot read the profile ${quote(path)}: ${reason(cause)}`, { cause, remedy: "Name a YAML file" });
  }
}

/** The bytes of a file; one more than is allowed shows that it is too large, without reading all of `/dev/zero`. */
function readBytes(path: string): Uint8Array<ArrayBuffer> {
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(bytesMax + 1);
  let length = 0;
  for (let count: number | null = 1; count; length += count ?? 0) count = file.readSync(buffer.subarray(length));
  if (length > bytesMax) throw new RangeError("it is larger than 64 KiB");
  return buffer.subarray(0, length);
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "you may not read it";
  if (error instanceof TypeError) return "it is not UTF-8 text";
  return error instanceof Error ? error.message : `${error}`;
}
