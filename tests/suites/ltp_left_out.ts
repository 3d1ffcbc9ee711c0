/** Entries of the Linux Test Project that change the whole machine or take it for themselves, and what they do to it. */
const leftOut: readonly (readonly [names: RegExp, reason: string])[] = [
  [/^acct\d/, "keeps accounts of the processes of the whole machine"],
  [/^(?:adjtimex|clock_adjtime|clock_settime|settimeofday|stime|leapsec)\d/, "sets the clock"],
  [/^swap(?:on|off)\d/, "adds swap space to the machine"],
  [/^reboot\d/, "is about the end of the machine"],
  [/^set(?:host|domain)name\d/, "gives the machine another name"],
  [/^(?:delete|finit|init)_module\d/, "loads modules into the kernel"],
  [/^quotactl\d/, "switches quotas on"],
  [/^syslog\d/, "empties the kernel's log, and changes what it shows"],
  [/^vhangup\d/, "hangs up the terminal"],
  [/^(?:add_key05|setpriority01|prot_hsymlinks)$/, "adds users"],
  [/^(?:madvise01|madvise07|madvise11|move_pages12)$/, "takes pages of memory out of service"],
  [/^(?:cachestat03|futex_wake04|memfd_create03|pkey01|shmget02)$/, "reserves huge pages"],
  [/^(?:clone303|madvise06|madvise09|mmap22|process_madvise01)$/, "makes cgroups, beside ours"],
  [/^(?:preadv203(?:_64)?|readahead02|fanotify10|fanotify23)$/, "empties the page cache"],
  [/^(?:fcntl33(?:_64)?|fork13|inotify06|io_uring04|keyctl02|keyctl05|mq_open01|munmap04)$/, "changes parameters of the kernel"],
  [/^(?:msgget0[35]|pidfd_send_signal03|semget05|shmget0[56])$/, "changes parameters of the kernel"],
  [/^(?:msgstress01|fork14)$/, "takes as much of the machine as it gets"],
  [/^(?:bind06|inotify09|setsockopt06|setsockopt11|timerfd_settime02)$/, "looks for a race in old kernels for minutes, on two CPUs"],
];

/** Why an entry is left out, or `null` when it is not. */
export function reasonToLeaveOut(name: string): string | null {
  return leftOut.find(([names]) => names.test(name))?.[1] ?? null;
}
