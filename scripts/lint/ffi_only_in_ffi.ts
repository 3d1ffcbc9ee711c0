import { destructured, isDeno, propertyName } from "./names.ts";
import { placeOf } from "./place.ts";

const unsafe = new Set(["dlopen", "UnsafePointer", "UnsafePointerView", "UnsafeCallback", "UnsafeFnPointer"]);
/** What opens the library for the files of ffi/. */
const opener = "lazyLibrary";
const hint = "Put the call behind a function in ffi/ that takes and returns numbers, strings and buffers";

/** Libraries are opened and pointers handled in `ffi/` (and its tests), so that one folder decides what native code sees. */
export const ffiOnlyInFfi: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    if (place.startsWith("ffi/") || place.startsWith("tests/ffi/")) return {};
    const report = (node: Deno.lint.Node, name: string) =>
      context.report({ node, message: `Deno.${name} belongs in ffi/, not in ${place}`, hint });
    return {
      ImportSpecifier(node) {
        if (node.imported.type === "Identifier" && node.imported.name === opener) {
          context.report({ node, message: `${opener} belongs in ffi/, not in ${place}`, hint });
        }
      },
      MemberExpression(node) {
        if (!isDeno(node.object)) return;
        const name = propertyName(node);
        if (name === null) context.report({ node, message: "A computed member of Deno may be dlopen", hint: "Write its name out" });
        else if (unsafe.has(name)) report(node, name);
      },
      VariableDeclarator(node) {
        if (!isDeno(node.init)) return;
        for (const name of destructured(node.id)) if (unsafe.has(name)) report(node, name);
      },
      TSQualifiedName(node) {
        if (isDeno(node.left) && unsafe.has(node.right.name)) report(node, node.right.name);
      },
    };
  },
};
