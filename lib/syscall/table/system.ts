import { type Call, callsOf } from "./row.ts";

const system = callsOf("system");
const administration = callsOf("administration");
const tracing = callsOf("tracing");
const obsolete = callsOf("obsolete");

/** Calls about the whole machine, about other processes, and what is left of old ones. */
export const systemCalls: readonly Call[] = [
  system("uname", [63, 160], "names:out=utsname"),
  system("sysinfo", [99, 179], "information:out=sysinfo"),
  system("getrandom", [318, 278], "data:outSized size flags"),

  administration("sethostname", [170, 161], "name:inSized size"),
  administration("setdomainname", [171, 162], "name:inSized size"),
  administration("settimeofday", [164, 170], "time:in=timeval zone:in=timezone"),
  administration("clock_settime", [227, 112], "clock time:in=timespec"),
  administration("adjtimex", [159, 171], "values:pointer"),
  administration("clock_adjtime", [305, 266], "clock values:pointer"),
  administration("syslog", [103, 116], "type buffer:outSized size"),
  administration("acct", [163, 89], "path:path"),
  administration("swapon", [167, 224], "path:path flags"),
  administration("swapoff", [168, 225], "path:path"),
  administration("quotactl", [179, 60], "command path:path id address:pointer"),
  administration("quotactl_fd", [443, 443], "fd:fd command id address:pointer"),
  administration("init_module", [175, 105], "image:inSized size parameters:text"),
  administration("finit_module", [313, 273], "fd:fd parameters:text flags"),
  administration("delete_module", [176, 106], "name:text flags"),
  administration("kexec_load", [246, 104], "entry:pointer count segments:pointer flags"),
  administration("kexec_file_load", [320, 294], "kernel:fd initrd:fd size commandLine:pointer flags"),
  administration("reboot", [169, 142], "magic1 magic2 command argument:pointer"),
  administration("vhangup", [153, 58], ""),
  administration("iopl", [172], "level"),
  administration("ioperm", [173], "from count on"),

  tracing("ptrace", [101, 117], "request pid address:pointer data:pointer"),
  tracing("process_vm_readv", [310, 270], "pid local:pointer localCount remote:pointer remoteCount flags"),
  tracing("process_vm_writev", [311, 271], "pid local:pointer localCount remote:pointer remoteCount flags"),
  tracing("kcmp", [312, 272], "pid1 pid2 type index1 index2"),
  tracing("perf_event_open", [298, 241], "attributes:pointer pid cpu group:fd flags", "descriptor"),
  tracing("bpf", [321, 280], "command attributes:pointer size"),
  // The kernel puts these two into the program.
  tracing("uretprobe", [335], "", "neverNotified"),
  tracing("uprobe", [336], "", "neverNotified"),

  obsolete("uselib", [134], "path:path"),
  obsolete("ustat", [136], "device status:out=ustat"),
  obsolete("sysfs", [139], "option argument1:pointer argument2:pointer"),
  obsolete("lookup_dcookie", [212, 18], "cookie path:outSized size"),
  obsolete("nfsservctl", [180, 42], "command argument:pointer result:pointer"),
  obsolete("_sysctl", [156], "arguments:pointer"),
  obsolete("create_module", [174], "name:text size"),
  obsolete("get_kernel_syms", [177], "table:pointer"),
  obsolete("query_module", [178], "name:text which buffer:pointer size result:pointer"),
  // What follows has a number only: Linux never had more of it.
  obsolete("getpmsg", [181], ""),
  obsolete("putpmsg", [182], ""),
  obsolete("afs_syscall", [183], ""),
  obsolete("tuxcall", [184], ""),
  obsolete("security", [185], ""),
  obsolete("epoll_ctl_old", [214], ""),
  obsolete("epoll_wait_old", [215], ""),
  obsolete("vserver", [236], ""),
];
