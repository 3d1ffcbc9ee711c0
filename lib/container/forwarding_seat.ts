import type { LaunchRequest } from "../../ffi/launch.ts";
import type { Owner } from "../plan/ledger.ts";
import type { ContainerSpec, NodeRequest } from "./spec.ts";

/** Where a forwarder runs: on the ServiceOS's side. */
export interface ForwardingSeat extends Pick<LaunchRequest, "cgroup" | "tasks"> {
  /** CPUs of its threads: the ServiceOS's, or all that no container has. */
  readonly cpus: readonly number[];
  /** It lives as long as this process, until it is told to stay. */
  readonly owner: Owner;
}

/**
 * What forwards system calls, loaded only where somebody wishes it: with its tables and schemas it is larger than all the
 * rest of a command.
 */
export interface Forwarding {
  /** Checks the wishes of a request. Throws a `SpecError` with every issue. */
  check(request: NodeRequest): Promise<void>;
  /** Starts the forwarder of a container in its directory. Throws a `RefusedError` when this machine cannot. */
  start(directory: string, spec: ContainerSpec, seat: ForwardingSeat): Promise<void>;
  /** Lets it live on when its owner ends. */
  stay(directory: string): Promise<void>;
  /** Gives all of it other CPUs, while it runs. Nothing happens where there is none. */
  place(directory: string, cpus: readonly number[]): void;
  /** Ends it with all that belongs to it, and removes the directory. Nothing happens where there is none. */
  stop(directory: string): Promise<void>;
}

/** Directory of the forwarder of a container. */
export function forwardingDirectory(stateDirectory: string, container: string): string {
  return `${stateDirectory}/forward/${container}`;
}

/** What of a container's forwarder a program is started with. */
export function forwardedBirth(
  directory: string,
  uid: number | undefined,
): Pick<LaunchRequest, "filter"> & { variables: Record<string, string> } {
  return {
    filter: {
      program: Deno.readFileSync(`${directory}/filter`),
      control: `${directory}/control.sock`,
      // A profile that its user can switch must not reach programs with more rights than that user.
      noNewPrivileges: uid !== undefined && uid !== 0,
    },
    variables: { NODEOS_SIDECAR: `${directory}/sidecar.sock` },
  };
}
