import { controlKeeper, handlersConnected, placeKeeper, startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { libraryPath } from "../../ffi/library.ts";
import { RefusedError, UsageError } from "../errors.ts";
import { formatPolicyFile, policyFileName } from "../syscall/policy_file.ts";
import type { Forwarding, ForwardingSeat } from "./forwarding_seat.ts";
import { type ContainerSpec, type NodeRequest, SpecError, type SpecIssue } from "./spec.ts";
import type { SyscallRequest } from "./syscall_wish.ts";
import type { CompiledWish } from "./wish_compiler.ts";

/** The checkout, seen from this file and from the bundle of an installed command. */
const checkout = new URL(import.meta.url).pathname.replace(/\/(?:lib\/container|dist)\/[^/]*$/, "");
/** The program of the sidecar; the keeper executes it, nobody imports it. */
const sidecarProgram = `${checkout}/scripts/sidecar/main.ts`;

/** A module of handlers that takes longer to load is given up. */
const handlersMsMax = 30_000;

/** Makes of a wish what a keeper needs. Throws a `UsageError` if it is wrong. */
export type Compile = (wish: SyscallRequest) => CompiledWish | Promise<CompiledWish>;

/**
 * The sidecar with what it needs and no more: our library, the board, what says whose it is, and of the handlers the
 * directory that they lie in. No other file, no network beyond the socket that it is born with, no programs.
 */
function sidecarCommand(directory: string, handlers: string | undefined): string[] {
  const readable = [`${directory}/board`, `${directory}/${policyFileName}`, `${directory}/sidecar.sock`];
  if (handlers !== undefined) readable.push(handlers.replace(/[^/]*$/, ""));
  const flags = [
    "-q",
    "--no-prompt",
    "--no-lock",
    `--allow-ffi=${listed(libraryPath())}`,
    `--allow-read=${readable.map(listed).join()}`,
    `--allow-write=${listed(`${directory}/board`)}`,
    "--allow-env=NODEOS_LIB,NODEOS_FORWARD_DIR",
  ];
  return [Deno.execPath(), "run", ...flags, sidecarProgram, ...handlers === undefined ? [] : ["--handlers", handlers]];
}

/** A path as an item of a list of Deno's. Throws a `UsageError` for one with a comma, which would be two. */
function listed(path: string): string {
  if (!path.includes(",")) return path;
  throw new UsageError(`Cannot start the sidecar with ${JSON.stringify(path)}: there is a comma in it`, { remedy: "Use another path" });
}

/** The module of handlers that a wish names, from the working directory on. Throws a `UsageError` if there is none. */
function handlersOf({ handlers }: SyscallRequest): string | undefined {
  if (handlers === undefined) return undefined;
  try {
    const path = Deno.realPathSync(handlers);
    if (Deno.statSync(path).isFile) return listed(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new UsageError(`Cannot use the handlers ${JSON.stringify(handlers)}: there is no such file`, {
    remedy: "Write the path of a TypeScript module, from the directory that the command is called in",
  });
}

/**
 * Forwards system calls by what a compiler makes of wishes.
 *
 * @param load Loads the compiler when it is needed: its tables, profiles and schemas are larger than all the rest.
 */
export function forwardingBy(load: () => Promise<Compile>): Forwarding {
  const compiled = new WeakMap<SyscallRequest, CompiledWish>();
  /** A wish is compiled to be checked, and what came of it is started. */
  const compile = async (wish: SyscallRequest): Promise<CompiledWish> => {
    const known = compiled.get(wish) ?? await (await load())(wish);
    compiled.set(wish, known);
    return known;
  };
  return {
    async check({ containers }: NodeRequest): Promise<void> {
      const issues: SpecIssue[] = [];
      for (const [index, { syscalls }] of containers.entries()) {
        if (syscalls === undefined) continue;
        const issue = await issueOf(syscalls, compile);
        if (issue !== null) issues.push({ path: ["containers", index, "syscalls"], kind: "usage", ...issue });
      }
      if (issues.length > 0) throw new SpecError(issues);
    },

    async start(directory: string, { name, syscalls }: ContainerSpec, seat: ForwardingSeat): Promise<void> {
      const { board, filter, policy } = await compile(syscalls!);
      const { uid, gid } = syscalls!.user ?? { uid: 0, gid: 0 };
      const handlers = handlersOf(syscalls!);
      await startKeeper({
        directory,
        board,
        files: { filter, [policyFileName]: new TextEncoder().encode(formatPolicyFile(name, policy)) },
        sidecar: { argv: sidecarCommand(directory, handlers), uid, gid },
        ...seat,
      });
      // Without handlers it starts when somebody connects to it first.
      if (handlers !== undefined) await startHandlers(directory, handlers);
    },

    async stay(directory: string): Promise<void> {
      await controlKeeper(directory, "stay");
    },

    place: placeKeeper,

    async stop(directory: string): Promise<void> {
      await stopKeeper(directory);
    },
  };
}

/** Starts the sidecar, and waits for its handlers: a program that comes before them would wait at its first call. */
async function startHandlers(directory: string, handlers: string): Promise<void> {
  await controlKeeper(directory, "sidecar");
  for (const endMs = Date.now() + handlersMsMax; handlersConnected(directory) === 0;) {
    const refusal = /nodeos-sidecar: .*?(Cannot take over calls by .*)/.exec(Deno.readTextFileSync(`${directory}/log`))?.[1];
    if (refusal !== undefined || Date.now() > endMs) {
      await stopKeeper(directory);
      throw new RefusedError(refusal ?? `Cannot take over calls by ${handlers}: it has not been loaded in ${handlersMsMax / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function issueOf(wish: SyscallRequest, compile: Compile): Promise<Pick<SpecIssue, "message" | "remedy"> | null> {
  try {
    await compile(wish);
    handlersOf(wish);
    return null;
  } catch (error) {
    // By name: the compiler of an installed command has a class of its own.
    if (!(error instanceof Error) || error.name !== "UsageError") throw error;
    return { message: error.message, remedy: (error as UsageError).remedy };
  }
}

/** See {@link Forwarding}. Not a literal name: Deno would read all that the compiler needs for every command. */
export const forwarding: Forwarding = forwardingBy(async () =>
  (await import(new URL("./wish_compiler.ts", import.meta.url).href)).compileWish
);
