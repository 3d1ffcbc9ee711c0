/**
 * The rules of this repository that no general linter knows; `deno lint` loads them through `deno.json`.
 *
 * @module
 */

import { changeOnlyBySteps } from "./change_only_by_steps.ts";
import { ffiOnlyInFfi } from "./ffi_only_in_ffi.ts";
import { importsRunDown } from "./imports_run_down.ts";
import { noNpmOnStartUp } from "./no_npm_on_start_up.ts";
import { noOutputOverDevice } from "./no_output_over_device.ts";
import { unitInName } from "./unit_in_name.ts";

const plugin: Deno.lint.Plugin = {
  name: "nodeos",
  rules: {
    "ffi-only-in-ffi": ffiOnlyInFfi,
    "imports-run-down": importsRunDown,
    "change-only-by-steps": changeOnlyBySteps,
    "unit-in-name": unitInName,
    "no-npm-on-start-up": noNpmOnStartUp,
    "no-output-over-device": noOutputOverDevice,
  },
};

export default plugin;
