const encoder = new TextEncoder();

/** A file or, without bytes, a directory of a guest's first file system. */
export interface Entry {
  /** Its path, without a slash in front. */
  readonly path: string;
  /** What is in it. */
  readonly bytes?: Uint8Array;
}

/** Packs entries as the kernel unpacks them: a cpio archive, "newc" format, not compressed. */
export function packInitramfs(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  entries.forEach(({ path, bytes }, index) =>
    parts.push(...record(path, index + 1, bytes === undefined ? 0o040755 : 0o100755, bytes ?? new Uint8Array()))
  );
  parts.push(...record("TRAILER!!!", 0, 0, new Uint8Array()));
  const archive = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

/** Magic and thirteen numbers of eight hexadecimal digits; the name and the bytes each end at a multiple of four. */
function record(path: string, inode: number, mode: number, bytes: Uint8Array): Uint8Array[] {
  const name = encoder.encode(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
  const head = encoder.encode(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [head, name, padding(head.length + name.length), bytes, padding(bytes.length)];
}

function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
