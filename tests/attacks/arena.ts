import { launch, type Launched, type LaunchRequest, stdioNull, wait, waitAsync } from "../../ffi/launch.ts";
import { controlKeeper, type KeeperRequest, startKeeper, stopKeeper } from "../../ffi/keeper.ts";
import { libraryPath } from "../../ffi/library.ts";
import { hostArchitecture } from "../../lib/syscall/arch.ts";
import { Board, encodeBoard } from "../../lib/syscall/board.ts";
import { compileFilter } from "../../lib/syscall/filter.ts";
import { type Policy, resolvePolicy } from "../../lib/syscall/policy.ts";
import { filePolicy, formatPolicyFile, policyFileName } from "../../lib/syscall/policy_file.ts";
import { descriptorOf } from "../ffi/programs.ts";
import { checkout } from "../host.ts";

/** User and group of the attacker. */
export const attackerId = 65534;
/** Somebody else who is not root. */
export const strangerId = 1234;

/** Who attacks. */
export type Identity = "user" | "root" | "bare-root" | "user-namespace";

/** What became of one attempt. */
export interface Attempt {
  /** What the attacker says: it was refused, it gained something, it could not even be made, or it did not end as it should. */
  readonly verdict: "refused" | "gained" | "skip" | "broken";
  /** Family and name. */
  readonly name: string;
  /** What was gained, or why it was not made. */
  readonly words: string;
}

/** A policy under which as much as possible is executed for the attacker. */
export function widePolicy(): Policy {
  const switches = ["@path", "@fd", "@data", "@descriptors", "@events"].map((group) => `${group}=forward`);
  return resolvePolicy({ profile: "lean", switches: [...switches, "socket=forward"] }, hostArchitecture() ?? "x86_64");
}

/** Compiles the programs of this folder into one, `attack`. Throws when one does not compile. */
export async function compile(directory: string): Promise<void> {
  const sources = [...Deno.readDirSync(`${checkout}tests/attacks`)].map(({ name }) => name).filter((name) => name.endsWith(".c"));
  const flags = ["-std=c17", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"];
  await gcc([...flags, "-o", `${directory}/attack`, ...sources.map((name) => `${checkout}tests/attacks/${name}`)]);
}

async function gcc(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("gcc", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** What is not the attacker's: files of somebody's, and a process of each. Disposing removes all. */
export class Arena implements Disposable {
  /** Everything is below it. */
  readonly directory: string;
  /** The victims' processes, by name. */
  readonly victims: Readonly<Record<string, Launched>>;
  /** A cgroup v1 that is the attacker's, where there is such. */
  readonly cgroup: string | null = delegatedCgroup();

  private constructor(directory: string, readonly owner: number) {
    this.directory = directory;
    const stdio = [stdioNull, stdioNull, stdioNull] as const;
    const sleeper = (uid: number) => launch({ argv: ["sleep", "600"], cwd: "/", stdio, credentials: { uid, gid: uid } });
    this.victims = { root: sleeper(0), other: sleeper(strangerId) };
  }

  /** Makes one whose files are of user `owner`. */
  static make(scratch: string, owner: number): Arena {
    const directory = Deno.makeTempDirSync({ prefix: "nodeos-arena-" });
    const arena = new Arena(directory, owner);
    const file = (name: string, mode: number, uid = owner) => {
      Deno.writeTextFileSync(`${directory}/${name}`, `text of ${name}\n`);
      Deno.chownSync(`${directory}/${name}`, uid, uid);
      Deno.chmodSync(`${directory}/${name}`, mode);
    };
    for (
      const [name, mode] of [
        ["hidden", 0o700],
        ["shut", 0o755],
        ["sticky", 0o1777],
        ["shut/empty", 0o755],
        ["hidden/empty", 0o755],
        ["sticky/empty", 0o755],
        ["grouped", 0o2777],
        ["hidden/deep", 0o755],
      ] as const
    ) {
      Deno.mkdirSync(`${directory}/${name}`);
      Deno.chownSync(`${directory}/${name}`, owner, owner);
      Deno.chmodSync(`${directory}/${name}`, mode);
    }
    file("secret", 0o600);
    file("readable", 0o644);
    file("setuid", 0o4755);
    file("theirs", 0o600, owner === strangerId ? strangerId + 1 : strangerId);
    file("hidden/open", 0o666);
    file("hidden/deep/open", 0o666);
    file("shut/file", 0o644);
    file("sticky/victim", 0o644);
    Deno.symlinkSync("target", `${directory}/hidden/link`);
    const marked = ["readable", "hidden/open", "secret"].map((name) => `${directory}/${name}`);
    if (!new Deno.Command(`${scratch}/attack`, { args: ["--mark", ...marked] }).outputSync().success) {
      throw new Error("Cannot make the arena: its file system has no extended attributes");
    }
    Deno.chownSync(directory, owner, owner);
    Deno.chmodSync(directory, 0o755);
    return arena;
  }

  /** Everything about the files: what no attempt may change. */
  picture(): string {
    const lines: string[] = [];
    const walk = (path: string): void => {
      const stat = Deno.lstatSync(path);
      const content = stat.isFile ? Deno.readTextFileSync(path) : stat.isSymlink ? Deno.readLinkSync(path) : "";
      lines.push(
        [path, stat.mode?.toString(8), stat.uid, stat.gid, stat.nlink, stat.size, stat.ino, stat.mtime?.getTime(), JSON.stringify(content)]
          .join(" "),
      );
      if (stat.isDirectory) { for (const name of [...Deno.readDirSync(path)].map(({ name }) => name).toSorted()) walk(`${path}/${name}`); }
    };
    walk(this.directory);
    return lines.join("\n");
  }

  /** Names of victims' processes that do not run any more. */
  dead(): string[] {
    return Object.entries(this.victims).filter(([, { pid }]) => !isAlive(pid)).map(([name]) => name);
  }

  [Symbol.dispose](): void {
    for (const victim of Object.values(this.victims)) {
      try {
        Deno.kill(victim.pid, "SIGKILL");
      } catch {
        // An attempt killed it; the test says so.
      }
      wait(victim);
    }
    if (this.cgroup !== null) Deno.removeSync(this.cgroup);
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** Makes a cgroup, and gives it to the attacker, as administrators do for users' own managers. */
function delegatedCgroup(): string | null {
  const path = `/sys/fs/cgroup/freezer/nodeos-attack-${Deno.pid}`;
  try {
    Deno.mkdirSync(path);
  } catch {
    return null;
  }
  for (const name of ["", "/tasks", "/cgroup.procs"]) Deno.chownSync(`${path}${name}`, attackerId, attackerId);
  return path;
}

function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** A container's forwarder, for the attacker to attack. */
export class Target implements AsyncDisposable {
  private constructor(readonly directory: string, readonly policy: Policy) {}

  /** Starts one in a directory that is not there yet. */
  static async start(directory: string, policy: Policy, owner = attackerId, request: Partial<KeeperRequest> = {}): Promise<Target> {
    const read = [directory, libraryPath()].join();
    const flags = ["-q", "--no-prompt", `--allow-ffi=${libraryPath()}`, `--allow-read=${read}`, `--allow-write=${directory}`];
    await startKeeper({
      directory,
      board: encodeBoard(policy),
      files: {
        filter: compileFilter(policy),
        [policyFileName]: new TextEncoder().encode(formatPolicyFile("attacked", filePolicy(policy))),
      },
      sidecar: {
        argv: [Deno.execPath(), "run", ...flags, "--allow-env=NODEOS_LIB,NODEOS_FORWARD_DIR", `${checkout}scripts/sidecar/main.ts`],
        uid: owner,
        gid: owner,
      },
      ...request,
    });
    await controlKeeper(directory, "sidecar");
    return new Target(directory, policy);
  }

  /** What the front of its board says. */
  get state(): ReturnType<Board["state"]> {
    using board = new Board(`${this.directory}/board`);
    return board.state();
  }

  /** What happened to calls. */
  get counters(): ReturnType<Board["counters"]> {
    using board = new Board(`${this.directory}/board`);
    return board.counters();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stopKeeper(this.directory);
  }
}

/** Where attackers run. */
export interface Ring {
  /** Has the programs and a directory that everybody may write. */
  readonly scratch: string;
  readonly arena: Arena;
  readonly target: Target;
  /** A container of somebody else's. */
  readonly other: Target;
}

let runCount = 0;

/** Has attempts made, natively or through the target, and says what became of them. */
export async function attack(ring: Ring, identity: Identity, through: boolean, wanted: readonly string[] = []): Promise<Attempt[]> {
  const { scratch, arena, target, other } = ring;
  const state = target.state;
  const out = `${scratch}/out-${runCount}`;
  const work = `${scratch}/work-${runCount++}`;
  const id = identity === "root" || identity === "bare-root" ? 0 : attackerId;
  Deno.mkdirSync(work);
  Deno.chownSync(work, id, id);
  const pids = { keeper: state.keeperPid, forwarder: state.forwarderPid, sidecar: state.sidecarPid, ...mapPids(arena) };
  const env = {
    PATH: "/usr/bin:/bin",
    NODEOS_SIDECAR: `${target.directory}/sidecar.sock`,
    ATTACK_STATE: target.directory,
    ATTACK_OTHER: other.directory,
    ...arena.cgroup === null ? {} : { ATTACK_CGROUP: arena.cgroup },
    ...Object.fromEntries(Object.entries(pids).map(([name, pid]) => [`ATTACK_PID_${name}`, `${pid}`])),
    ...through ? { ATTACK_FORWARDED: "1" } : {},
  };
  const options = identity === "user" || identity === "root" ? [] : [`--${identity}`];
  using _out = Deno.openSync(out, { create: true, write: true });
  const request: LaunchRequest = {
    argv: [`${scratch}/attack`, arena.directory, work, ...options, ...wanted],
    env,
    cwd: work,
    stdio: [stdioNull, descriptorOf(out), -1],
    credentials: { uid: id, gid: id },
    ...through
      ? {
        filter: {
          program: compileFilter(target.policy),
          control: `${target.directory}/control.sock`,
          noNewPrivileges: id !== 0,
        },
      }
      : {},
  };
  const { code } = await waitAsync(launch(request), scratch);
  if (code !== 0) throw new Error(`the attacker ended with ${code}`);
  const text = Deno.readTextFileSync(out);
  Deno.removeSync(out);
  Deno.removeSync(work, { recursive: true });
  return text.split("\n").filter(Boolean).map(attemptOf);
}

function mapPids(arena: Arena): Record<string, number> {
  return Object.fromEntries(Object.entries(arena.victims).map(([name, { pid }]) => [name, pid]));
}

function attemptOf(line: string): Attempt {
  const [, verdict, name, words = ""] = /^(refused|gained|skip|broken) (\w[\w ]*: [^:]*)(?:: (.*))?$/.exec(line) ?? [];
  if (verdict === undefined) throw new Error(`the attacker said ${JSON.stringify(line)}`);
  return { verdict: verdict as Attempt["verdict"], name, words };
}

/** What a comparison of two rounds of the same attempts says. */
export interface Judgement {
  /** Attempts that were refused both times. */
  readonly refused: readonly string[];
  /** Controls that succeeded both times. */
  readonly controls: readonly string[];
  /** What the kernel refused and somebody did: each with what it got. */
  readonly gains: readonly string[];
  /** Controls that worked natively only, and what did not end as it should. */
  readonly faults: readonly string[];
  /** What could not be made, each with the reason; and what the attacker could do itself. */
  readonly skipped: readonly string[];
}

/** Compares what the attacker could do natively with what it could do through somebody else. */
export function judge(native: readonly Attempt[], through: readonly Attempt[]): Judgement {
  const judgement = { refused: [], controls: [], gains: [], faults: [], skipped: [] } as { [key in keyof Judgement]: string[] };
  const answers = new Map(through.map((attempt) => [attempt.name, attempt]));
  for (const { name, verdict, words } of native) {
    const answer = answers.get(name) ?? { verdict: "broken", words: "it was not made" };
    const isControl = name.startsWith("controls");
    if (verdict === "broken" || answer.verdict === "broken") judgement.faults.push(`${name}: ${words}${answer.words}`);
    else if (verdict === "skip" || answer.verdict === "skip") judgement.skipped.push(`${name}: ${words || answer.words}`);
    else if (verdict === "refused" && answer.verdict === "gained") judgement.gains.push(`${name}: ${answer.words}`);
    else if (verdict === "refused") (isControl ? judgement.skipped : judgement.refused).push(name);
    else if (!isControl) judgement.skipped.push(`${name}: it is allowed`);
    else if (answer.verdict === "gained") judgement.controls.push(name);
    else judgement.faults.push(`${name}: it works natively only`);
  }
  return judgement;
}
