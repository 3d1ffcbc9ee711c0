import { startKeeper, stopKeeper } from "../../../ffi/keeper.ts";
import { launch, type Launched, type LaunchRequest, stdioNull, wait } from "../../../ffi/launch.ts";
import { KernelRoot } from "../../../ffi/kernel_root.ts";
import { parseCpuList } from "../../../lib/kernel/cpulist.ts";
import { hostArchitecture } from "../../../lib/syscall/arch.ts";
import { encodeBoard } from "../../../lib/syscall/board.ts";
import { actionCodes, boardAt, policyBytes, rowFlags, rowLayout } from "../../../lib/syscall/board_layout.ts";
import { compileFilter } from "../../../lib/syscall/filter.ts";
import { type Policy, resolvePolicy, type SyscallWish } from "../../../lib/syscall/policy.ts";
import { callNamed } from "../../../lib/syscall/table.ts";
import { checkout } from "../../host.ts";

/** Where programs run, and where their calls are executed. */
export interface Cpus {
  /** What it is called in tables. */
  readonly name: string;
  /** The program's. */
  readonly program: number;
  /** Keeper's and forwarder's. */
  readonly service: number;
}

/** The user who owns nothing. */
export const nobody = { uid: 65534, gid: 65534 };

const sources = `${checkout}tests/bench/forward`;
const kernel = new KernelRoot();

/** Both on the last CPU, and on two; a machine with one CPU has only the first. */
export function placesHere(): Cpus[] {
  const cpus = parseCpuList(kernel.read("/sys/devices/system/cpu/online"));
  const [service, program] = [cpus[0], cpus[cpus.length - 1]];
  const same = { name: "same core", program, service: program };
  return service === program ? [same] : [same, { name: "other core", program, service }];
}

/** What a wish means here. */
export function policyHere(wish: SyscallWish): Policy {
  const architecture = hostArchitecture();
  if (architecture === null) throw new Error("Cannot measure: this processor is neither x86-64 nor aarch64");
  return resolvePolicy(wish, architecture);
}

/** A directory with the compiled programs, the files that are opened, and sockets; disposing removes it. */
export class Bench implements Disposable {
  /** Its path; every user may look into it. */
  readonly directory = Deno.makeTempDirSync({ prefix: "forward-bench-" });
  /** A file that everybody may read. */
  readonly file = `${this.directory}/file`;

  /** Compiles what runs in C: the programs that call, and the rivals. */
  constructor() {
    Deno.chmodSync(this.directory, 0o755);
    Deno.writeTextFileSync(this.file, "read me\n", { mode: 0o644 });
    for (const name of ["client", "rival", "tracer", "http_client"]) {
      const args = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-o", `${this.directory}/${name}`, `${sources}/${name}.c`];
      const { success, stderr } = new Deno.Command("gcc", { args, stdout: "null", stderr: "piped" }).outputSync();
      if (!success) throw new Error(`Cannot compile ${name}.c: ${new TextDecoder().decode(stderr)}`);
    }
  }

  /**
   * Runs a program that writes its samples to its first argument.
   *
   * @returns Nanoseconds, in their order.
   */
  samples(program: string, args: readonly (string | number)[], request: Omit<LaunchRequest, "argv">): number[] {
    const out = `${this.directory}/samples`;
    Deno.writeTextFileSync(out, "");
    Deno.chmodSync(out, 0o666);
    run({ ...request, argv: [`${this.directory}/${program}`, out, ...args.map(String)] });
    return [...new Uint32Array(Deno.readFileSync(out).buffer)];
  }

  /** Starts the rival; disposing ends it. */
  async startRival({ service }: Cpus): Promise<Disposable & { readonly control: string }> {
    const control = `${this.directory}/rival-${service}-${Date.now()}.sock`;
    const server = startServer({ argv: [`${this.directory}/rival`, control], cpus: [service] });
    await isThere(control);
    return { control, ...server };
  }

  /**
   * Starts a keeper, with a sidecar if there is a program for one; disposing stops both. It executes `impersonal` for programs:
   * a call without arguments, which in earnest would be answered as if the forwarder had asked for itself.
   */
  async startKeeper(
    { service }: Cpus,
    policy: Policy,
    { spinUs, sidecar, impersonal }: {
      readonly spinUs?: number;
      readonly sidecar?: readonly string[];
      readonly impersonal?: string;
    } = {},
  ): Promise<AsyncDisposable & { readonly control: string; readonly directory: string; readonly pid: number }> {
    const directory = `${this.directory}/keeper-${service}-${Date.now()}`;
    const board = encodeBoard(policy, { spinUs });
    if (impersonal !== undefined) makeForwarded(board, callNamed(impersonal)!.numbers[policy.architecture]!);
    const { pid } = await startKeeper({
      directory,
      board,
      cpus: [service],
      sidecar: sidecar && { argv: sidecar, ...nobody },
    });
    return { control: `${directory}/control.sock`, directory, pid, [Symbol.asyncDispose]: () => stopKeeper(directory) };
  }

  /** Removes the directory. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Has a board forward a call that no table calls forwardable. */
function makeForwarded(board: Uint8Array<ArrayBuffer>, number: number): void {
  const view = new DataView(board.buffer);
  view.setUint16(boardAt.rows + number * rowLayout.size + rowLayout.offsets.flags, rowFlags.forwardable | rowFlags.repeatable, true);
  view.setUint32(boardAt.policy + number * policyBytes, actionCodes.forward, true);
}

/** Runs a program to its end, without its output; it has to succeed. */
export function run(request: LaunchRequest): void {
  finish(launch({ stdio: [stdioNull, stdioNull, -1], ...request }), request.argv);
}

/** Waits for a program, which has to succeed. */
export function finish(launched: Launched, argv: readonly string[]): void {
  const { code } = wait(launched);
  if (code !== 0) throw new Error(`Cannot measure: ${argv.join(" ")} ended with ${code}`);
}

/**
 * Starts a program that runs until it is disposed, in a session of its own as a keeper is: where the scheduler groups by
 * sessions, switching between two groups on one CPU costs some 500 ns, and neither a keeper nor a rival can help it.
 */
export function startServer({ argv, ...request }: LaunchRequest): Disposable {
  const launched = launch({ stdio: [stdioNull, stdioNull, -1], dieWithParent: true, ...request, argv: ["setsid", ...argv] });
  return {
    [Symbol.dispose]() {
      Deno.kill(launched.pid, "SIGTERM");
      wait(launched);
    },
  };
}

/** Waits until a server has made its socket. */
export async function isThere(socket: string): Promise<void> {
  const directory = socket.slice(0, socket.lastIndexOf("/"));
  for (let attempt = 0; ![...Deno.readDirSync(directory)].some(({ name }) => socket === `${directory}/${name}`); attempt++) {
    if (attempt === 500) throw new Error(`Cannot measure: ${socket} does not appear`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The filter of a policy, with its listener handed to somebody. */
export function filterOf(policy: Policy, control: string): Required<Pick<LaunchRequest, "filter">> {
  return { filter: { program: compileFilter(policy), control } };
}
