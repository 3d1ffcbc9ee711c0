import { textOf } from "./imports.ts";
import { placeOf } from "./place.ts";

/** Nouns of quantities that have a unit; as the last word of a name, they leave the reader to guess it. */
const quantities = new Set(
  "memory size duration time timeout period runtime deadline latency interval delay uptime power energy frequency temperature bandwidth"
    .split(" "),
);
/** Words that may follow the unit, or what should have one: `latencyUsMax`. */
const qualifiers = new Set("min max limit total sum mean median average low high current".split(" "));

/** Numbers of exported types say their unit: `memoryBytes`, `periodNs`, `powerWatts`. */
export const unitInName: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    if (place.startsWith("tests/")) return {};
    const exported = new Set<string>();
    return {
      Program(program) {
        for (const node of program.body) {
          if (node.type !== "ExportNamedDeclaration" || node.source) continue;
          for (const { local } of node.specifiers) if (local.type === "Identifier") exported.add(local.name);
        }
      },
      TSPropertySignature(node) {
        const name = node.key.type === "Identifier" ? node.key.name : textOf(node.key);
        const type = node.typeAnnotation?.typeAnnotation;
        if (name === null || !type || !isNumber(type) || !isExported(node, exported)) return;
        // The layout of a C structure has C's own word, sizeof.
        if (!lacksUnit(name) || (place === "ffi/struct.ts" && name === "size")) return;
        context.report({
          node,
          message: `${name} has no unit`,
          hint:
            `Say what one is: ${name}Bytes, ${name}Ns, ${name}Watts, ${name}Hz, ${name}Celsius, ${name}Percent, ${name}Pages ... whichever it is`,
        });
      },
    };
  },
};

/** Whether a name ends with a quantity that no unit follows. */
export function lacksUnit(name: string): boolean {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9]+/).filter(Boolean);
  while (words.length > 1 && qualifiers.has(words.at(-1)!)) words.pop();
  return quantities.has(words.at(-1) ?? "");
}

/** `number` or `bigint`, alone or beside `null` and `undefined`. */
function isNumber(type: Deno.lint.TypeNode): boolean {
  if (type.type === "TSNumberKeyword" || type.type === "TSBigIntKeyword") return true;
  if (type.type !== "TSUnionType") return false;
  const rest = type.types.filter(({ type }) => type !== "TSNullKeyword" && type !== "TSUndefinedKeyword");
  return rest.length > 0 && rest.every(isNumber);
}

/** Whether a property is part of a type that the file exports, at any depth. */
function isExported(property: Deno.lint.Node, exported: ReadonlySet<string>): boolean {
  for (let node: Deno.lint.Node = property; node.type !== "Program"; node = parentOf(node)) {
    if (node.type !== "TSInterfaceDeclaration" && node.type !== "TSTypeAliasDeclaration") continue;
    // Flags are named as users type them, with the unit in the value: --memory 64GiB.
    if (node.id.name.endsWith("Flags")) return false;
    return node.parent.type === "ExportNamedDeclaration" || node.parent.type === "ExportDefaultDeclaration" || exported.has(node.id.name);
  }
  return false;
}

function parentOf(node: Deno.lint.Node): Deno.lint.Node {
  // Comments alone have no parent, and no property lies below a comment.
  return (node as Deno.lint.Statement).parent;
}
