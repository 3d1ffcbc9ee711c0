/* Root that drops its rights, in every way that there is: what was believed of it before must not count any more. Each
 * attempt first has calls made as root, so that whoever makes them knows it. Needs root with its capabilities. */
#define _GNU_SOURCE
#include "attack.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/xattr.h>

enum { USER = 65534, GROUP = 4321 };

static char own_program[512];

/* The proxy learns who we are. */
static void be_known(void) {
        int fd;

        if (geteuid())
                skip("it needs root");
        if (open("root-only", O_RDONLY | O_CLOEXEC) < 0) {
                make_file("root-only", 0600, "text");
                make_file("group-only", 0060, "text");
                make_file("strangers", 0600, "text");
                MUST(chown("group-only", 2, GROUP));
                MUST(chown("strangers", 1234, 1234));
                MUST(mkdir("private", 0700));
                make_file("private/open", 0666, "text");
                MUST(chmod(".", 0755));
                MUST(readlink("/proc/self/exe", own_program, sizeof(own_program) - 1));
        }
        for (int i = 0; i < 4; i++) {
                fd = (int) MUST(open("strangers", O_RDWR | O_CLOEXEC));
                MUST(close(fd));
                MUST(access("private/open", F_OK));
        }
}

/* What root without its rights, or a user, must not have. */
static void try_all(void) {
        REFUSED(open("strangers", O_RDONLY));
        REFUSED(truncate("strangers", 0));
        REFUSED(chmod("strangers", 0666));
        REFUSED(chown("root-only", 1, 1));
        REFUSED(faccessat(AT_FDCWD, "strangers", R_OK, AT_EACCESS));
}

static void try_as_user(void) {
        REFUSED(open("root-only", O_RDONLY));
        REFUSED(stat("private/open", &(struct stat){ 0 }));
        REFUSED(unlink("root-only"));
        try_all();
}

static void set_capabilities(uint64_t effective, uint64_t permitted) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {
                { (uint32_t) effective, (uint32_t) permitted, 0 }, { (uint32_t) (effective >> 32), (uint32_t) (permitted >> 32), 0 }
        };

        MUST(syscall(SYS_capset, &header, data));
}

static void drop_ids(int which) {
        switch (which) {
        case 0: MUST(setgroups(0, NULL)); MUST(setresgid(USER, USER, USER)); MUST(setresuid(USER, USER, USER)); break;
        case 1: MUST(setgid(USER)); MUST(setuid(USER)); break;
        case 2: MUST(setreuid(USER, USER)); break;
        case 3: MUST(seteuid(USER)); break;
        case 4: syscall(SYS_setfsuid, USER); break;
        case 5: MUST(syscall(SYS_setresuid, -1, USER, -1)); break;
        case 6: MUST(syscall(SYS_setresuid, USER, USER, 0)); break;
        }
}

static void dropped_ids(const struct attack *attack) {
        be_known();
        drop_ids(attack->which);
        try_as_user();
}

/* Capabilities that are kept, but not in effect. */
static void kept_capabilities(const struct attack *attack) {
        be_known();
        MUST(prctl(PR_SET_KEEPCAPS, 1));
        MUST(setgroups(0, NULL));
        MUST(setresgid(USER, USER, USER));
        MUST(setresuid(USER, USER, USER));
        if (attack->which == 1)
                set_capabilities(1u << CAP_NET_RAW, 1u << CAP_NET_RAW);
        if (attack->which == 2)
                set_capabilities(1u << CAP_FOWNER, 1u << CAP_FOWNER | 1u << CAP_DAC_OVERRIDE);
        REFUSED(open("root-only", O_RDONLY));
        REFUSED(stat("private/open", &(struct stat){ 0 }));
        REFUSED(open("strangers", O_RDONLY));
        REFUSED(chown("root-only", 1, 1));
}

static void take_all_instances(void) {
        MUST(setresgid(USER, USER, USER));
        MUST(setresuid(USER, USER, USER));
        while (inotify_init1(0) >= 0)
                ;
        signal(SIGALRM, SIG_DFL);
        alarm(5);
        pause();
}

/* What a user uses up is that user's. */
static void others_instances(const struct attack *attack) {
        pid_t pid;

        (void) attack;
        be_known();
        pid = (pid_t) MUST(fork());
        if (pid == 0)
                take_all_instances();
        pause_ms(300);
        if (inotify_init1(IN_CLOEXEC) < 0)
                gained("root's are used up");
        kill(pid, SIGKILL);
}

static void dropped_and_forth(const struct attack *attack) {
        (void) attack;
        be_known();
        for (int i = 0; i < 100; i++) {
                MUST(seteuid(USER));
                REFUSED(open("root-only", O_RDONLY));
                MUST(seteuid(0));
                MUST(close((int) MUST(open("root-only", O_RDONLY))));
        }
}

static void dropped_capabilities(const struct attack *attack) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        be_known();
        MUST(syscall(SYS_capget, &header, data));
        set_capabilities(0, attack->which ? 0 : data[0].permitted | (uint64_t) data[1].permitted << 32);
        try_all();
}

static void *drop_groups_only(void *argument) {
        gid_t group = GROUP;

        (void) argument;
        MUST(syscall(SYS_setgroups, 1, &group));
        set_capabilities(1u << CAP_SETGID, 1u << CAP_SETGID);
        syscall(SYS_setfsuid, 3);
        MUST(close((int) MUST(open("group-only", O_RDONLY))));
        MUST(syscall(SYS_setgroups, 0, NULL));
        REFUSED(open("group-only", O_RDONLY));
        group = GROUP + 1;
        MUST(syscall(SYS_setgroups, 1, &group));
        REFUSED(open("group-only", O_RDONLY));
        return NULL;
}

static void dropped_groups(const struct attack *attack) {
        pthread_t thread;

        be_known();
        if (!attack->which) {
                drop_groups_only(NULL);
                return;
        }
        MUST(-pthread_create(&thread, NULL, drop_groups_only, NULL));
        pthread_join(thread, NULL);
}

/* --- exec ------------------------------------------------------------------------------------------------------------- */

/* A program that opens what it is told to: our own, in another role (see attack.c). */
_Noreturn static void execute_reader(void) {
        execl(own_program, "attack", "--try", "strangers", (char *) NULL);
        skip("exec: %s", strerror(errno));
}

static void drop_bounds(void) {
        for (int capability = 0; capability < 64; capability++)
                prctl(PR_CAPBSET_DROP, capability);
}

/* Our program as somebody's, with his rights for whoever executes it. */
static void make_setuid_program(uid_t user) {
        char data[65536];
        int from = (int) MUST(open(own_program, O_RDONLY | O_CLOEXEC)), to = (int) MUST(open("setuid", O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
        ssize_t n;

        while ((n = MUST(read(from, data, sizeof(data)))) > 0)
                MUST(write(to, data, (size_t) n));
        close(from);
        close(to);
        MUST(chown("setuid", user, user));
        MUST(chmod("setuid", 06755));
        snprintf(own_program, sizeof(own_program), "./setuid");
}

static void by_exec(const struct attack *attack) {
        be_known();
        switch (attack->which) {
        case 4: make_setuid_program(USER); break;
        case 5: make_setuid_program(3); MUST(setgroups(0, NULL)); break;
        case 0: drop_bounds(); break;
        case 1: MUST(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED)); break;
        case 2: MUST(syscall(SYS_setresuid, USER, USER, USER)); break;
        case 3: MUST(syscall(SYS_setresuid, USER, 0, 0)); drop_bounds(); break;
        }
        execute_reader();
}

static void *exec_main(void *argument) {
        const struct attack *attack = argument;

        if (attack->which == 0) {
                drop_bounds();
        } else if (attack->which == 1) {
                MUST(syscall(SYS_setgroups, 0, NULL));
                MUST(syscall(SYS_setresuid, USER, USER, USER));
        } else {
                drop_bounds();
                set_capabilities(0, 0);
        }
        execute_reader();
}

/* A thread executes a program, and takes the number of the leader, who is known as root. */
static void by_exec_of_thread(const struct attack *attack) {
        be_known();
        start_thread(exec_main, (void *) (uintptr_t) attack);
        pause_ms(2000);
}

/* --- threads -------------------------------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *thread_main(void *argument) {
        const struct attack *attack = argument;

        for (int i = 0; i < 4; i++)
                access("private/open", F_OK);
        if (attack->which == 0)
                MUST(syscall(SYS_setresuid, USER, USER, USER));
        else if (attack->which == 1)
                set_capabilities(0, 0);
        else
                syscall(SYS_setfsuid, USER);
        for (int i = 0; i < 100; i++) {
                if (attack->which == 1)
                        try_all();
                else
                        try_as_user();
        }
        pthread_barrier_wait(&barrier);
        return NULL;
}

static void one_thread_dropped(const struct attack *attack) {
        be_known();
        pthread_barrier_init(&barrier, NULL, 2);
        start_thread(thread_main, (void *) (uintptr_t) attack);
        for (int i = 0; i < 100; i++)
                MUST(access("private/open", F_OK));
        pthread_barrier_wait(&barrier);
}

static volatile int dropped;

static void *opens_for_ever(void *argument) {
        (void) argument;
        while (has_time(300)) {
                bool before = dropped;
                int fd = open("root-only", O_RDONLY | O_CLOEXEC);

                if (before && fd >= 0)
                        gained("a thread opened it after all had dropped their rights");
                if (fd >= 0)
                        close(fd);
        }
        return NULL;
}

/* The C library has all threads drop their rights at once; calls are in flight meanwhile. */
static void calls_in_flight(const struct attack *attack) {
        be_known();
        for (int i = 0; i < 4; i++)
                start_thread(opens_for_ever, NULL);
        pause_ms(20);
        if (attack->which)
                MUST(setresuid(USER, USER, USER));
        else
                MUST(seteuid(USER));
        dropped = 1;
        while (has_time(300))
                REFUSED(open("root-only", O_RDONLY));
}

/* --- numbers that are used again ---------------------------------------------------------------------------------------------- */

static pid_t born_with(pid_t number) {
        struct clone_args args = { .exit_signal = SIGCHLD };
        pid_t numbers[1] = { number };

        if (number) {
                args.set_tid = (uint64_t) (uintptr_t) numbers;
                args.set_tid_size = 1;
        }
        return (pid_t) syscall(SYS_clone3, &args, sizeof(args));
}

static void number_again(const struct attack *attack) {
        int status = 0;
        pid_t first, second;

        be_known();
        for (int i = 0; i < 10; i++) {
                first = born_with(0);
                if (first == 0) {
                        be_known();
                        _exit(0);
                }
                MUST(first);
                waitpid(first, NULL, 0);
                second = born_with(first);
                if (second == 0) {
                        if (attack->which == 0) {
                                MUST(syscall(SYS_setresuid, USER, USER, USER));
                                try_as_user();
                        } else if (attack->which == 1) {
                                set_capabilities(0, 0);
                                try_all();
                        } else {
                                MUST(unshare(CLONE_NEWUSER));
                                try_all();
                        }
                        _exit(0);
                }
                if (second < 0)
                        skip("clone3 with a number: %s", strerror(errno));
                waitpid(second, &status, 0);
                if (WIFEXITED(status) && WEXITSTATUS(status))
                        _exit(WEXITSTATUS(status));
        }
}

/* --- other places ------------------------------------------------------------------------------------------------------------- */

static void elsewhere(const struct attack *attack) {
        be_known();
        MUST(mkdir("jail", 0755));
        switch (attack->which) {
        case 0:
                MUST(chroot("jail"));
                REFUSED(access("/etc/passwd", F_OK));
                MUST(chdir("/"));
                REFUSED(access("../../../../../../etc/passwd", F_OK));
                break;
        case 1:
                MUST(unshare(CLONE_NEWNS));
                MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
                MUST(mount("none", "private", "tmpfs", 0, NULL));
                REFUSED(access("private/open", F_OK));
                break;
        case 2:
                MUST(unshare(CLONE_NEWUSER));
                try_all();
                break;
        case 3:
                MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET));
                try_all();
                break;
        }
}

static int chroot_for_both(void *argument) {
        return chroot(argument);
}

/* Another process shares our root directory, and changes it. */
static void changed_by_another(const struct attack *attack) {
        static char stack[65536] __attribute__((aligned(16)));
        int status;
        pid_t pid;

        be_known();
        MUST(mkdir("jail", 0755));
        pid = clone(chroot_for_both, stack + sizeof(stack), CLONE_FS | SIGCHLD | (attack->which ? CLONE_VM : 0), "jail");
        MUST(pid);
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status))
                skip("chroot: it ended with %d", status);
        REFUSED(access("/etc/passwd", F_OK));
        REFUSED(open("/etc/passwd", O_RDONLY));
}

static void *chroot_main(void *argument) {
        (void) argument;
        MUST(chroot("jail"));
        return NULL;
}

static void changed_by_thread(const struct attack *attack) {
        pthread_t thread;

        (void) attack;
        be_known();
        MUST(mkdir("jail", 0755));
        MUST(-pthread_create(&thread, NULL, chroot_main, NULL));
        pthread_join(thread, NULL);
        REFUSED(access("/etc/passwd", F_OK));
}

/* --- limits and marks ---------------------------------------------------------------------------------------------------------- */

static void file_limit(const struct attack *attack) {
        be_known();
        signal(SIGXFSZ, SIG_IGN);
        MUST(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1000, 1000 }));
        make_file("small", 0600, "");
        if (attack->which == 0)
                REFUSED(truncate("small", 5000));
        else
                REFUSED(ftruncate((int) MUST(open("small", O_WRONLY)), 5000));
}

static void descriptor_limit(const struct attack *attack) {
        (void) attack;
        be_known();
        MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 10, 10 }));
        for (int i = 0; i < 12; i++)
                if (open("/etc/passwd", O_RDONLY) > 9)
                        gained("more descriptors than the limit");
}

/* What setgid and setuid bits lose when a user does it, and root does not. */
static void kept_bits(const struct attack *attack) {
        struct stat status;

        be_known();
        make_file("mine", 0755, "text");
        MUST(chown("mine", USER, GROUP));
        MUST(setgroups(0, NULL));
        MUST(setresgid(USER, USER, USER));
        MUST(setresuid(USER, USER, USER));
        MUST(chmod("mine", attack->which ? 06755 : 02755));
        MUST(stat("mine", &status));
        if (status.st_mode & S_ISGID)
                gained("a setgid program of a group that we are not in");
        REFUSED(chown("mine", USER, GROUP + 1));
        REFUSED(chown("mine", 0, -1));
        REFUSED(syscall(SYS_setxattr, "mine", "security.capability", "\1\0\0\2\377\377\377\377\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
}

static const struct attack attacks[] = {
        { "after setresuid", dropped_ids, 0, 0 },
        { "after setuid", dropped_ids, 1, 0 },
        { "after setreuid", dropped_ids, 2, 0 },
        { "after seteuid", dropped_ids, 3, 0 },
        { "after setfsuid", dropped_ids, 4, 0 },
        { "after setresuid of the effective user", dropped_ids, 5, 0 },
        { "after setresuid that keeps the saved user", dropped_ids, 6, 0 },
        { "between users", dropped_and_forth, 0, 0 },
        { "after capset of the effective set", dropped_capabilities, 0, 0 },
        { "after capset of all sets", dropped_capabilities, 1, 0 },
        { "with capabilities that are kept", kept_capabilities, 0, 0 },
        { "with another capability", kept_capabilities, 1, 0 },
        { "with a capability that is not in effect", kept_capabilities, 2, 0 },
        { "root's inotify instances", others_instances, 0, 0 },
        { "after exec of a user's setuid program", by_exec, 4, 0 },
        { "after exec of another user's setuid program", by_exec, 5, 0 },
        { "after setgroups", dropped_groups, 0, 0 },
        { "after setgroups of a thread", dropped_groups, 1, 0 },
        { "after exec with a smaller bounding set", by_exec, 0, 0 },
        { "after exec with SECBIT_NOROOT", by_exec, 1, 0 },
        { "after exec as a user", by_exec, 2, 0 },
        { "after exec with another real user", by_exec, 3, 0 },
        { "after exec of a thread with a smaller bounding set", by_exec_of_thread, 0, 0 },
        { "after exec of a thread as a user", by_exec_of_thread, 1, 0 },
        { "after exec of a thread without capabilities", by_exec_of_thread, 2, 0 },
        { "of a thread that dropped its user", one_thread_dropped, 0, 0 },
        { "of a thread that dropped its capabilities", one_thread_dropped, 1, 0 },
        { "of a thread that dropped its file-system user", one_thread_dropped, 2, 0 },
        { "while seteuid runs in all threads", calls_in_flight, 0, 0 },
        { "while setresuid runs in all threads", calls_in_flight, 1, 0 },
        { "of a user with a number of root's", number_again, 0, 0 },
        { "of bare root with a number of root's", number_again, 1, 0 },
        { "in a user name space with a number of root's", number_again, 2, 0 },
        { "after chroot", elsewhere, 0, 0 },
        { "in a mount name space", elsewhere, 1, 0 },
        { "in a user name space", elsewhere, 2, 0 },
        { "in user, mount and network name spaces", elsewhere, 3, 0 },
        { "after chroot of a process that shares it", changed_by_another, 0, 0 },
        { "after chroot of a process that shares it and memory", changed_by_another, 1, 0 },
        { "after chroot of a thread", changed_by_thread, 0, 0 },
        { "past the limit of file sizes", file_limit, 0, 0 },
        { "past the limit of file sizes by a descriptor", file_limit, 1, 0 },
        { "past the limit of descriptors", descriptor_limit, 0, 0 },
        { "the setgid bit of another group", kept_bits, 0, 0 },
        { "the setuid and setgid bits of another group", kept_bits, 1, 0 },
};

const struct family identity_family = { "identity", sizeof(attacks) / sizeof(*attacks), attacks };
