import { textOf } from "./imports.ts";
import { destructured, isDeno, lastName, propertyName } from "./names.ts";
import { placeOf, resolveFrom } from "./place.ts";

/** Functions of ffi/ that change a thread, or a cgroup, of somebody. */
const threadChanges = new Set(["setAffinity", "setScheduling", "spreadThreads", "setDeviceFilter"]);
const directoryChanges = new Set(["makeDirectory", "removeDirectory"]);
/** What hands out memory: methods of `kernel.memory`. */
const memoryChanges = new Set(["mount", "remount", "unmount", "populate", "shrink", "remove", "link", "own", "setText"]);
/** What a variable that holds the machine is called; without types, `write(path, text)` of others must not count. */
const machineName = /^(?:writer|.*(?:kernel|root|files))$/i;
const denoChanges = /^(?:write(?:Text)?File|mkdir|remove|rename|truncate|create|symlink|link|chmod|chown|utime)(?:Sync)?$/;
const kernelPath = /^\/(?:sys|proc|dev)(?:\/(?!null$|shm(?:\/|$))|$)/;

const hint = "Return a step { what, from, to, why } and let the executor of lib/plan/ apply it: it journals, reads back and reverts";

/**
 * The machine changes by steps: what writes is called in `lib/plan/` and `ffi/` only, so that everything can be shown
 * before, checked after, and undone.
 */
export const changeOnlyBySteps: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    const free = /^(?:lib\/plan|ffi|tests)\//.test(place);
    const take = (node: Deno.lint.Node, name: string | null) => {
      if (!free && name !== null && threadChanges.has(name)) {
        context.report({ node, message: `${name} is taken outside lib/plan/ and ffi/`, hint });
      }
    };
    const takeBoundName = (
      node: Deno.lint.ImportSpecifier | Deno.lint.ExportSpecifier,
      source: string | undefined,
      name: Deno.lint.Node,
    ) => {
      if (source && resolveFrom(place, source)?.startsWith("ffi/")) take(node, name.type === "Identifier" ? name.name : textOf(name));
    };
    return {
      ImportDeclaration(node) {
        for (const specifier of node.specifiers) {
          if (specifier.type === "ImportSpecifier") takeBoundName(specifier, node.source.value, specifier.imported);
        }
      },
      ExportNamedDeclaration(node) {
        for (const specifier of node.specifiers) takeBoundName(specifier, node.source?.value, specifier.local);
      },
      MemberExpression: (node) => take(node, propertyName(node)),
      VariableDeclarator(node) {
        for (const name of destructured(node.id)) take(node, name);
      },
      CallExpression(node) {
        const callee = node.callee.type === "ChainExpression" ? node.callee.expression : node.callee;
        if (callee.type !== "MemberExpression") return;
        const name = propertyName(callee);
        if (name === null) return;
        if (isDeno(callee.object)) {
          const path = denoChanges.test(name)
            ? node.arguments.map(leadingText).find((text) => text !== null && kernelPath.test(text))
            : undefined;
          if (path) context.report({ node, message: `Deno.${name} changes ${path}, a file of the kernel`, hint });
        } else if (!free && isChange(name, callee.object, node.arguments.length)) {
          context.report({ node, message: `${name}() changes the machine outside lib/plan/ and ffi/`, hint });
        }
      },
    };
  },
};

function isChange(method: string, receiver: Deno.lint.Node, argumentCount: number): boolean {
  if (directoryChanges.has(method)) return true;
  if (memoryChanges.has(method) && lastName(receiver) === "memory") return true;
  return method === "write" && argumentCount === 2 && machineName.test(lastName(receiver) ?? "");
}

/** What a path is known to begin with: a literal, the text before a template's first hole, or the left end of a sum. */
function leadingText(node: Deno.lint.Node): string | null {
  if (node.type === "TemplateLiteral") return node.quasis[0].cooked;
  if (node.type === "BinaryExpression" && node.operator === "+") return leadingText(node.left);
  return textOf(node);
}
