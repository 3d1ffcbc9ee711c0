/** A directory of one run, in which a program may mount, attach and leave what it likes. */
export class Scratch implements Disposable {
  /** Its path; everybody may write there. */
  readonly path: string;

  /** @param parent An existing directory on the file system that is tested. */
  constructor(parent: string) {
    this.path = Deno.realPathSync(Deno.makeTempDirSync({ dir: parent, prefix: "run-" }));
    Deno.chmodSync(this.path, 0o1777);
  }

  /** Ends the processes that still have the directory in their environment, and returns how many there were. */
  endLeftovers(): number {
    const left = processes().filter((pid) => environmentOf(pid).includes(this.path));
    for (const pid of left) endProcess(pid);
    return left.length;
  }

  /** Ends, unmounts and detaches what was left, and removes the directory. */
  [Symbol.dispose](): void {
    this.endLeftovers();
    for (const mount of mountsBelow(this.path).toReversed()) command("umount", "-l", mount);
    for (const device of devicesBelow(this.path)) command("losetup", "-d", device);
    // Attributes such as "immutable" keep even root from removing a file.
    if (!remove(this.path)) {
      command("chattr", "-R", "-f", "-i", "-a", this.path);
      remove(this.path);
    }
  }
}

function processes(): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0 && pid !== Deno.pid);
}

function environmentOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`);
  } catch {
    return ""; // it is gone, or somebody else's
  }
}

function endProcess(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function mountsBelow(path: string): string[] {
  const points = Deno.readTextFileSync("/proc/self/mountinfo").split("\n").map((line) => line.split(" ")[4] ?? "");
  return points.filter((point) => point.startsWith(`${path}/`));
}

function devicesBelow(path: string): string[] {
  const names = [...Deno.readDirSync("/sys/block")].map(({ name }) => name).filter((name) => name.startsWith("loop"));
  return names.filter((name) => backingFile(name).startsWith(`${path}/`)).map((name) => `/dev/${name}`);
}

function backingFile(device: string): string {
  try {
    return Deno.readTextFileSync(`/sys/block/${device}/loop/backing_file`);
  } catch {
    return "";
  }
}

function command(name: string, ...args: string[]): void {
  new Deno.Command(name, { args, stdin: "null", stdout: "null", stderr: "null" }).outputSync();
}

function remove(path: string): boolean {
  try {
    Deno.removeSync(path, { recursive: true });
    return true;
  } catch {
    return false;
  }
}
