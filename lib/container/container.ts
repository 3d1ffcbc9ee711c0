import { KernelRoot } from "../../ffi/kernel_root.ts";
import { type ExitStatus, waitAsync } from "../../ffi/launch.ts";
import type { Unit } from "../memory/unit.ts";
import { decideMemoryChange, type MemoryChange } from "./grant.ts";
import { Node, type ProgramRequest } from "./node.ts";
import type { ContainerRequest, ContainerSpec } from "./spec.ts";

/** Options of {@link Container.create}. */
export interface ContainerOptions {
  /**
   * Directory of the state.
   * @default {"/run/nodeos"}
   */
  readonly stateDirectory?: string;
}

/** A program that runs in a container. */
export interface RunningProgram {
  /** Process id. */
  readonly pid: number;
  /** Resolves when it has ended; rejects only when the wait itself is aborted. */
  readonly status: Promise<ExitStatus>;
}

/**
 * A Compute Container that lives as long as this object: carved out of the node when it is made, put back when it is
 * disposed, and put back by the next `nodeos` command if this process is killed first.
 *
 * Needs root, `--allow-ffi` of the library, and read, write and `net: ["unix:..."]` permission for the state directory.
 *
 * ```ts ignore
 * await using container = await Container.create({ cpus: [2, 3], memoryBytes: 2 ** 30 });
 * const { code } = await container.start({ argv: ["./solver", "input.dat"] }).status;
 * ```
 */
export class Container implements AsyncDisposable {
  readonly #node: Node;
  readonly #stateDirectory: string;
  readonly #abort = new AbortController();
  #disposed = false;

  #spec: ContainerSpec;

  private constructor(node: Node, stateDirectory: string, spec: ContainerSpec) {
    this.#node = node;
    this.#stateDirectory = stateDirectory;
    this.#spec = spec;
  }

  /** What it is, as far as this object knows: what others changed of it since is in `nodeos show`. */
  get spec(): ContainerSpec {
    return this.#spec;
  }

  /**
   * Makes a container on this machine.
   *
   * @throws {SpecError} If the request is wrong or overlaps with another container; it says who holds what.
   * @throws {RefusedError} If the kernel refuses a step; the machine is as it was.
   */
  static async create(request: ContainerRequest = {}, { stateDirectory = "/run/nodeos" }: ContainerOptions = {}): Promise<Container> {
    const node = new Node(new KernelRoot(), stateDirectory);
    const [spec] = await node.up({ containers: [request] }, "process");
    return new Container(node, stateDirectory, spec);
  }

  /**
   * Starts a program in the container: born on its CPUs, under its scheduling and limits.
   *
   * @throws {LaunchError} If the program cannot be executed.
   */
  start(program: ProgramRequest): RunningProgram {
    const launched = this.#node.start(this.spec.name, program);
    return { pid: launched.pid, status: waitAsync(launched, this.#stateDirectory, launched.placement, this.#abort.signal) };
  }

  /**
   * Grants a unit of memory, takes one back, or gives one another size, while the programs run.
   *
   * @returns The units that it has now.
   * @throws {SpecError} If the change is wrong or there is no room for it, {RefusedError} if what would go is in use; then
   * nothing has changed.
   */
  async changeMemory(change: MemoryChange): Promise<readonly Unit[]> {
    const { name } = this.#spec;
    [this.#spec] = await this.#node.change((inventory, ledger) => [decideMemoryChange(inventory, ledger, name, change)]);
    return this.#spec.memory?.units ?? [];
  }

  /**
   * Ends the programs of the container and keeps it.
   *
   * @param graceMs Milliseconds between SIGTERM and SIGKILL.
   * @returns How many processes there were.
   */
  async stop(graceMs = 10_000): Promise<number> {
    return await this.#node.stop(this.spec.name, graceMs);
  }

  /** Ends what still runs and puts the node back. A second time does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#node.down([this.spec.name], 0);
    this.#abort.abort(new Error(`Cannot wait longer: container ${this.spec.name} was put back`));
  }
}
