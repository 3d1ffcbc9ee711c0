import { textOf } from "./imports.ts";

const device = /^\/dev\//;
const shell = /(?:^|\s)-o\s*\/dev\//;
const message = "a compiler's output goes to a device";
const hint =
  "A linker removes its output first, so that root has a plain file there afterwards: compile into a temporary directory, or only " +
  "preprocess, without -o";

/** No `-o /dev/null` for compilers: as root that replaces the device, for everybody. */
export const noOutputOverDevice: Deno.lint.Rule = {
  create(context) {
    const check = (node: Deno.lint.Node, text: string | null) => {
      if (text !== null && shell.test(text)) context.report({ node, message, hint });
    };
    return {
      Literal: (node) => check(node, typeof node.value === "string" ? node.value : null),
      TemplateElement: (node) => check(node, node.cooked),
      ArrayExpression(node) {
        node.elements.forEach((element, index) => {
          const before = index > 0 ? node.elements[index - 1] : null;
          if (before === null || textOf(before as Deno.lint.Node) !== "-o") return;
          if (device.test(textOf(element as Deno.lint.Node) ?? "")) context.report({ node, message, hint });
        });
      },
    };
  },
};
