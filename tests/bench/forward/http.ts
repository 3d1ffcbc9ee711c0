import type { LaunchRequest } from "../../../ffi/launch.ts";
import { libraryPath } from "../../../ffi/library.ts";
import { checkout } from "../../host.ts";
import type { Group } from "../measure.ts";
import { type Bound, compare, type Comparison, groupOf } from "./comparison.ts";
import { type Bench, type Cpus, isThere, nobody, policyHere, startServer } from "./place.ts";

const rounds = 5;
const requestsPerRun = 2000;
/** Of a large request: from it and a single call comes what each further call takes. */
const batchCalls = 21;

/** Calls over HTTP: the sidecar with its agent, beside a handler that makes them by itself. */
export async function benchHttp(bench: Bench, cpus: Cpus): Promise<Group> {
  await using keeper = await bench.startKeeper(cpus, policyHere({ profile: "lean" }), { sidecar: sidecarCommand(bench.directory) });
  const bareSocket = `${bench.directory}/bare-${cpus.service}.sock`;
  const flags = ["run", "-q", "-A", `${checkout}tests/bench/forward/bare_server.ts`];
  using _bare = startServer({ argv: [Deno.execPath(), ...flags, bareSocket], cpus: [cpus.service] });
  await isThere(bareSocket);
  Deno.chmodSync(bareSocket, 0o666);
  const asked = (
    what: string,
    calls: number,
    { credentials, bound, call = { call: "geteuid" } }: { credentials?: LaunchRequest["credentials"]; bound?: Bound; call?: unknown },
  ): Comparison => {
    const body = JSON.stringify({ calls: Array.from({ length: calls }, () => call) });
    const way = (name: string, socket: string) => ({
      name,
      run: () =>
        bench.samples("http_client", [socket, requestsPerRun, body, '"results":[{"value":'], { cpus: [cpus.program], credentials }),
    });
    const ways = { ours: way("sidecar", `${keeper.directory}/sidecar.sock`), rival: way("bare handler", bareSocket) };
    return compare(what, ways, rounds, bound);
  };
  const comparisons = [
    asked("one call in a request, as nobody", 1, { credentials: nobody, bound: { ratioMax: 1.3 } }),
    asked("one call in a request, as root", 1, { bound: { ratioMax: 1.3 } }),
    asked(`${batchCalls} calls in a request, as nobody`, batchCalls, { credentials: nobody }),
    asked("one call with its arguments by name, as nobody", 1, { credentials: nobody, call: { call: "geteuid", args: {} } }),
  ];
  return groupOf(`geteuid over HTTP, ${cpus.name}`, comparisons, [
    "Bare handler: Deno.serve, JSON in and out, geteuid by FFI. Ours: the agent reads, makes the call with the rights of its peer, and answers.",
    "Arguments by name are not plain: the sidecar reads them, and asks the agent.",
  ]);
}

/** As a container's keeper starts it. */
function sidecarCommand(directory: string): string[] {
  const flags = ["-q", "--no-prompt", `--allow-ffi=${libraryPath()}`, `--allow-read=${directory}`, `--allow-write=${directory}`];
  return [Deno.execPath(), "run", ...flags, "--allow-env=NODEOS_LIB,NODEOS_FORWARD_DIR", `${checkout}scripts/sidecar/main.ts`];
}
