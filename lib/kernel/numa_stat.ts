/**
 * Bytes by NUMA node from a `hugetlb.SIZE.numa_stat`: `total=6291456 N0=2097152 N1=4194304`. Version 1 counts what is below
 * a cgroup in a second line, the cgroup itself among it. Kernels such as 6.1 leave a page that was moved on the count of the
 * node it came from, and later take it off that of the other one, which is then below zero: nothing, as far as one can tell.
 */
export function parseNumaStat(text: string): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const [, digits, value] of text.matchAll(/\bN(\d+)=(\d+)/g)) {
    bytes.set(Number(digits), Math.max(bytes.get(Number(digits)) ?? 0, Number(value) < 2 ** 63 ? Number(value) : 0));
  }
  return bytes;
}
