/** Reads registers by one call of the library again and again, from TypeScript: `batch.ts ROOT CPUS ROUNDS` prints `deno NS` for each. */
import { MsrDevices } from "../../../ffi/msr.ts";
import { requestsOf } from "./registers.ts";

const [root, cpus, rounds] = Deno.args;
const requests = requestsOf(Number(cpus));
using devices = new MsrDevices(root === "" ? "/" : root);
const lines: string[] = [];
// The first rounds are those of a program that was not compiled yet.
for (let round = -50; round < Number(rounds); round++) {
  const from = performance.now();
  const { errors } = devices.read(requests);
  const ns = Math.round((performance.now() - from) * 1e6);
  if (errors.some((error) => error !== 0)) throw new Error("Cannot measure: a register could not be read");
  if (round >= 0) lines.push(`deno ${ns}`);
}
console.log(lines.join("\n"));
