/* Who calls: what a worker knows of the threads whose calls it executes, and when it may still believe it.
 *
 * A caller is blocked in its call, and only a thread itself can change its own identity. So whatever we read of it stays
 * true until we answer, if the notification is still alive after we have read it (call_is_valid). What was read for an
 * earlier call is believed only after this has been compared, for each call:
 *
 * - user and group ids by PIDFD_GET_INFO. The pidfd was opened for the thread we knew. It fails with ESRCH when that one is
 *   dead, so a thread number that is used again never meets the rights of its predecessor.
 * - all capability sets by capget: programs with file capabilities, a smaller bounding set that takes effect at exec,
 *   ambient capabilities and set*id all show here, without any call of theirs having been seen. Who has none, and cannot
 *   get any because it has given up new privileges, is not asked. Nor is who had none, for what is plain (call.c): should
 *   it have some by now, it is refused what it may do, and then does it itself.
 * - groups show in neither. Only setgroups changes them, and a new user namespace what they mean: calls with the traits
 *   "identity" and "namespace", which the filter has to send us. Before such a call continues, the epoch ends: everything
 *   known under its filter is read anew at each caller's next call. The caller itself cannot call before its change is
 *   done. Another thread cannot change its own groups by it, but for one way: a thread that is not the leader changes its
 *   groups and executes a program; it then has the leader's number. After such a change the status of leaders is read for
 *   every call (leaders_move).
 * - root and namespaces are looked at when a thread is first seen, and when anything above differs. After any call with
 *   "namespace" has continued, they are looked at for every call under that filter (roots_move): chroot changes the root of
 *   all who share it. A clone into a new namespace has a new number, and so is seen for the first time. The capabilities
 *   that a thread has in a user namespace of its own are never taken for ours, because it is foreign first.
 *
 * Programs that watch files for what is done to them (fanotify) are told which process does it, and tell their own doing from
 * that of others by it. Once a program under a filter begins to watch, all calls under it go back.
 *
 * Who is foreign executes its calls itself, for good. A kernel without PIDFD_GET_INFO (before 6.13) gets its status read
 * for every call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../internal.h"
#include "identity.h"
#include "serve.h"

#define OF_THREAD O_EXCL /* PIDFD_THREAD */

static bool has_info, has_thread_pidfd;

void caller_probe(void) {
        int fd = (int) syscall(SYS_pidfd_open, gettid(), OF_THREAD);
        struct identity_info info;

        has_thread_pidfd = fd >= 0;
        has_info = fd >= 0 && identity_info_read(fd, &info) == 0;
        if (fd >= 0)
                close(fd);
}

/* Whether the thread has the ids and capabilities that we know. Who has none is not looked at again if it may have more.
 * Returns 0, 1 when they differ, or -errno. */
static int has_changed(const struct caller *caller, bool may_have_more) {
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, caller->tid };
        const struct identity *id = caller->identity;
        struct __user_cap_data_struct sets[2];
        struct identity_info info;
        int error = identity_info_read(caller->pidfd, &info);

        if (error)
                return error;
        if (info.tgid != (uint32_t) id->tgid || info.ruid != id->ruid || info.euid != id->euid || info.suid != id->suid ||
            info.fsuid != id->fsuid || info.rgid != id->rgid || info.egid != id->egid || info.sgid != id->sgid || info.fsgid != id->fsgid)
                return 1;
        if ((caller->more.no_new_privileges || may_have_more) && !id->effective && !id->permitted)
                return 0;
        if (syscall(SYS_capget, &header, sets) < 0)
                return -errno;
        return (sets[0].effective | (uint64_t) sets[1].effective << 32) != id->effective ||
               (sets[0].permitted | (uint64_t) sets[1].permitted << 32) != id->permitted ||
               (sets[0].inheritable | (uint64_t) sets[1].inheritable << 32) != id->inheritable;
}

static void forget(struct caller *caller) {
        if (caller->pidfd >= 0)
                close(caller->pidfd);
        if (caller->status_fd >= 0)
                close(caller->status_fd);
        free(caller->identity);
        *caller = (struct caller){ .pidfd = -1, .status_fd = -1 };
}

void caller_forget_all(struct worker *worker) {
        for (int set = 0; set < CALLER_SETS; set++)
                for (int way = 0; way < CALLER_WAYS; way++)
                        if (worker->callers[set][way].tid)
                                forget(&worker->callers[set][way]);
}

/* Whether two readings are of the same rights; groups have a rule of their own. */
static bool is_same(const struct identity *one, const struct identity *other) {
        return one->tgid == other->tgid && !memcmp(&one->ruid, &other->ruid, 8 * sizeof(uint32_t)) && one->effective == other->effective &&
               one->permitted == other->permitted && one->inheritable == other->inheritable;
}

/* Reads the status into the caller's identity. Returns 1 when it has other rights than before, 0, or -errno. */
static int read_status(struct worker *worker, struct caller *caller) {
        uint32_t epoch = atomic_load(&worker->pool->identity_epoch);
        struct identity *kept;
        size_t size;
        int error, changed;

        if (caller->status_fd < 0) {
                int fd = identity_open(caller->tid);

                if (fd < 0)
                        return fd;
                caller->status_fd = fd;
        }
        error = identity_read_from(caller->status_fd, &worker->scratch, &caller->more);
        if (error)
                return error;
        changed = !caller->identity || !is_same(caller->identity, &worker->scratch);
        size = offsetof(struct identity, groups) + worker->scratch.group_count * sizeof(uint32_t);
        kept = realloc(caller->identity, size);
        if (!kept)
                return -ENOMEM;
        memcpy(kept, &worker->scratch, size);
        caller->identity = kept;
        caller->epoch = epoch;
        caller->fresh = true;
        return changed;
}

/* Opens a pidfd: of the thread, else of the process it belongs to (tgid, 0 while it is not known). */
static int open_pidfd(struct caller *caller, int32_t tgid) {
        int fd = (int) syscall(SYS_pidfd_open, has_thread_pidfd ? caller->tid : tgid, has_thread_pidfd ? OF_THREAD : 0);

        if (fd < 0)
                return -errno;
        caller->pidfd = fd;
        caller->own_pidfd = has_thread_pidfd || tgid == caller->tid;
        return 0;
}

/* Sees a thread for the first time. */
static int meet(struct worker *worker, struct caller *caller, int32_t tid) {
        int result;

        *caller = (struct caller){ .tid = tid, .pidfd = -1, .status_fd = -1 };
        /* First the pidfd: whatever is read after it is of this thread, or of none when it dies. */
        result = has_thread_pidfd ? open_pidfd(caller, 0) : 0;
        if (result >= 0)
                result = read_status(worker, caller);
        if (result >= 0 && !has_thread_pidfd)
                result = open_pidfd(caller, caller->identity->tgid);
        if (result >= 0)
                result = identity_is_foreign(tid);
        if (result < 0)
                return result;
        caller->foreign = result;
        return 0;
}

/* Looks again at a thread that we know. Returns 0, or -errno: -ESRCH when it is another one by now. */
static int look_again(struct worker *worker, const struct call *call, struct caller *caller) {
        struct pool *pool = worker->pool;
        bool is_leader = caller->identity->tgid == caller->tid;
        bool may_move = atomic_load(&pool->leaders_move) && is_leader;
        int changed = has_info ? has_changed(caller, call->is_plain) : 0, foreign;

        if (changed < 0)
                return changed;
        if (!has_info || changed || may_move || caller->epoch != atomic_load(&pool->identity_epoch)) {
                int now = read_status(worker, caller);

                if (now < 0)
                        return now;
                changed |= now;
        }
        if (!changed && !atomic_load(&pool->roots_move))
                return 0;
        foreign = identity_is_foreign(caller->tid);
        if (foreign < 0)
                return foreign;
        caller->foreign = foreign;
        return 0;
}

/* The place of a thread in the table: its own, a free one, or that of who was quiet for longest. */
static struct caller *place_of(struct worker *worker, int32_t tid) {
        struct caller *set = worker->callers[(uint32_t) tid % CALLER_SETS], *place = set;

        for (int way = 0; way < CALLER_WAYS; way++) {
                if (set[way].tid == tid)
                        return &set[way];
                if (place->tid && (!set[way].tid || worker->clock - set[way].used > worker->clock - place->used))
                        place = &set[way];
        }
        if (place->tid)
                forget(place);
        return place;
}

static int step_of(int error) {
        return error == -ESRCH || error == -ENOENT ? STEP_GONE : STEP_BACK;
}

int caller_find(struct worker *worker, const struct call *call, struct caller **ret_caller) {
        struct caller *caller;
        int error = -ESRCH;

        /* In another tree of process numbers, which we do not see into. */
        if (call->tid <= 0 || atomic_load(&worker->pool->watches))
                return STEP_BACK;
        caller = place_of(worker, call->tid);
        caller->fresh = false;
        if (caller->tid && !caller->foreign)
                error = look_again(worker, call, caller);
        else if (caller->tid && has_info)
                error = identity_info_read(caller->pidfd, &(struct identity_info){ 0 });
        if (error == -ESRCH) {
                if (caller->tid)
                        forget(caller);
                error = meet(worker, caller, call->tid);
        }
        if (error) {
                forget(caller);
                return step_of(error);
        }
        caller->used = ++worker->clock;
        *ret_caller = caller;
        return caller->foreign ? STEP_BACK : STEP_ON;
}

int caller_read_umask(struct worker *worker, struct caller *caller) {
        int error = caller->fresh ? 0 : read_status(worker, caller);

        return error < 0 ? step_of(error) : STEP_ON;
}

void caller_may_change(struct worker *worker, const struct call *call) {
        struct pool *pool = worker->pool;
        struct caller *caller = NULL;

        if (call->row->flags & NODEOS_ROW_WATCHES)
                atomic_store(&pool->watches, 1);
        if (call->row->flags & NODEOS_ROW_NAMESPACE)
                atomic_store(&pool->roots_move, 1);
        if (!(call->row->flags & (NODEOS_ROW_IDENTITY | NODEOS_ROW_NAMESPACE)))
                return;
        /* Who is no leader for sure is taken for one that is none. */
        caller_find(worker, call, &caller);
        if (!caller || caller->identity->tgid != caller->tid)
                atomic_store(&pool->leaders_move, 1);
        atomic_fetch_add(&pool->identity_epoch, 1);
}

/* "Max file size             unlimited            unlimited            bytes": of another user's process prlimit tells only
 * who has a capability that containers often have not. Returns false when nobody tells. */
static bool read_limit_line(int32_t tid, const char *name, uint64_t *ret_soft) {
        char path[64], text[4096];
        CLEANUP_FD int fd = -1;
        const char *line;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/limits", tid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = 0;
        line = strstr(text, name);
        if (!line)
                return false;
        line += strlen(name);
        line += strspn(line, " ");
        *ret_soft = strncmp(line, "unlimited", 9) ? strtoull(line, NULL, 10) : RLIM_INFINITY;
        return true;
}

static bool read_limit(int32_t tid, int resource, const char *name, uint64_t *ret_soft) {
        struct rlimit limit;

        if (syscall(SYS_prlimit64, tid, resource, NULL, &limit) < 0)
                return read_limit_line(tid, name, ret_soft);
        *ret_soft = limit.rlim_cur;
        return true;
}

bool caller_has_file_limit(int32_t tid) {
        uint64_t soft;

        return !read_limit(tid, RLIMIT_FSIZE, "\nMax file size", &soft) || soft != RLIM_INFINITY;
}

static bool has_number(const struct caller *caller, int number) {
        CLEANUP_FD int fd = (int) syscall(SYS_pidfd_getfd, caller->pidfd, number, 0);

        return fd >= 0 || errno != EBADF;
}

bool caller_has_few_descriptors(const struct caller *caller) {
        return descriptors_are_known(caller) && !has_number(caller, FEW_DESCRIPTORS - 1);
}

bool caller_has_free_number(const struct caller *caller) {
        uint64_t soft;

        return descriptors_are_known(caller) && read_limit(caller->tid, RLIMIT_NOFILE, "\nMax open files", &soft) && soft &&
               !has_number(caller, (int) (soft - 1));
}
