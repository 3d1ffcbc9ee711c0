import { z } from "zod";
import { didYouMean, UsageError } from "../errors.ts";
import { quote } from "../quote.ts";
import { expand } from "./groups.ts";
import { type Layer, type LayerEntry, saidTwice, type Target } from "./layer.ts";
import { YamlFile, type YamlIssue, type YamlPath } from "./profile_yaml.ts";
import { type Action, actions, parseErrno, parseVerdict, type Verdict } from "./switches.ts";

/** One profile as its file says it, without what it extends. */
export interface ProfileText extends Layer {
  /** What policies call it. */
  readonly name: string;
  /** What it is for; may be empty. */
  readonly doc: string;
  /** The profile that it adds to, by name or path. */
  readonly extends?: string;
  /** What happens to calls that nobody names; absent where the extended profile says it. */
  readonly default?: Verdict;
}

/** A message, and on a second line what would be right: a schema has room for one text. */
const words = (message: string, remedy: string) => `${message}\n${remedy}`;
const text = (message: string, remedy: string) => z.string(words(message, remedy));
const listRemedy = 'Write calls and groups, groups in quotes, as in [openat, "@path"]';
const list = z.array(text("this is no text", listRemedy), words("this is no list", listRemedy)).optional();
const defaultRemedy = "Write default: allow, or default: deny:ENOSYS";
const schema = z.strictObject({
  name: text("name is missing", "Write name: and a word").regex(
    /^[\w.-]{1,48}$/,
    words("this is no name", "Write a word in letters and digits"),
  ),
  doc: text("this is no text", "Write what the profile is for").default(""),
  extends: text("this is no text", "Write the name or the path of a profile").optional(),
  default: text("this is no text", defaultRemedy).optional(),
  ...Object.fromEntries(actions.map((action) => [action, list])) as Record<Action, typeof list>,
  switchable: list,
}, words("this is no profile", "Write name:, default:, and lists such as allow: and deny:"));
type Profile = z.output<typeof schema>;

/**
 * Understands a profile in YAML 1.2.
 *
 * @param fileName What messages call it.
 * @throws {UsageError} With everything that is wrong, each with line and column.
 */
export function parseProfile(source: string, fileName: string): ProfileText {
  const file = new YamlFile(source, fileName);
  const { data: profile, error } = schema.safeParse(file.value);
  if (error) throw file.error(error.issues.flatMap(schemaIssues));
  const issues: YamlIssue[] = [];
  const { name, doc } = profile;
  const entries = entriesOf(profile, file, issues);
  const switchable = targetsOf(profile.switchable ?? [], ["switchable"], file, issues);
  const [byDefault] = collect(issues, ["default"], () => defaultOf(profile));
  if (issues.length > 0) throw file.error(issues);
  return { name, doc, extends: profile.extends, default: byDefault, entries, switchable };
}

function schemaIssues(issue: z.core.$ZodIssue): YamlIssue[] {
  const path = issue.path as YamlPath;
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(schema.shape);
    const remedy = `Known here: ${known.join(", ")}`;
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `unknown key ${quote(key)}${didYouMean(key.slice(0, 40), known)}`,
      remedy,
    }));
  }
  const [message, remedy] = issue.message.split("\n");
  return [{ path, message, remedy }];
}

function entriesOf(profile: Profile, file: YamlFile, issues: YamlIssue[]): LayerEntry[] {
  const found = actions.flatMap((action) =>
    (profile[action] ?? []).flatMap((item, index) => {
      const path = [action, index];
      return collect(issues, path, () => {
        const [target, errno] = split(item, action);
        expand([target]);
        return { path, entry: { target, verdict: verdictOf(action, errno), place: file.place(path) } };
      });
    })
  );
  const entries = found.map(({ entry }) => entry);
  for (const { entry, before } of saidTwice(entries)) {
    const { path } = found.find((one) => one.entry === entry)!;
    issues.push({ path, message: `${quote(entry.target)} is in ${before.verdict.action} already`, remedy: "Keep one of them" });
  }
  return entries;
}

/** An item of a list: a call or a group, and of `deny` perhaps an error. */
function split(item: string, action: Action): [target: string, errno?: string] {
  const at = item.indexOf(":");
  if (at < 0) return [item];
  if (action === "deny") return [item.slice(0, at), item.slice(at + 1)];
  throw new UsageError(`Cannot read it: ${quote(item)} has an error, which only denied calls have`, { remedy: "Leave it out" });
}

function verdictOf(action: Action, errno: string | undefined): Verdict {
  return errno === undefined ? parseVerdict(action) : { action, errno: parseErrno(errno) };
}

function targetsOf(items: readonly string[], path: YamlPath, file: YamlFile, issues: YamlIssue[]): Target[] {
  return items.flatMap((target, index) =>
    collect(issues, [...path, index], () => (expand([target]), { target, place: file.place([...path, index]) }))
  );
}

function defaultOf(profile: Profile): Verdict | undefined {
  if (profile.default === undefined) {
    if (profile.extends !== undefined) return undefined;
    throw new UsageError("Cannot read it: default is missing", { remedy: defaultRemedy });
  }
  const verdict = parseVerdict(profile.default);
  if (verdict.action === "allow" || verdict.action === "deny") return verdict;
  throw new UsageError(`Cannot read it: ${verdict.action} is nothing for calls that nobody names`, { remedy: defaultRemedy });
}

/** The result in a list, or an issue. */
function collect<T>(issues: YamlIssue[], path: YamlPath, make: () => T): T[] {
  try {
    return [make()];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    issues.push({ path, message: error.message.replace(/^Cannot read it: /, ""), remedy: error.remedy });
    return [];
  }
}
