import { quote } from "../quote.ts";

/** A message, and on a second line what would be right: a schema has room for one text. */
export function words(message: string, remedy: string): string {
  return `${message}\n${remedy}`;
}

/** The error of a schema: what the value is, and what would be right. */
export function expected(what: string, remedy: string): { error: (issue: { readonly input?: unknown }) => string } {
  return { error: ({ input }) => words(`${what} is ${describe(input)}`, remedy) };
}

/** What a value is, as the words after "is". */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null || value === "") return "empty";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "a map";
  return typeof value === "string" ? quote(value) : `${value}`;
}

const yamlRemedies: Readonly<Record<string, string>> = {
  BAD_INDENT: "Begin the keys of a map in one column, and close every [ and {",
  BAD_SCALAR_START: "Put the text in quotes",
  BLOCK_AS_IMPLICIT_KEY: 'Put text that contains ": " in quotes, and every key on a line of its own',
  NON_STRING_KEY: "Write a word before the colon",
  TAB_AS_INDENT: "Indent with spaces",
  TAG_RESOLVE_FAILED: "Leave the tag out; put text that begins with ! in quotes",
};

/** What would be right, by the error code of the YAML library. */
export function yamlRemedy(code: string): string {
  return yamlRemedies[code] ?? "Write it as YAML 1.2, or put text with special characters in quotes";
}
