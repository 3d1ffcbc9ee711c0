import type { KernelFiles } from "../../../ffi/kernel_root.ts";
import type { Person } from "./policy.ts";

/**
 * Who runs this process, by the effective user and all groups. A user or group without a name has its id as the name.
 *
 * @param etc Where `passwd` and `group` are; needs permission to read them.
 */
export function currentPerson(files: KernelFiles, etc = "/etc"): Person {
  const status = files.read("/proc/self/status");
  const idsOf = (field: string) => new RegExp(`^${field}:\\s*(.*)$`, "m").exec(status)?.[1].trim().split(/\s+/).filter(Boolean) ?? [];
  // Real, effective, saved and file-system ids.
  const uid = idsOf("Uid")[1];
  const gids = new Set([idsOf("Gid")[1], ...idsOf("Groups")]);
  const groups = namesOf(`${etc}/group`);
  return {
    uid: Number(uid),
    user: namesOf(`${etc}/passwd`).get(uid) ?? uid,
    groups: [...new Set([...gids].flatMap((gid) => [groups.get(gid) ?? gid, gid]))],
  };
}

/** Names by id: the first and third field of a line. */
function namesOf(path: string): Map<string, string> {
  const lines = linesOf(path).map((line) => line.split(":"));
  return new Map(lines.filter(([name, , id]) => name !== "" && id !== undefined).map(([name, , id]) => [id, name]));
}

function linesOf(path: string): string[] {
  try {
    return Deno.readTextFileSync(path).split("\n");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
