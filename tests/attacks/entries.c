/* Other ways into the kernel, and what a program does to itself: foreign tables of calls, io_uring, further filters, Landlock,
 * tracing, name spaces. */
#define _GNU_SOURCE
#include "attack.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/user.h>

/* --- foreign tables --------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
/* Strings for 32-bit calls have to lie low. */
static char *low_text(const char *text) {
        char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

        MUST(low == MAP_FAILED ? -1 : 0);
        strcpy(low, text);
        return low;
}

static long call32(long number, long one, long two, long three) {
        long result;

        __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(one), "c"(two), "d"(three) : "memory", "r8", "r9", "r10", "r11");
        return result;
}

enum { OPEN32 = 5, CREAT32 = 8, UNLINK32 = 10, CHMOD32 = 15, MOUNT32 = 21, SETUID32 = 23, KILL32 = 37, IO_URING32 = 425, OPENAT32 = 295 };

static void by_int80(const struct attack *attack) {
        long secret = (long) low_text(arena("secret")), result = -1;

        switch (attack->which) {
        case 0: result = call32(OPEN32, secret, O_RDONLY, 0); break;
        case 1: result = call32(CREAT32, (long) low_text(arena("shut/new")), 0666, 0); break;
        case 2: result = call32(UNLINK32, (long) low_text(arena("shut/file")), 0, 0); break;
        case 3: result = call32(CHMOD32, secret, 0666, 0); break;
        case 4: result = call32(SETUID32, 0, 0, 0); break;
        case 5: result = call32(KILL32, somebody("root"), SIGKILL, 0); break;
        case 6: result = call32(OPENAT32, AT_FDCWD, secret, O_RDONLY); break;
        }
        if (result >= 0)
                gained("the call returned %ld", result);
}

/* Under our filter every foreign call is refused, also one that would be harmless: it is past the policy. */
static void past_policy(const struct attack *attack) {
        long result;

        if (!is_forwarded())
                return;
        result = attack->which == 0   ? call32(20, 0, 0, 0)
                 : attack->which == 1 ? syscall(0x40000000 | SYS_getpid)
                                      : call32(OPEN32, (long) low_text("/etc/passwd"), O_RDONLY, 0);
        if (result >= 0)
                gained("the call returned %ld", result);
}

static void by_x32(const struct attack *attack) {
        const char *secret = arena("secret");

        REFUSED(attack->which == 0   ? syscall(0x40000000 | SYS_open, secret, O_RDONLY)
                : attack->which == 1 ? syscall(0x40000000 | SYS_openat, AT_FDCWD, secret, O_RDONLY)
                                     : syscall(0x40000000 | SYS_chmod, secret, 0666));
}
#endif

static void by_io_uring(const struct attack *attack) {
        char parameters[256] = { 0 };
        long fd = syscall(425, 4, parameters);

        (void) attack;
        /* A ring by itself is no gain; under a filter it is, since what goes through it is seen by nobody. */
        if (fd >= 0 && is_forwarded())
                gained("there is a ring");
}

static void io_uring_other_calls(const struct attack *attack) {
        if (is_forwarded() && (syscall(426 + attack->which, 0, 0, 0, 0, 0, 0) >= 0 || errno != ENOSYS))
                gained("the call is there: %s", strerror(errno));
}

static void impossible_number(const struct attack *attack) {
        static const long numbers[] = { -1, 511, 512, 1000, 0x7fffffff, 0x3fffffff };

        REFUSED(syscall(numbers[attack->which], 0, 0, 0, 0, 0, 0));
}

/* --- further filters ---------------------------------------------------------------------------------------------------- */

static long install(unsigned int call, unsigned int verdict, unsigned int flags) {
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, verdict),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = 4, .filter = code };

        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* What a program forbids itself stays forbidden, whoever executes its calls. */
static void own_filter(const struct attack *attack) {
        static const unsigned int verdicts[] = { SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ERRNO | ENOENT };

        MUST(install(SYS_openat, verdicts[attack->which], 0));
        REFUSED(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static void killed_by_own_filter(void) {
        MUST(install(SYS_mkdirat, SECCOMP_RET_KILL_PROCESS, 0));
        syscall(SYS_mkdirat, AT_FDCWD, "made", 0777);
        gained("the call did not kill us");
}

static void deadly_filter(const struct attack *attack) {
        (void) attack;
        if (in_child(killed_by_own_filter) == 0)
                gained("the call went through");
}

static void on_trap(int signal) {
        (void) signal;
        _exit(0);
}

static void trapping_filter(const struct attack *attack) {
        (void) attack;
        signal(SIGSYS, on_trap);
        MUST(install(SYS_mkdirat, SECCOMP_RET_TRAP, 0));
        REFUSED(syscall(SYS_mkdirat, AT_FDCWD, "made", 0777));
}

/* A listener of our own would see the calls before, or instead of, the one who was there first. */
static void second_listener(const struct attack *attack) {
        long fd = install(SYS_openat, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

        (void) attack;
        if (fd >= 0 && is_forwarded())
                gained("there is a second listener");
}

/* A filter that allows what the first one refuses takes nothing back. */
static void allowing_filter(const struct attack *attack) {
        (void) attack;
        MUST(install(SYS_getppid, SECCOMP_RET_ALLOW, 0));
        REFUSED(open(arena("secret"), O_RDONLY));
        if (is_forwarded() && syscall(425, 4, (char[256]){ 0 }) >= 0)
                gained("there is a ring");
}

static void strict_mode(void) {
        MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
        syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
        syscall(SYS_exit, 3);
}

static void own_strict_mode(const struct attack *attack) {
        (void) attack;
        /* A second mode beside a filter does not exist: it is refused, or kills. */
        if (!is_forwarded() && in_child(strict_mode) == 3)
                gained("the call went through");
}

/* --- Landlock ------------------------------------------------------------------------------------------------------------- */

struct rules {
        uint64_t file_system, network, scope;
};

/* Nobody may be reached through us whom we have shut out ourselves. */
static void confine(uint64_t rights) {
        struct rules rules = { .file_system = rights };
        long fd = syscall(444, &rules, 8, 0);

        /* To refuse it is fine: the program knows that it is not confined. */
        if (fd < 0 && is_forwarded())
                refused();
        if (fd < 0)
                skip("this kernel has no Landlock");
        MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        MUST(syscall(446, fd, 0));
}

static void landlock_read(const struct attack *attack) {
        (void) attack;
        confine(1 << 2);
        REFUSED(open("/etc/passwd", O_RDONLY));
}

static void landlock_write(const struct attack *attack) {
        (void) attack;
        make_file("mine", 0600, "text");
        confine(1 << 1);
        REFUSED(open("mine", O_WRONLY));
}

static void landlock_make(const struct attack *attack) {
        (void) attack;
        confine(1 << 7 | 1 << 8);
        REFUSED(attack->which ? mkdir("made", 0777) : open("made", O_CREAT | O_WRONLY, 0666));
}

static void landlock_remove(const struct attack *attack) {
        (void) attack;
        make_file("mine", 0600, "text");
        confine(1 << 5);
        REFUSED(unlink("mine"));
}

static void read_passwd(void) {
        REFUSED(open("/etc/passwd", O_RDONLY));
}

static void landlock_child(const struct attack *attack) {
        (void) attack;
        confine(1 << 2);
        in_child(read_passwd);
}

/* --- tracing ---------------------------------------------------------------------------------------------------------------- */

#ifdef __x86_64__
static long seize_child(pid_t *ret_pid, void (*run)(void)) {
        *ret_pid = (pid_t) MUST(fork());
        if (*ret_pid == 0) {
                MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
                raise(SIGSTOP);
                run();
                _exit(0);
        }
        waitpid(*ret_pid, NULL, 0);
        return ptrace(PTRACE_SETOPTIONS, *ret_pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
}

static void harmless_call(void) {
        syscall(SYS_getppid, "x", 4, 0);
}

/* The tracer makes another call of a harmless one, at its entry: the filter has to see what it is then. */
static void rewritten_call(const struct attack *attack) {
        static const long numbers[] = { 425, 0x40000000 | SYS_getpid, SYS_openat };
        struct user_regs_struct registers;
        int status;
        pid_t pid;

        MUST(seize_child(&pid, harmless_call));
        for (int i = 0; i < 200; i++) {
                if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
                        return;
                MUST(ptrace(PTRACE_GETREGS, pid, NULL, &registers));
                if (registers.orig_rax != SYS_getppid)
                        continue;
                registers.orig_rax = (unsigned long long) numbers[attack->which];
                if (attack->which == 2) {
                        registers.rdi = (unsigned long long) AT_FDCWD;
                        registers.rsi = (unsigned long long) (uintptr_t) arena("secret");
                        registers.rdx = O_RDONLY;
                }
                MUST(ptrace(PTRACE_SETREGS, pid, NULL, &registers));
                MUST(ptrace(PTRACE_SYSCALL, pid, NULL, NULL));
                waitpid(pid, &status, 0);
                MUST(ptrace(PTRACE_GETREGS, pid, NULL, &registers));
                if ((long) registers.rax >= 0 && (is_forwarded() || attack->which == 2))
                        gained("the call returned %ld", (long) registers.rax);
                return;
        }
}
#endif

/* --- name spaces ------------------------------------------------------------------------------------------------------------- */

static void write_map(const char *path, const char *text) {
        int fd = (int) MUST(open(path, O_WRONLY));

        MUST(write(fd, text, strlen(text)));
        MUST(close(fd));
}

static void enter_user_namespace(int flags) {
        char users[64], groups[64];

        snprintf(users, sizeof(users), "0 %u 1", getuid());
        snprintf(groups, sizeof(groups), "0 %u 1", getgid());
        if (unshare(CLONE_NEWUSER | flags) < 0)
                skip("unshare: %s", strerror(errno));
        write_map("/proc/self/setgroups", "deny");
        write_map("/proc/self/uid_map", users);
        write_map("/proc/self/gid_map", groups);
}

/* Every capability, but in a name space of one's own: files out there stay what they are. */
static void with_elsewheres_capabilities(const struct attack *attack) {
        enter_user_namespace(0);
        switch (attack->which) {
        case 0: REFUSED(open(arena("secret"), O_RDONLY)); break;
        case 1: REFUSED(chown(arena("readable"), 0, 0)); break;
        case 2: REFUSED(chmod(arena("secret"), 0666)); break;
        case 3: REFUSED(mknod("device", S_IFCHR | 0666, 0x101)); break;
        case 4: REFUSED(unlink(arena("shut/file"))); break;
        case 5: REFUSED(stat(arena("hidden/open"), &(struct stat){ 0 })); break;
        case 6: REFUSED(syscall(SYS_setxattr, arena("readable"), "trusted.taken", "1", 1, 0)); break;
        case 7: REFUSED(mount("none", "/mnt", "tmpfs", 0, NULL)); break;
        case 8: REFUSED(setresuid(0, 0, 1)); break;
        case 9: REFUSED(truncate(arena("readable"), 0)); break;
        case 10: REFUSED(rename(arena("sticky/victim"), "taken")); break;
        case 11: REFUSED(open(arena("readable"), O_RDONLY | O_NOATIME)); break;
        }
}

static int clone_main(void *argument) {
        const struct attack *attack = argument;

        switch (attack->which) {
        case 0: REFUSED(open(arena("secret"), O_RDONLY)); break;
        case 1: REFUSED(mknod("device", S_IFCHR | 0666, 0x101)); break;
        case 2: REFUSED(chown(arena("readable"), 0, 0)); break;
        case 3: REFUSED(stat(arena("hidden/open"), &(struct stat){ 0 })); break;
        case 4: REFUSED(unlink(arena("sticky/victim"))); break;
        }
        return 0;
}

static void in_cloned_namespace(const struct attack *attack) {
        static char stack[65536] __attribute__((aligned(16)));
        int flags = CLONE_NEWUSER | SIGCHLD | (attack->how ? CLONE_NEWNS : 0), status = 0;
        pid_t pid;

        /* Known before: what is believed of us must not be believed of the child. */
        access("/", F_OK);
        pid = clone(clone_main, stack + sizeof(stack), flags, (void *) (uintptr_t) attack);
        if (pid < 0)
                skip("clone: %s", strerror(errno));
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status))
                _exit(WEXITSTATUS(status));
}

/* What is mounted in a name space of our own is seen there only. */
static void own_mount(const struct attack *attack) {
        char path[600];

        enter_user_namespace(CLONE_NEWNS);
        MUST(mkdir("m", 0777));
        MUST(mount("none", "m", "tmpfs", 0, NULL));
        make_file("m/inside", 0600, "text");
        MUST(chdir("m"));
        snprintf(path, sizeof(path), "../m/inside");
        if (access(path, F_OK) < 0)
                gained("our own mount is not there for us");
        (void) attack;
}

static const struct attack attacks[] = {
#ifdef __x86_64__
        { "int 0x80 open", by_int80, 0, 0 },
        { "int 0x80 creat", by_int80, 1, 0 },
        { "int 0x80 unlink", by_int80, 2, 0 },
        { "int 0x80 chmod", by_int80, 3, 0 },
        { "int 0x80 setuid", by_int80, 4, 0 },
        { "int 0x80 kill", by_int80, 5, 0 },
        { "int 0x80 openat", by_int80, 6, 0 },
        { "int 0x80 past the policy", past_policy, 0, 0 },
        { "x32 past the policy", past_policy, 1, 0 },
        { "int 0x80 open past the policy", past_policy, 2, 0 },
        { "x32 open", by_x32, 0, 0 },
        { "x32 openat", by_x32, 1, 0 },
        { "x32 chmod", by_x32, 2, 0 },
        { "a tracer makes io_uring_setup of a call", rewritten_call, 0, 0 },
        { "a tracer makes an x32 call of a call", rewritten_call, 1, 0 },
        { "a tracer makes openat of a call", rewritten_call, 2, 0 },
#endif
        { "io_uring_setup", by_io_uring, 0, 0 },
        { "io_uring_enter", io_uring_other_calls, 0, 0 },
        { "io_uring_register", io_uring_other_calls, 1, 0 },
        { "call number -1", impossible_number, 0, 0 },
        { "call number 511", impossible_number, 1, 0 },
        { "call number 512", impossible_number, 2, 0 },
        { "call number 1000", impossible_number, 3, 0 },
        { "call number 0x7fffffff", impossible_number, 4, 0 },
        { "call number 0x3fffffff", impossible_number, 5, 0 },
        { "past an own filter with EPERM", own_filter, 0, 0 },
        { "past an own filter with ENOENT", own_filter, 1, 0 },
        { "past an own filter that kills", deadly_filter, 0, 0 },
        { "past an own filter that traps", trapping_filter, 0, 0 },
        { "a second listener", second_listener, 0, 0 },
        { "a filter that allows", allowing_filter, 0, 0 },
        { "past the strict mode", own_strict_mode, 0, 0 },
        { "read past Landlock", landlock_read, 0, 0 },
        { "write past Landlock", landlock_write, 0, 0 },
        { "make a file past Landlock", landlock_make, 0, 0 },
        { "make a directory past Landlock", landlock_make, 1, 0 },
        { "unlink past Landlock", landlock_remove, 0, 0 },
        { "read past the parent's Landlock", landlock_child, 0, 0 },
        { "open with elsewhere's capabilities", with_elsewheres_capabilities, 0, 0 },
        { "chown with elsewhere's capabilities", with_elsewheres_capabilities, 1, 0 },
        { "chmod with elsewhere's capabilities", with_elsewheres_capabilities, 2, 0 },
        { "mknod with elsewhere's capabilities", with_elsewheres_capabilities, 3, 0 },
        { "unlink with elsewhere's capabilities", with_elsewheres_capabilities, 4, 0 },
        { "stat with elsewhere's capabilities", with_elsewheres_capabilities, 5, 0 },
        { "setxattr with elsewhere's capabilities", with_elsewheres_capabilities, 6, 0 },
        { "mount with elsewhere's capabilities", with_elsewheres_capabilities, 7, 0 },
        { "setresuid with elsewhere's capabilities", with_elsewheres_capabilities, 8, 0 },
        { "truncate with elsewhere's capabilities", with_elsewheres_capabilities, 9, 0 },
        { "rename with elsewhere's capabilities", with_elsewheres_capabilities, 10, 0 },
        { "O_NOATIME with elsewhere's capabilities", with_elsewheres_capabilities, 11, 0 },
        { "open in a cloned user name space", in_cloned_namespace, 0, 0 },
        { "mknod in a cloned user name space", in_cloned_namespace, 1, 0 },
        { "chown in a cloned user name space", in_cloned_namespace, 2, 0 },
        { "stat in a cloned user name space", in_cloned_namespace, 3, 0 },
        { "unlink in a cloned user name space", in_cloned_namespace, 4, 0 },
        { "open in cloned user and mount name spaces", in_cloned_namespace, 0, 1 },
        { "stat in cloned user and mount name spaces", in_cloned_namespace, 3, 1 },
        { "a mount of our own", own_mount, 0, 0 },
};

const struct family entries_family = { "entries", sizeof(attacks) / sizeof(*attacks), attacks };
