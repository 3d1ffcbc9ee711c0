/* What a call refers to: descriptors of the caller's, and its working directory. All are ours for the length of one call
 * only; a directory that stays open cannot be unmounted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "serve.h"

int64_t file_system_of(int fd) {
        struct statfs fs;

        return fstatfs(fd, &fs) < 0 ? -errno : (int64_t) fs.f_type;
}

bool is_personal_system(int64_t file_system) {
        return file_system == PROC_SUPER_MAGIC || file_system == CGROUP_SUPER_MAGIC || file_system == CGROUP2_SUPER_MAGIC;
}

bool is_private_system(int64_t file_system) {
        return file_system < 0 || file_system == FUSE_SUPER_MAGIC || is_personal_system(file_system);
}

/* The first characters of a path, without what means nothing in them: "//", "/./". */
static void start_of(const char *path, char *ret_start, size_t room) {
        size_t used = 0;

        while (*path && used < room - 1) {
                ret_start[used++] = *path;
                if (*path++ != '/')
                        continue;
                while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
                        path++;
        }
        ret_start[used] = 0;
}

bool is_personal_path(const char *path) {
        static const char *const prefixes[] = { "/dev/fd", "/dev/std", "/dev/tty", "/dev/pts", "/dev/ptmx", "/dev/console" };
        char start[16];

        if (*path != '/')
                return false;
        start_of(path, start, sizeof(start));
        /* Most are neither below /proc nor below /dev. */
        if (start[1] != 'p' && start[1] != 'd')
                return false;
        if (!strncmp(start, "/proc", 5) && (!start[5] || start[5] == '/'))
                return true;
        for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
                if (!strncmp(start, prefixes[i], strlen(prefixes[i])))
                        return true;
        return false;
}

/* Threads may have descriptor tables of their own. A kernel that has pidfds of processes only gives us the leader's. */
bool descriptors_are_known(const struct caller *caller) {
        return caller->own_pidfd || syscall(SYS_kcmp, caller->tid, caller->identity->tgid, KCMP_FILES, 0, 0) == 0;
}

/* Takes a descriptor, into call->taken[i]. A closed one becomes -1: the kernel refuses it in its turn. */
static int take(struct call *call, struct caller *caller, int i) {
        int fd, given = (int) call->given[i];

        call->arguments[i].value = (uint64_t) -1;
        if (given < 0)
                return STEP_ON;
        if (!descriptors_are_known(caller))
                return STEP_BACK;
        fd = (int) syscall(SYS_pidfd_getfd, caller->pidfd, given, 0);
        if (fd < 0 && errno == EBADF)
                return STEP_ON;
        if (fd < 0)
                return errno == ESRCH ? STEP_GONE : STEP_BACK;
        call->taken[i] = fd;
        call->arguments[i].value = (uint64_t) fd;
        return is_personal_system(file_system_of(fd)) ? STEP_BACK : STEP_ON;
}

static int take_file(struct call *call, struct caller *caller, int i) {
        int step, kind = i < 5 ? call->row->kinds[i + 1] : NODEOS_ARGUMENT_NONE;
        struct stat file;

        /* Some kernels take it for the working directory where a descriptor belongs (fgetxattr, Linux 6.13). */
        if ((int) call->given[i] == AT_FDCWD)
                return STEP_BACK;
        step = take(call, caller, i);
        if (step != STEP_ON || call->taken[i] < 0)
                return step;
        /* Sockets, pipes and devices may make us wait for ever, and are fast enough elsewhere; direct transfers are between the disk
         * and the caller's memory, and depend on where that lies. */
        if (call->row->flags & NODEOS_ROW_DATA &&
            (fstat(call->taken[i], &file) < 0 || !S_ISREG(file.st_mode) || fcntl(call->taken[i], F_GETFL) & O_DIRECT))
                return STEP_BACK;
        if (kind == NODEOS_ARGUMENT_OUT_SIZED)
                call->position = lseek(call->taken[i], 0, SEEK_CUR);
        return STEP_ON;
}

static int take_cwd(struct call *call) {
        char path[64];

        if (call->cwd >= 0)
                return STEP_ON;
        snprintf(path, sizeof(path), "/proc/%d/cwd", call->tid);
        call->cwd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (call->cwd < 0)
                return errno == ENOENT || errno == ESRCH ? STEP_GONE : STEP_BACK;
        return is_personal_system(file_system_of(call->cwd)) ? STEP_BACK : STEP_ON;
}

/* Where a path starts. An absolute one needs no directory, except in openat2, which can confine it to one. */
static int take_start(struct call *call, struct caller *caller, int path) {
        int directory = path > 0 && call->row->kinds[path - 1] == NODEOS_ARGUMENT_DIRFD ? path - 1 : -1;
        const struct argument *argument = &call->arguments[path];
        const char *text = argument->state == ARGUMENT_READ || argument->state == ARGUMENT_LONG ? (const char *) (uintptr_t) argument->value : "";

        if (is_personal_path(text))
                return STEP_BACK;
        if (*text == '/' && call->number != SYS_openat2) {
                if (directory >= 0)
                        call->arguments[directory].value = (uint64_t) AT_FDCWD;
                return STEP_ON;
        }
        if (directory >= 0 && (int) call->given[directory] != AT_FDCWD)
                return take(call, caller, directory);
        if (directory >= 0)
                call->arguments[directory].value = (uint64_t) AT_FDCWD;
        return take_cwd(call);
}

int descriptors_take(struct call *call, struct caller *caller) {
        for (int i = 0; i < 6; i++) {
                int kind = call->row->kinds[i], step = STEP_ON;

                if (kind == NODEOS_ARGUMENT_PATH)
                        step = take_start(call, caller, i);
                else if (kind == NODEOS_ARGUMENT_FD)
                        step = take_file(call, caller, i);
                /* A number of the caller's must never meet our own table. */
                else if (kind == NODEOS_ARGUMENT_DIRFD && (i == 5 || call->row->kinds[i + 1] != NODEOS_ARGUMENT_PATH))
                        step = STEP_BACK;
                if (step != STEP_ON)
                        return step;
        }
        /* As ourselves: it is the caller's directory already, whether it may enter it again or not. */
        if (call->cwd >= 0 && fchdir(call->cwd) < 0)
                return STEP_BACK;
        return STEP_ON;
}

void descriptors_close(struct call *call) {
        for (int i = 0; i < 6; i++) {
                if (call->taken[i] >= 0)
                        close(call->taken[i]);
                call->taken[i] = -1;
        }
        if (call->cwd >= 0)
                close(call->cwd);
        call->cwd = -1;
}
