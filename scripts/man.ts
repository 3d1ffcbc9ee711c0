/**
 * Prints the manual page nodeos(1), made from the commands' own help: `deno task -q man | man -l -`.
 *
 * @module
 */

import { type Application, type CommandContext, generateHelpTextForAllCommands } from "@stricli/core";
import { app, version } from "./app.ts";

const escape = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("-", "\\-").replace(/^([.'])/gm, "\\&$1");

/** The page in the man macros of troff. */
export function manualPage(): string {
  const commands = generateHelpTextForAllCommands(app as unknown as Application<CommandContext>);
  return [
    `.TH NODEOS 1 "" "argo-nodeos ${version}" "User Commands"`,
    ".SH NAME",
    "nodeos \\- make a Linux node behave like a lightweight kernel",
    ...commands.flatMap(([route, help]) => [`.SH ${escape(route.toUpperCase())}`, ".nf", escape(help.trim()), ".fi"]),
    ".SH FILES",
    ".TP\n/run/nodeos/ledger.json\nwhat was changed on this node since it booted, and the values before",
    ".TP\n/run/nodeos/power/ledger.json\nthe same, of nodeos power",
    ".TP\n/etc/nodeos/power.yaml\nwho besides root may read which meters of power, and set them to what",
    ".SH ENVIRONMENT",
    ".TP\nNODEOS_STATE\nanother directory for the state",
    ".TP\nNODEOS_LIB\na ready libnodeos.so, instead of the one that was built",
    "",
  ].join("\n");
}

if (import.meta.main) console.log(manualPage());
