/**
 * The command `nodeos`.
 *
 * @module
 */

import { later } from "./later.ts";
import { realContext } from "./real_context.ts";
import { shortRun } from "./run/short.ts";

const context = realContext();
let code = await shortRun(context, Deno.args);
if (code === null) {
  const { main } = await later<typeof import("./main.ts")>("main");
  code = await main(context, Deno.args);
}
Deno.exit(code);
