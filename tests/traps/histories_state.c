/* Calls of histories that change what other calls depend on: directory, umask, users, capabilities, limits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "histories.h"

/* Each for one thread alone, and with a way back to root. */
static void call_users(void) {
        gid_t groups[2] = { (gid_t) ONE_OF(0, 1000, 5000), 7000 };
        long user = ONE_OF(1000, 5000), root = 0;

        switch (pick(9)) {
        case 0: CALL(setresuid, -1, user, root); break;
        case 1: CALL(setresuid, user, user, root); break;
        case 2: CALL(setresuid, user, root, root); break;
        case 3: CALL(setfsuid, ONE_OF(0, 1000, 5000)); break;
        case 4: CALL(setfsgid, ONE_OF(0, 1000, 5000)); break;
        case 5: CALL(setresgid, ONE_OF(-1, 0, 5000), ONE_OF(0, 1000), root); break;
        case 6: CALL(setgroups, pick(3), groups); break;
        default:
                CALL(setresuid, root, root, root);
                CALL(setresgid, root, root, root);
        }
}

static void call_capabilities(void) {
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
        struct __user_cap_data_struct sets[2] = { 0 };

        syscall(SYS_capget, &header, sets);
        if (pick(2)) {
                sets[0].effective = sets[0].permitted;
                sets[1].effective = sets[1].permitted;
        } else {
                sets[0].effective &= (uint32_t) ~ONE_OF(1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH, 1 << CAP_DAC_OVERRIDE,
                                                        1 << CAP_FOWNER, 1 << CAP_CHOWN, 1 << CAP_FSETID, -1);
        }
        CALL(capset, &header, sets);
        if (!pick(4))
                CALL(prctl, PR_SET_KEEPCAPS, pick(2), 0, 0, 0);
}

static void call_limits(void) {
        int resource = (int) ONE_OF(RLIMIT_FSIZE, RLIMIT_NOFILE);
        struct rlimit limit;

        syscall(SYS_prlimit64, 0, resource, NULL, &limit);
        limit.rlim_cur = resource == RLIMIT_FSIZE ? (rlim_t) ONE_OF(0, 100, 5000, -1, -1, -1)
                                                  : (rlim_t) ONE_OF(FD_FEWEST, FD_FEWEST, FD_FEWEST + 2, 1024, 1024, 1024);
        CALL(prlimit64, 0, resource, &limit, NULL);
}

static void call_directory(int actor) {
        char text[4096];
        long n;

        switch (pick(world->may_leave_root ? 7 : 6)) {
        case 0: CALL(chdir, inner_path()); break;
        case 1: CALL(fchdir, fd()); break;
        case 2:
        case 3:
                CALL(fchdir, START);
                break;
        case 4: CALL(umask, ONE_OF(0, 022, 077, 0777)); break;
        case 5:
                n = CALL(getcwd, text, sizeof(text));
                if (n > 0)
                        say_text(text, n - 1);
                break;
        default:
                if (actor == 2 || actor == 4)
                        CALL(chroot, inner_path());
        }
}

/* A program of a child's: what it inherits is what its calls find. */
static void run_program(void) {
        char text[256];
        int output = (int) syscall(SYS_memfd_create, "output", 1), status = 0;
        pid_t pid;
        ssize_t n;

        if (output < 0)
                return;
        pid = (pid_t) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (!pid) {
                dup2(output, 1);
                execl("/proc/self/exe", "histories", "report", NULL);
                _exit(99);
        }
        waitpid(pid, &status, 0);
        n = pread(output, text, sizeof(text), 0);
        say(" program=%x", status);
        say_text(text, n);
        close(output);
}

/* A child that ends in the middle, or a thread's own copy of what it shared. */
static void call_apart(int actor) {
        switch (pick(4)) {
        case 0: run_program(); break;
        case 1:
                if (actor)
                        CALL(unshare, ONE_OF(CLONE_FS, CLONE_FILES));
                break;
        case 2: {
                pid_t pid = (pid_t) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
                int status = 0;

                if (!pid) {
                        call_on_names();
                        _exit(5);
                }
                waitpid(pid, &status, 0);
                say(" child=%x", status);
                break;
        }
        default: CALL(prctl, PR_SET_DUMPABLE, pick(2), 0, 0, 0);
        }
}

void call_on_state(int actor) {
        switch (pick(8)) {
        case 0:
        case 1: call_users(); break;
        case 2: call_capabilities(); break;
        case 3:
        case 4: call_limits(); break;
        case 5:
        case 6: call_directory(actor); break;
        default: call_apart(actor);
        }
}
