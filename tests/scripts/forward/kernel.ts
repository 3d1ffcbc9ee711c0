/**
 * Whether a successor can look for a descriptor in the table of one thread: pidfds of threads, Linux 6.9. Older kernels have
 * only those of processes, so what was being given to a thread with a table of its own when the forwarder died may stay there.
 */
export function hasThreadPidfds(): boolean {
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 9);
}
