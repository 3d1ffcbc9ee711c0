/* Descriptors for the caller: added to its table, then closed here, then answered. An open copy of ours would be in the way of
 * leases and of unmounting when the caller goes on.
 *
 * Who dies after adding and before answering would leave the caller with a descriptor that it does not know of. So what is
 * given is marked meanwhile, with the number of the thread that waits for it: a file by a position that nobody comes to by
 * itself, everything else by its owner, to whom signals about it would go, which costs more. The mark is the open file's, so
 * we take it away by our copy; and a successor finds it among the descriptors of that thread. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../internal.h"
#include "serve.h"

enum mark { UNMARKED, MARKED_BY_POSITION, MARKED_BY_OWNER };

/* Two terabytes: what is opened for the caller begins at 0, and file systems without such files refuse it. */
static off_t position_of(int32_t tid) {
        return ((off_t) 1 << 41) + tid;
}

/* Returns enum mark, or -errno. */
static int mark(int fd, const struct call *call) {
        struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = call->tid };

        if (call->is_file && lseek(fd, position_of(call->tid), SEEK_SET) == position_of(call->tid))
                return MARKED_BY_POSITION;
        return fcntl(fd, F_SETOWN_EX, &owner) < 0 ? -errno : MARKED_BY_OWNER;
}

static void unmark(int fd, enum mark mark) {
        if (mark == MARKED_BY_POSITION)
                lseek(fd, 0, SEEK_SET);
        else if (mark == MARKED_BY_OWNER)
                fcntl(fd, F_SETOWN, 0);
}

/* A program that makes one of its threads the owner of something chooses a signal, too. */
static enum mark mark_of(int fd, int32_t tid) {
        struct f_owner_ex owner;

        if (lseek(fd, 0, SEEK_CUR) == position_of(tid))
                return MARKED_BY_POSITION;
        return fcntl(fd, F_GETOWN_EX, &owner) == 0 && owner.type == F_OWNER_TID && owner.pid == tid && fcntl(fd, F_GETSIG) == 0
                       ? MARKED_BY_OWNER
                       : UNMARKED;
}

int give(struct worker *worker, const struct call *call, int fd, uint32_t flags, int64_t *ret_result) {
        struct seccomp_notif_addfd gift = { .id = call->id, .srcfd = (uint32_t) fd, .newfd_flags = flags };
        /* Who has a number in another tree of processes only is no owner that we could name. */
        int marked = call->tid > 0 ? mark(fd, call) : UNMARKED, result = marked;

        if (marked >= 0) {
                journal_state(worker, NODEOS_JOURNAL_ADDING);
                result = notify(worker, SECCOMP_IOCTL_NOTIF_ADDFD, &gift);
                if (result >= 0)
                        journal_result(worker, result);
                unmark(fd, (enum mark) marked);
        }
        close(fd);
        /* What cannot be given (O_PATH) has to be made by the caller. */
        if (result == -EBADF)
                return STEP_BACK;
        *ret_result = result;
        return result == -ENOENT ? STEP_GONE : STEP_ON;
}

/* Finds the caller. Returns 0, or -EIO when its descriptors are out of reach. */
static int reach(struct worker *worker, const struct call *call, struct caller **ret_caller) {
        *ret_caller = NULL;
        if (become_self(worker) == STEP_ON)
                caller_find(worker, call, ret_caller);
        return *ret_caller && descriptors_are_known(*ret_caller) ? 0 : -EIO;
}

/* Takes the mark from a descriptor of the caller's, once it is written down. Returns whether it had one. */
static bool take_mark(struct worker *worker, const struct caller *caller, int number) {
        CLEANUP_FD int fd = (int) syscall(SYS_pidfd_getfd, caller->pidfd, number, 0);
        enum mark mark = fd < 0 ? UNMARKED : mark_of(fd, caller->tid);

        if (mark == UNMARKED)
                return false;
        journal_result(worker, number);
        unmark(fd, mark);
        return true;
}

/* A copy of a socket would make it a socket of our cgroup. */
static bool is_socket(int directory, const char *name) {
        char link[8];

        return readlinkat(directory, name, link, sizeof(link)) > 7 && !memcmp(link, "socket:", 7);
}

int give_find(struct worker *worker, const struct call *call) {
        struct caller *caller;
        struct dirent *entry;
        int found = -ENOENT;
        char path[64];
        DIR *directory;

        if (reach(worker, call, &caller) < 0)
                return -EIO;
        snprintf(path, sizeof(path), "/proc/%d/fd", call->tid);
        directory = opendir(path);
        if (!directory)
                return -EIO;
        while (found < 0 && (entry = readdir(directory))) {
                int number = atoi(entry->d_name);

                if (*entry->d_name == '.' || is_socket(dirfd(directory), entry->d_name))
                        continue;
                if (take_mark(worker, caller, number))
                        found = number;
        }
        closedir(directory);
        return found;
}

void give_finish(struct worker *worker, const struct call *call, int64_t result) {
        struct caller *caller;

        if (result >= 0 && reach(worker, call, &caller) == 0)
                take_mark(worker, caller, (int) result);
}
