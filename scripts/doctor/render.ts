import type { Check, Status } from "../../lib/kernel/doctor.ts";
import { table } from "../../lib/report/table.ts";

const colours: Readonly<Record<Status, string>> = { yes: "32", partly: "33", no: "31", unknown: "2" };

/** How checks are shown. */
export interface Style {
  /** Colour the marks with ANSI sequences. */
  readonly colour: boolean;
  /** Leave out what is in order. */
  readonly quiet: boolean;
}

/** Lays out checks by group, then says of each that is not in order why it matters and what helps. */
export function render(checks: readonly Check[], { colour, quiet }: Style): string {
  const shown = quiet ? checks.filter(({ status }) => status !== "yes") : checks;
  if (shown.length === 0) return "Everything that nodeos asks for is here.";
  const paint = (text: string, code: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const rows = shown.map(({ status, title, found }) => [`  ${status.padEnd(7)}`, title, found]);
  const [, ...lines] = table([{ title: "" }, { title: "" }, { title: "" }], rows).split("\n");
  const output: string[] = [];
  shown.forEach(({ group, status }, index) => {
    if (group !== shown[index - 1]?.group) output.push(...index === 0 ? [] : [""], paint(group, "1"));
    output.push(lines[index].replace(status, (mark) => paint(mark, colours[status])));
  });
  for (const { status, title, why, fix } of shown) {
    // What a captured machine or another user's process cannot tell is no complaint.
    if (status === "yes" || status === "unknown" && fix === null) continue;
    output.push("", `${paint(title, "1")} (${paint(status, colours[status])}): ${why}`);
    if (fix !== null) output.push(`  ${fix}`);
  }
  return output.join("\n");
}
