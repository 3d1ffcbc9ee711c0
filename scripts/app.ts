import { ArgumentScannerError, buildApplication, buildRouteMap, formatMessageForArgumentScannerError, text_en } from "@stricli/core";
import type { Context } from "./context.ts";
import { exitCodeOf, formatError } from "./failure.ts";
import { command as astro } from "./astro/command.ts";
import { command as completion } from "./completion/command.ts";
import { command as doctor } from "./doctor/command.ts";
import { command as down } from "./down/command.ts";
import { command as exec } from "./exec/command.ts";
import { command as feature } from "./feature/command.ts";
import { command as job } from "./job/command.ts";
import { command as memory } from "./memory/command.ts";
import { command as noise } from "./noise/command.ts";
import { command as paging } from "./paging/command.ts";
import { command as plan } from "./plan/command.ts";
import { command as power } from "./power/command.ts";
import { command as ps } from "./ps/command.ts";
import { command as resize } from "./resize/command.ts";
import { command as restore } from "./restore/command.ts";
import { command as run } from "./run/command.ts";
import { command as show } from "./show/command.ts";
import { command as stop } from "./stop/command.ts";
import { command as syscalls } from "./syscalls/command.ts";
import { command as topo } from "./topo/command.ts";
import { command as trace } from "./trace/command.ts";
import { command as up } from "./up/command.ts";
import { command as verify } from "./verify/command.ts";

/** Version of this checkout; `tests/scripts/app_test.ts` compares it with `deno.json`. */
export const version = "0.1.0";

const root = buildRouteMap<string, Context>({
  routes: {
    doctor,
    topo,
    run,
    job,
    up,
    down,
    exec,
    ps,
    show,
    stop,
    resize,
    memory,
    feature,
    syscalls,
    trace,
    verify,
    plan,
    restore,
    noise,
    paging,
    power,
    astro,
    completion,
  },
  docs: {
    brief: "Make a Linux node behave like a lightweight kernel",
    fullDescription: [
      "Carves Compute Containers out of a Linux node: exclusive CPUs and memory, their own scheduling, nothing else changed.",
      "",
      "Exit status: 0 done, 1 refused, 2 usage, 3 not running, 4 no such object; run, exec, job, trace, power measure|trace|cap:",
      "that of the program, 128 + signal, 127 no such program, 126 not executable, 125 refused before it ran.",
    ].join("\n"),
  },
});

/** The command: every route of it, with its help. */
export const app = buildApplication<Context>(root, {
  name: "nodeos",
  versionInfo: { currentVersion: version },
  scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
  documentation: { disableAnsiColor: true },
  localization: {
    loadText: () => ({
      ...text_en,
      exceptionWhileRunningCommand: formatError,
      exceptionWhileParsingArguments: formatArgumentError,
      exceptionWhileLoadingCommandFunction: formatError,
    }),
  },
  determineExitCode: exitCodeOf,
});

/** A wrong argument in the framework's words, and what our own parsers say of a value. */
function formatArgumentError(error: unknown): string {
  if (!(error instanceof ArgumentScannerError)) return formatError(error);
  return formatMessageForArgumentScannerError(error, {
    ArgumentParseError: ({ externalFlagNameOrPlaceholder, exception }) => `--${externalFlagNameOrPlaceholder}: ${formatError(exception)}`,
  });
}
