/** Prints what the library of PAPI says of events, as JSON; see `papi_library.c`. */
import { describePapiEvent, PapiEvents, papiVersion } from "../../ffi/papi.ts";
import { SysError } from "../../ffi/errors.ts";
import { papiProvider } from "../../lib/power/providers/papi.ts";
import { Registry } from "../../lib/power/registry.ts";

const codeOf = (call: () => unknown) => {
  try {
    return call() ?? null;
  } catch (error) {
    return error instanceof SysError ? error.code : `${error}`;
  }
};
const names = Deno.args.slice(1), pid = Number(Deno.args[0]);
const described = names.map((name) => codeOf(() => describePapiEvent(name)));
const opened = codeOf(() => {
  using events = new PapiEvents(names, { pid });
  const { values, errors } = events.read();
  return { started: [...events.errors], values: [...values].map(Number), errors: [...errors] };
});
const refusals = [[], Array.from({ length: 257 }, () => names[0]), [""], ["x".repeat(2000)]].map((list) =>
  codeOf(() => {
    using events = new PapiEvents(list);
    return [...events.errors];
  })
);
using registry = new Registry([papiProvider(names, { pid })]);
const all = registry.meters.map(({ name }) => name);
const meters = registry.meters.map(({ name, unit, kind }) => `${name} ${unit} ${kind}`);
const { values, missing } = registry.snapshot(all);
const lacks = registry.lacks.map(({ what, why }) => `${what}: ${why}`);
console.log(JSON.stringify({ version: papiVersion(), described, opened, refusals, meters, values, missing, lacks }));
