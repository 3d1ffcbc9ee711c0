/* Processes that serve us: nobody may stop, trace, rewrite, slow down or move them. */
#define _GNU_SOURCE
#include "attack.h"

#include <dirent.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const char *const names[] = { "keeper", "forwarder", "sidecar", "root", "other" };

/* The last thread of a process: a worker of the forwarder's. */
static pid_t thread_of(pid_t pid) {
        struct dirent *entry;
        char path[64];
        pid_t tid = pid;
        DIR *tasks;

        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        tasks = opendir(path);
        while (tasks && (entry = readdir(tasks)))
                if (atoi(entry->d_name) > tid)
                        tid = atoi(entry->d_name);
        if (tasks)
                closedir(tasks);
        return tid;
}

static long write_to(pid_t pid, const char *file, const char *text) {
        char path[96];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -1 : write(fd, text, strlen(text));
}

static long read_from(pid_t pid, const char *file) {
        char path[96], text[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -1 : read(fd, text, sizeof(text)) > 0 ? 0 : -1;
}

static int pidfd_of(pid_t pid) {
        return (int) MUST(syscall(SYS_pidfd_open, pid, 0));
}

static long act(int which, pid_t pid) {
        static char word[16];
        struct iovec own = { word, 8 }, theirs = { (void *) 0x400000, 8 };
        struct sched_param fifo = { .sched_priority = 1 };
        struct rlimit none = { 0, 0 };
        unsigned long mask = 1;
        siginfo_t info = { .si_code = SI_QUEUE };

        switch (which) {
        case 0: return kill(pid, SIGKILL);
        case 1: return kill(pid, SIGSTOP);
        case 2: return syscall(SYS_tgkill, pid, thread_of(pid), SIGKILL);
        case 3: return syscall(SYS_tkill, thread_of(pid), SIGUSR2);
        case 4: return syscall(SYS_pidfd_send_signal, pidfd_of(pid), SIGTERM, NULL, 0);
        case 5: return syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info);
        case 6: return ptrace(PTRACE_ATTACH, pid, NULL, NULL);
        case 7: return ptrace(PTRACE_SEIZE, thread_of(pid), NULL, NULL);
        case 8: return process_vm_readv(pid, &own, 1, &theirs, 1, 0);
        case 9: return process_vm_writev(pid, &own, 1, &theirs, 1, 0);
        case 10: return syscall(SYS_pidfd_getfd, pidfd_of(pid), 1, 0);
        case 11: return write_to(pid, "mem", "x");
        case 12: return read_from(pid, "mem");
        case 13: return read_from(pid, "environ");
        case 14: return prlimit(pid, RLIMIT_NOFILE, &none, NULL);
        case 15: return sched_setscheduler(pid, SCHED_FIFO, &fifo);
        case 16: return sched_setscheduler(thread_of(pid), SCHED_IDLE, &(struct sched_param){ 0 });
        case 17: return syscall(SYS_sched_setaffinity, pid, sizeof(mask), &mask);
        case 18: return setpriority(PRIO_PROCESS, (id_t) pid, 19);
        case 19: return syscall(SYS_ioprio_set, 1, pid, 3 << 13);
        case 20: return write_to(pid, "oom_score_adj", "1000");
        case 21: return write_to(pid, "comm", "taken");
        case 22: return write_to(pid, "clear_refs", "1");
        case 23: return syscall(SYS_migrate_pages, pid, 64, &mask, &mask);
        case 24: return syscall(SYS_move_pages, pid, 1, (void *[]){ (void *) 0x400000 }, NULL, (int[]){ 0 }, 0);
        case 25: return syscall(SYS_kcmp, pid, getpid(), 2, 0, 0);
        case 26: return syscall(SYS_get_robust_list, pid, &(void *){ NULL }, &(size_t){ 0 });
        case 27: return setpgid(pid, pid);
        case 28: return read_from(pid, "maps");
        case 29: return syscall(SYS_process_madvise, pidfd_of(pid), &theirs, 1, 21, 0);
        case 30: return syscall(SYS_sched_setattr, pid, (uint32_t[12]){ 48, SCHED_BATCH }, 0);
        default: return -1;
        }
}

static void disturb(const struct attack *attack) {
        pid_t pid = somebody(names[attack->how]);

        if (!pid)
                skip("it does not run");
        REFUSED(act(attack->which, pid));
}

/* The process that works for us behind our connection: what root left in it is not for us. */
static pid_t find_agent(void) {
        int fd = connect_to(in_state("sidecar.sock", false), SOCK_STREAM);
        static const char request[] = "POST /v1/syscalls HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n{\"calls\":[{\"call\":\"getpid\"}]}";
        char path[64], name[32], answer[1024];
        DIR *processes;
        pid_t found = 0;

        if (fd < 0)
                skip("cannot connect");
        MUST(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL));
        if (MUST(recv(fd, answer, sizeof(answer), 0)) == 0)
                skip("no answer");
        processes = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(processes));) {
                snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
                if (atoi(entry->d_name) > 0 && read_file(path, name, sizeof(name)) > 0 && !strncmp(name, "nodeos-agent", 12))
                        found = atoi(entry->d_name);
        }
        closedir(processes);
        return found;
}

static void into_agent(const struct attack *attack) {
        pid_t pid = find_agent();

        if (!pid)
                skip("it does not run");
        REFUSED(act(attack->which, pid));
}

static void own_group(const struct attack *attack) {
        (void) attack;
        REFUSED(setpgid(somebody("forwarder"), getpgrp()));
        REFUSED(kill(-somebody("keeper"), SIGKILL));
}

static const char *const acts[] = {
        "kill", "stop", "tgkill", "tkill", "pidfd_send_signal", "rt_sigqueueinfo", "ptrace attach", "ptrace seize", "process_vm_readv",
        "process_vm_writev", "pidfd_getfd", "write its memory", "read its memory", "read its environment", "prlimit", "SCHED_FIFO",
        "SCHED_IDLE", "sched_setaffinity", "setpriority", "ioprio_set", "oom_score_adj", "its name", "clear_refs", "migrate_pages",
        "move_pages", "kcmp", "get_robust_list", "setpgid", "read its maps", "process_madvise", "sched_setattr",
};

enum { ACTS = sizeof(acts) / sizeof(*acts), TARGETS = 4 };

/* What looks into a process or changes its memory; to end it is fine, as it is of our user. */
static const int looks[] = { 6, 7, 8, 9, 10, 11, 12, 13, 28, 29, 22, 25 };

enum { LOOKS = sizeof(looks) / sizeof(*looks) };

static struct attack attacks[ACTS * TARGETS + LOOKS + 1];
static char titles[ACTS * TARGETS + LOOKS][64];

struct family processes_family = { "processes", 0, attacks };

__attribute__((constructor)) static void list(void) {
        for (int which = 0; which < ACTS; which++)
                for (int how = 0; how < TARGETS; how++) {
                        size_t at = processes_family.count++;

                        snprintf(titles[at], sizeof(titles[at]), "%s of the %s", acts[which], names[how]);
                        attacks[at] = (struct attack){ titles[at], disturb, which, how };
                }
        for (int i = 0; i < LOOKS; i++) {
                size_t at = processes_family.count++;

                snprintf(titles[at], sizeof(titles[at]), "%s of our agent", acts[looks[i]]);
                attacks[at] = (struct attack){ titles[at], into_agent, looks[i], 0 };
        }
        attacks[processes_family.count++] = (struct attack){ "the process group of the keeper", own_group, 0, 0 };
}
