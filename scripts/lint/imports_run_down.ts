import { eachImport } from "./imports.ts";
import { layerOf, placeOf, resolveFrom } from "./place.ts";

/** DESIGN section 2, top to bottom: a folder imports itself and folders of lower rows. */
const rows: readonly (readonly string[])[] = [
  ["scripts"],
  ["lib/node", "lib/enclave"],
  ["lib/container", "lib/sidecar", "lib/astro"],
  ["lib/feature", "lib/memory", "lib/syscall", "lib/paging", "lib/power", "lib/noise"],
  ["lib/plan"],
  ["lib/kernel", "lib/fits"],
  ["ffi"],
];
/** Files without imports of ours, which every file of `lib/` and `scripts/` may use. */
const shared = new Set(["lib/errors.ts", "lib/quote.ts", "lib/kernel/cpulist.ts"]);
/** Renderers take plain data: whoever computes something leaves it to these to show it. */
const renderer = "lib/report";
const rendererUsers = ["scripts", "lib/node", "lib/enclave"];
/** The files that know all commands. */
const collectors = new Set(["scripts/nodeos.ts", "scripts/app.ts"]);
/** The call that is too short to ask all commands whose it is. */
const shortCut = { from: "scripts/nodeos.ts", to: "scripts/run/short.ts" };

/** Keeps the arrows of the design: imports, of types too, go down and never sideways. */
export const importsRunDown: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    if (!/^(?:mod\.ts$|lib\/|ffi\/|scripts\/)/.test(place)) return {};
    const imports = eachImport(({ specifier, node }) => {
      const target = resolveFrom(place, specifier);
      const problem = target === null ? null : refusal(place, target);
      if (problem) context.report({ node, message: problem.message, hint: problem.hint });
    });
    if (place !== "mod.ts") return imports;
    return { ...imports, Program: (node) => onlyReExports(context, node) };
  },
};

interface Refusal {
  readonly message: string;
  readonly hint: string;
}

/** Why the file at `from` may not import the file at `to`; `null` when it may. */
function refusal(from: string, to: string): Refusal | null {
  const [user, used] = [layerOf(from), layerOf(to)];
  if (from === "mod.ts") {
    return /^(?:lib|ffi)\//.test(to) ? null : { message: `mod.ts may not import ${to}`, hint: "It re-exports from lib/ and ffi/" };
  }
  if (shared.has(from)) return { message: `${from} may not import ${to}: everything imports ${from}`, hint: "Keep it free of imports" };
  if (shared.has(to)) {
    if (user !== "ffi") return null;
    return {
      message: `ffi may not import ${to}: imports run down, and lib is above ffi`,
      hint: "ffi/ stands on its own; its errors are SysError",
    };
  }
  if (user === "scripts" && used === "scripts") return sideways(from, to);
  if (user === used) return null;
  if (used === renderer) {
    if (rendererUsers.includes(user)) return null;
    return {
      message: `${user} may not import ${renderer}, which ${rendererUsers.join(", ")} may`,
      hint: "Return plain data; the caller shows it",
    };
  }
  if (user === renderer) {
    return { message: `${renderer} may not import ${used}: renderers take plain data`, hint: "Let the caller pass what is shown" };
  }
  const [userRow, usedRow] = [rowOf(user), rowOf(used)];
  if (userRow < 0) return unknown(user, from);
  if (usedRow < 0) return unknown(used, to);
  if (userRow < usedRow) return null;
  const both = { hint: "Move what both need into a lower folder, or let a higher one bring them together" };
  if (userRow === usedRow) return { message: `${user} may not import ${used}: they are on one level`, ...both };
  return { message: `${user} may not import ${used}: imports run down, and ${used} is above ${user}`, ...both };
}

/** Between files of `scripts/`: commands know the files at the top, not each other. */
function sideways(from: string, to: string): Refusal | null {
  const [userFolder, usedFolder] = [from, to].map((path) => path.split("/").slice(1, -1)[0]);
  if (usedFolder === undefined || userFolder === usedFolder) return null;
  if (from === shortCut.from && to === shortCut.to) return null;
  if (collectors.has(from) && to === `scripts/${usedFolder}/command.ts`) return null;
  if (userFolder === undefined) {
    return {
      message: `${from} may not import ${to}: only ${[...collectors].join(" and ")} know the commands, by their command.ts`,
      hint: "Move it up to scripts/",
    };
  }
  return {
    message: `scripts/${userFolder} may not import scripts/${usedFolder}: commands do not know each other`,
    hint: "Move what both need to scripts/ or lib/",
  };
}

function unknown(layer: string, place: string): Refusal {
  if (/^(?:lib|ffi|scripts)(?:\/|$)/.test(layer)) {
    return {
      message: `${layer} has no level among the imports`,
      hint: "Give it one in scripts/lint/imports_run_down.ts, as DESIGN section 2 has it",
    };
  }
  return { message: `${place} may not be imported: it is outside lib/, ffi/ and scripts/`, hint: "mod.ts and tests/ are above everything" };
}

function rowOf(layer: string): number {
  return rows.findIndex((row) => row.includes(layer));
}

function onlyReExports(context: Deno.lint.RuleContext, program: Deno.lint.Program): void {
  for (const node of program.body) {
    const fits = node.type === "ImportDeclaration" || node.type === "ExportAllDeclaration" ||
      node.type === "ExportNamedDeclaration" && !node.declaration;
    if (!fits) context.report({ node, message: "mod.ts holds re-exports only", hint: "Write it in lib/ and export it from here" });
  }
}
