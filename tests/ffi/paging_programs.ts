import assert from "node:assert/strict";
import { checkout, scratch } from "./programs.ts";

/** Where C programs find headers and libraries of paging. */
export const pagingFlags: readonly string[] = [
  "-O1",
  "-g",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-pthread",
  `-I${checkout}ffi/paging`,
  `-L${checkout}build`,
  `-Wl,-rpath,${checkout}build`,
];

/** How a program ended, and what it said. */
export interface Ending {
  /** Exit status. */
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** Runs a program with nothing in its environment but `env` and the path; one that hangs is ended. */
export async function run(command: readonly string[], env: Readonly<Record<string, string>> = {}, input = "null"): Promise<Ending> {
  const args = ["-s", "KILL", "60", ...command];
  const child = new Deno.Command("timeout", {
    args,
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: scratch, ...env },
    clearEnv: true,
    cwd: scratch,
    stdin: input === "null" ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== "null") {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

let fileCount = 0;

/** A path of this test's own. */
export const newPath = (name: string): string => `${scratch}/${fileCount++}-${name}`;

/** Compiles a program, and gives its path. */
export async function compiled(compiler: readonly string[], args: readonly string[]): Promise<string> {
  const path = newPath("program");
  assert.deepEqual(await run([...compiler, ...args, "-o", path]), { code: 0, out: "", err: "" });
  return path;
}

async function isThere(command: string): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

/** What is missing for a test of regions with handler threads, as the end of its name; empty when nothing is. */
export async function missing(...commands: readonly string[]): Promise<string> {
  for (const command of ["gcc", ...commands]) if (!await isThere(command)) return ` [needs ${command}]`;
  return Deno.uid() === 0 ? "" : " [needs root]";
}

/** A test that needs what is missing, or nothing. */
export function test(name: string, missing: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${missing}`, ignore: missing !== "", fn });
}
