/** One `import` or `export ... from` of a file. */
export interface Import {
  /** The name between the quotes. */
  readonly specifier: string;
  /** `type` leaves no trace at run time, `dynamic` runs when it is reached. */
  readonly kind: "type" | "static" | "dynamic";
  /** Where to point at. */
  readonly node: Deno.lint.Node;
}

/** A visitor that calls `visit` for each import whose name is written out, whatever its form. */
export function eachImport(visit: (found: Import) => void): Deno.lint.LintVisitor {
  const declared = (node: Deno.lint.Node, source: Deno.lint.Expression | null, kind: "type" | "value") => {
    const specifier = textOf(source);
    if (specifier !== null) visit({ specifier, kind: kind === "type" ? "type" : "static", node });
  };
  return {
    ImportDeclaration: (node) => declared(node, node.source, node.importKind),
    ExportNamedDeclaration: (node) => declared(node, node.source, node.exportKind),
    ExportAllDeclaration: (node) => declared(node, node.source, node.exportKind),
    ImportExpression(node) {
      const specifier = textOf(node.source);
      if (specifier !== null) visit({ specifier, kind: "dynamic", node });
    },
    TSImportType(node) {
      const specifier = node.argument.type === "TSLiteralType" ? textOf(node.argument.literal) : null;
      if (specifier !== null) visit({ specifier, kind: "type", node });
    },
  };
}

/** The text of a string literal, or of a template without holes; `null` for everything else. */
export function textOf(node: Deno.lint.Node | null): string | null {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type === "TemplateLiteral" && node.expressions.length === 0) return node.quasis[0].cooked;
  return null;
}
