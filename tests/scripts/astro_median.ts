/** Runs `nodeos astro median` in a process of its own: OUT IMAGES... Prints its JSON document. */
import median from "../../scripts/astro/median.ts";
import { realContext } from "../../scripts/real_context.ts";

const [out, ...words] = Deno.args;
const flags = { order: "name", gaps: false, buffer: 2 ** 20, json: true, stretch: "asinh", bits: "8", empty: "nan", out } as const;
await median.call(realContext(), flags, ...words);
