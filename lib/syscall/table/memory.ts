import { type Call, callsOf } from "./row.ts";

const memory = callsOf("memory");
const threads = callsOf("threads");

/** Calls on the caller's memory, and between its threads. */
export const memoryCalls: readonly Call[] = [
  // The C library takes brk's answer for an address, expects mmap and mprotect to work when a program or thread starts, and
  // does not look at munmap's answer.
  memory("brk", [12, 214], "address:pointer", "neverNotified"),
  memory("mmap", [9, 222], "address:pointer length protection flags fd:fd offset", "neverNotified"),
  memory("munmap", [11, 215], "address:pointer length", "neverNotified"),
  memory("mprotect", [10, 226], "address:pointer length protection", "neverNotified"),
  memory("mremap", [25, 216], "address:pointer oldLength newLength flags newAddress:pointer", "neverNotified"),
  memory("madvise", [28, 233], "address:pointer length advice"),
  memory("process_madvise", [440, 440], "process:fd ranges:pointer count advice flags"),
  memory("msync", [26, 227], "address:pointer length flags"),
  memory("mincore", [27, 232], "address:pointer length pages:pointer"),
  memory("mlock", [149, 228], "address:pointer length"),
  memory("mlock2", [325, 284], "address:pointer length flags"),
  memory("munlock", [150, 229], "address:pointer length"),
  memory("mlockall", [151, 230], "flags"),
  memory("munlockall", [152, 231], ""),
  memory("mseal", [462, 462], "address:pointer length flags"),
  memory("remap_file_pages", [216, 234], "address:pointer size protection pageOffset flags"),
  memory("mbind", [237, 235], "address:pointer length mode nodes:pointer nodeCount flags"),
  memory("set_mempolicy", [238, 237], "mode nodes:pointer nodeCount"),
  memory("get_mempolicy", [239, 236], "mode:pointer nodes:pointer nodeCount address:pointer flags"),
  memory("set_mempolicy_home_node", [450, 450], "address:pointer length node flags"),
  memory("migrate_pages", [256, 238], "pid nodeCount from:pointer to:pointer"),
  memory("move_pages", [279, 239], "pid count pages:pointer nodes:pointer status:pointer flags"),
  memory("pkey_mprotect", [329, 288], "address:pointer length protection key"),
  memory("pkey_alloc", [330, 289], "flags rights"),
  memory("pkey_free", [331, 290], "key"),
  memory("map_shadow_stack", [453, 453], "address:pointer size flags"),
  memory("userfaultfd", [323, 282], "flags", "descriptor"),

  // The C library ends the program when a futex or what a thread begins with fails otherwise than it knows.
  threads("futex", [202, 98], "address:pointer operation value timeout:pointer address2:pointer value3", "neverNotified"),
  threads("futex_waitv", [449, 449], "waiters:pointer count flags timeout:in=timespec clock", "neverNotified"),
  threads("futex_wake", [454, 454], "address:pointer mask count flags", "neverNotified"),
  threads("futex_wait", [455, 455], "address:pointer value mask flags timeout:in=timespec clock", "neverNotified"),
  threads("futex_requeue", [456, 456], "waiters:pointer flags wakeCount requeueCount", "neverNotified"),
  threads("set_robust_list", [273, 99], "head:pointer size", "neverNotified"),
  threads("get_robust_list", [274, 100], "tid head:pointer size:pointer"),
  threads("set_tid_address", [218, 96], "address:pointer", "neverNotified"),
  threads("rseq", [334, 293], "area:pointer size flags signature", "neverNotified"),
  threads("rseq_slice_yield", [471, 471], "", "neverNotified"),
  threads("arch_prctl", [158], "operation address:pointer", "neverNotified"),
  threads("set_thread_area", [205], "description:pointer"),
  threads("get_thread_area", [211], "description:pointer"),
  threads("modify_ldt", [154], "operation buffer:pointer size"),
  threads("membarrier", [324, 283], "command flags cpu"),
  threads("gettid", [186, 178], ""),
];
