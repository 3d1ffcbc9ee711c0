import { type Document, isNode, LineCounter, parseDocument, visit } from "yaml";
import { UsageError } from "../errors.ts";
import { escapeControls, quote } from "../quote.ts";

/** Where a value stands in a file: keys and indexes from its root. */
export type YamlPath = readonly (string | number)[];

/** One thing that is wrong with a file. */
export interface YamlIssue {
  /** Where. */
  readonly path: YamlPath;
  /** What is the case, as a clause. */
  readonly message: string;
  /** What would be right. */
  readonly remedy?: string;
}

/** Larger than any profile: naming every call takes a tenth of it. */
const lengthMax = 64 * 1024;
/** An error fits on one screen. */
const issuesShownMax = 8;

const remedies: Readonly<Record<string, string>> = {
  BAD_SCALAR_START: 'Put groups in quotes, as in "@path"',
  DUPLICATE_KEY: "Keep one of them",
  NON_STRING_KEY: "Write a word before the colon",
  TAB_AS_INDENT: "Indent with spaces",
};

/** A small YAML file: its value, and where the parts of it stand. */
export class YamlFile {
  /** Plain data. */
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();

  /**
   * Parses YAML 1.2, without aliases.
   *
   * @param fileName What messages call the file.
   * @throws {UsageError} If it is none, or larger than any profile.
   */
  constructor(text: string, readonly fileName: string) {
    if (text.length > lengthMax) {
      throw new UsageError(`Cannot read the profile ${quote(fileName)}: it is larger than 64 KiB`, { remedy: "Is this the right file?" });
    }
    const options = { version: "1.2", schema: "core", stringKeys: true, prettyErrors: false, lineCounter: this.#lines } as const;
    this.#document = parseDocument(text, options);
    const [problem] = [...this.#document.errors, ...this.#document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
    if (problem) {
      throw this.#wrong([{ offset: problem.pos[0], message: problem.message, remedy: remedies[problem.code] ?? "Write it as YAML 1.2" }]);
    }
    visit(this.#document, {
      Alias: (_, { range }) => {
        const message = "profiles have no aliases";
        throw this.#wrong([{ offset: range?.[0] ?? 0, message, remedy: "Write it out; put text that begins with * in quotes" }]);
      },
    });
    this.value = this.#document.toJS();
  }

  /** `lean.yaml:4:11`: file, line and column of a value, both from 1; of what is around it when it is not in the file. */
  place(path: YamlPath): string {
    return this.#placeOf(this.#offset(path));
  }

  /** One error for everything that is wrong with the values, in the order of the file. */
  error(issues: readonly YamlIssue[]): UsageError {
    return this.#wrong(
      issues.map(({ path, ...issue }) => ({ offset: this.#offset(path), ...issue })).toSorted((a, b) => a.offset - b.offset),
    );
  }

  #wrong(issues: readonly { offset: number; message: string; remedy?: string }[]): UsageError {
    const lines = issues.slice(0, issuesShownMax).map(({ offset, message, remedy }) =>
      `  ${this.#placeOf(offset)}: ${escapeControls(message.slice(0, 200))}${remedy ? `\n    ${remedy}` : ""}`
    );
    const more = issues.length - issuesShownMax;
    return new UsageError(["Cannot use this profile:", ...lines, ...(more > 0 ? [`  ... and ${more} more`] : [])].join("\n"));
  }

  #placeOf(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${escapeControls(this.fileName)}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }

  /** Where a value begins, or the nearest one around it that is in the file. */
  #offset(path: YamlPath): number {
    for (let length = path.length; length > 0; length--) {
      const node = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return this.#document.contents?.range[0] ?? 0;
  }
}
