import { eachImport } from "./imports.ts";
import { placeOf } from "./place.ts";

/** What every command loads before it does anything. */
const startUp = /^(?:lib\/|ffi\/|scripts\/(?:nodeos|app|context)\.ts$|scripts\/[^/]+\/command\.ts$)/;
/** Packages that cost 12 to 25 ms each when they are loaded; `nodeos --help` as a whole takes about 60. */
const slow = /^(?:npm:|node:|(?:zod|yaml)(?:\/|$))/;

/** Files that may load one of these: what only some commands reach, by a dynamic import. */
const exceptions: Readonly<Record<string, { readonly modules: readonly string[]; readonly reason: string }>> = {
  "lib/container/spec_file.ts": { modules: ["zod", "yaml"], reason: "reads and checks YAML; up, plan and resize import it when they run" },
  "lib/container/spec_schema.ts": { modules: ["zod"], reason: "only spec_file.ts and its parts import it" },
  "lib/container/spec_memory.ts": { modules: ["zod"], reason: "only spec_file.ts imports it" },
  "lib/container/spec_syscalls.ts": { modules: ["zod"], reason: "only spec_file.ts imports it" },
  "lib/syscall/profile_text.ts": { modules: ["zod"], reason: "reads profiles; who needs one imports it dynamically" },
  "lib/syscall/profile_yaml.ts": { modules: ["yaml"], reason: "only profile_text.ts imports it" },
};

/** Start-up stays short: what every command loads imports nothing slow statically. */
export const noNpmOnStartUp: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    if (!startUp.test(place)) return {};
    return eachImport(({ specifier, kind, node }) => {
      if (kind !== "static" || !slow.test(specifier) || exceptions[place]?.modules.includes(specifier)) return;
      context.report({
        node,
        message: `${place} imports ${specifier} statically, which costs every command 12 to 25 ms`,
        hint: "Use Deno's own API, import it dynamically in the function that needs it, use import type, or enter the file among the " +
          "exceptions in scripts/lint/no_npm_on_start_up.ts with the reason",
      });
    });
  },
};
