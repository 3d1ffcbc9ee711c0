import { libraryPath } from "../../../ffi/library.ts";
import { checkout } from "../../host.ts";
import type { Group } from "../measure.ts";
import { compare, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, isThere, policyHere, startServer } from "./place.ts";

const rounds = 5;
const requestsPerRun = 2000;
const body = JSON.stringify({ calls: [{ call: "geteuid", args: [] }] });
const answer = '"results":[{"value":0}]';

/** One call over HTTP: the sidecar with its agent, beside a handler that makes the call by itself. */
export async function benchHttp(bench: Bench, cpus: Cpus): Promise<Group> {
  await using keeper = await bench.startKeeper(cpus, policyHere({ profile: "lean" }), { sidecar: sidecarCommand(bench.directory) });
  const bareSocket = `${bench.directory}/bare-${cpus.service}.sock`;
  const flags = ["run", "-q", "-A", `${checkout}tests/bench/forward/bare_server.ts`];
  using _bare = startServer({ argv: [Deno.execPath(), ...flags, bareSocket], cpus: [cpus.service] });
  await isThere(bareSocket);
  const way = (name: string, socket: string) => ({
    name,
    run: () => bench.samples("http_client", [socket, requestsPerRun, body, answer], { cpus: [cpus.program] }),
  });
  const ways = { ours: way("sidecar", `${keeper.directory}/sidecar.sock`), rival: way("bare handler", bareSocket) };
  return groupOf(`geteuid over HTTP, ${cpus.name}`, [compare("one call in a request", ways, rounds, { ratioMax: 1.3 })], [
    "Bare handler: Deno.serve, JSON in and out, geteuid by FFI. The sidecar has it executed by the agent, with the rights of its peer.",
  ]);
}

/** As a container's keeper starts it. */
function sidecarCommand(directory: string): string[] {
  const flags = ["-q", "--no-prompt", `--allow-ffi=${libraryPath()}`, `--allow-read=${directory}`, `--allow-write=${directory}`];
  return [Deno.execPath(), "run", ...flags, "--allow-env=NODEOS_LIB,NODEOS_FORWARD_DIR", `${checkout}scripts/sidecar/main.ts`];
}
