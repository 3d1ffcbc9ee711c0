import { textOf } from "./imports.ts";

/** The name of the property that `a.name`, `a.#name` or `a["name"]` reads; `null` when it is computed. */
export function propertyName(node: Deno.lint.MemberExpression): string | null {
  const { property } = node;
  if (property.type === "PrivateIdentifier") return property.name;
  if (!node.computed && property.type === "Identifier") return property.name;
  return textOf(property);
}

/** Whether an expression is the global `Deno`. */
export function isDeno(node: Deno.lint.Node | null): boolean {
  if (node?.type === "Identifier") return node.name === "Deno";
  return node?.type === "MemberExpression" && propertyName(node) === "Deno" && node.object.type === "Identifier" &&
    node.object.name === "globalThis";
}

/** The names that `const { a, b: c } = ...` reads. */
export function destructured(pattern: Deno.lint.Node): string[] {
  if (pattern.type !== "ObjectPattern") return [];
  const names: string[] = [];
  for (const property of pattern.properties) {
    if (property.type !== "Property") continue;
    const name = property.key.type === "Identifier" && !property.computed ? property.key.name : textOf(property.key);
    if (name !== null) names.push(name);
  }
  return names;
}

/** The last name of an expression, which tells a reader what it is: `kernel` of `(await this.kernel())`. */
export function lastName(node: Deno.lint.Node): string | null {
  switch (node.type) {
    case "Identifier":
      return node.name;
    case "MemberExpression":
      return propertyName(node);
    case "CallExpression":
      return lastName(node.callee);
    case "NewExpression":
      return lastName(node.callee);
    case "AwaitExpression":
      return lastName(node.argument);
    case "ChainExpression":
    case "TSNonNullExpression":
    case "TSAsExpression":
      return lastName(node.expression);
    default:
      return null;
  }
}
