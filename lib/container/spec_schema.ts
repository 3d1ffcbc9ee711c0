import { z } from "zod";
import { UsageError } from "../errors.ts";
import { parseNumberList } from "./number_list.ts";
import { expected, words } from "./spec_words.ts";

/** The schema of a value that a parser of the command line's understands. */
export function parsed<T>(what: string, remedy: string, parse: (text: string) => T) {
  return z.union([z.string(), z.number()], expected(what, remedy)).transform((value, context) =>
    orIssue(context, value, () => parse(`${value}`))
  );
}

/** What a parser returns; its `UsageError` becomes an issue of the schema. */
export function orIssue<T>(context: z.RefinementCtx, input: unknown, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    context.issues.push({ code: "custom", input, message: words(error.message, error.remedy ?? "") });
    return z.NEVER;
  }
}

/** A list of numbers, as text with ranges or as a list; not empty. */
export function numbers(what: string) {
  const remedy = 'Write numbers, such as "2-15,18", 3 or [2, 3]';
  return z.union([z.string(), z.number(), z.array(z.number())], expected(what, remedy)).transform((value, context) =>
    orIssue(context, value, () => {
      const list = parseNumberList(`${value}`);
      if (list.length === 0) throw new UsageError(`${what} is empty`, { remedy });
      return list;
    })
  );
}

/** A map with these keys and no others. */
export function map<Shape extends z.ZodRawShape>(what: string, shape: Shape) {
  return z.strictObject(shape, expected(what, `Write a map with ${Object.keys(shape).join(", ")}`));
}

/** A text that is not empty. */
export function filled(what: string, remedy: string) {
  return z.string(expected(what, remedy)).min(1, expected(what, remedy));
}
