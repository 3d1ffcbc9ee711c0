import { type Call, callsOf } from "./row.ts";

const process = callsOf("process");
const signals = callsOf("signals");

/** Calls that make and end processes, ask for their state, and send signals. */
export const processCalls: readonly Call[] = [
  // Order and meaning of clone's arguments differ by architecture; nobody but the caller can execute it anyway.
  process("clone", [56, 220], "flags stack:pointer parentTid:pointer tidOrTls:pointer tlsOrTid:pointer", "neverNotified"),
  process("clone3", [435, 435], "arguments:pointer size", "neverNotified"),
  process("fork", [57], "", "neverNotified"),
  process("vfork", [58], "", "neverNotified"),
  process("execve", [59, 221], "path:path arguments:pointer environment:pointer", "neverNotified"),
  process("execveat", [322, 281], "at:dirfd path:path arguments:pointer environment:pointer flags", "neverNotified"),
  process("exit", [60, 93], "status", "neverNotified"),
  process("exit_group", [231, 94], "status", "neverNotified"),
  process("wait4", [61, 260], "pid status:out=int options usage:out=rusage", "neverNotified"),
  process("waitid", [247, 95], "type id information:out=siginfo options usage:out=rusage", "neverNotified"),
  process("pidfd_open", [434, 434], "pid flags", "descriptor"),
  process("pidfd_getfd", [438, 438], "process:fd fd flags", "descriptor"),
  process("process_mrelease", [448, 448], "process:fd flags"),
  process("getpid", [39, 172], ""),
  process("getppid", [110, 173], ""),
  process("getpgrp", [111], ""),
  process("getpgid", [121, 155], "pid"),
  process("setpgid", [109, 154], "pid group"),
  process("getsid", [124, 156], "pid"),
  process("setsid", [112, 157], ""),
  process("chdir", [80, 49], "path:path"),
  process("fchdir", [81, 50], "fd:fd"),
  process("getcwd", [79, 17], "path:outSized size"),
  process("umask", [95, 166], "mask"),
  process("prctl", [157, 167], "option argument2:pointer argument3:pointer argument4:pointer argument5:pointer"),
  process("personality", [135, 92], "persona"),
  process("getrlimit", [97, 163], "resource limit:out=rlimit"),
  process("setrlimit", [160, 164], "resource limit:in=rlimit"),
  process("prlimit64", [302, 261], "pid resource limit:in=rlimit old:out=rlimit"),
  process("getrusage", [98, 165], "who usage:out=rusage"),
  process("times", [100, 153], "times:out=tms"),

  signals("kill", [62, 129], "pid signal"),
  signals("tkill", [200, 130], "tid signal"),
  signals("tgkill", [234, 131], "pid tid signal"),
  signals("rt_sigqueueinfo", [129, 138], "pid signal information:in=siginfo"),
  signals("rt_tgsigqueueinfo", [297, 240], "pid tid signal information:in=siginfo"),
  signals("pidfd_send_signal", [424, 424], "process:fd signal information:in=siginfo flags"),
  // The C library blocks and unblocks signals without a look at the answer.
  signals("rt_sigaction", [13, 134], "signal action:pointer old:pointer size", "neverNotified"),
  signals("rt_sigprocmask", [14, 135], "how mask:in=sigset old:out=sigset size", "neverNotified"),
  signals("rt_sigreturn", [15, 139], "", "neverNotified"),
  signals("restart_syscall", [219, 128], "", "neverNotified"),
  signals("rt_sigpending", [127, 136], "mask:outSized size"),
  signals("rt_sigtimedwait", [128, 137], "mask:in=sigset information:out=siginfo timeout:in=timespec size"),
  // A signal is what they wait for: begun anew after one, they would sleep through it.
  signals("rt_sigsuspend", [130, 133], "mask:inSized size", "neverNotified"),
  signals("pause", [34], "", "neverNotified"),
  signals("sigaltstack", [131, 132], "stack:pointer old:pointer", "neverNotified"),
];
