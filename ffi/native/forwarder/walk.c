/* Paths of calls that do not open anything. Such a path is walked first, as the caller, and never through a magic link: the
 * links below /proc/PID/fd and their like lead to what this process has open, and a process may look at itself whoever it
 * pretends to be. Then the call is made on what was found, so that nobody can exchange it in between. Whoever has a path
 * that leads into /proc, or through it, makes the call itself.
 *
 * Of a path whose last part is not followed only the directory is walked; one name below a descriptor needs nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve.h"

/* The call that is made in its place. */
struct walk {
        long number;
        uint64_t arguments[6];
        int opened[2], opened_count;
        bool moved; /* the worker stands in a directory that was opened here */
        char link[48];
};

/* access(2) asks for the real user, whom become_caller made the file-system user: the kernel shall ask for that one. */
static void translate_access(struct walk *walk, const struct call *call) {
        const struct argument *a = call->arguments;
        int is_at = call->row->kinds[0] == NODEOS_ARGUMENT_DIRFD;
        uint64_t flags = call->number == SYS_faccessat2 ? a[3].value : 0;

        *walk = (struct walk){
                .number = SYS_faccessat2,
                .arguments = { is_at ? a[0].value : (uint64_t) AT_FDCWD, a[is_at].value, a[is_at + 1].value, flags | AT_EACCESS },
        };
}

/* With AT_EMPTY_PATH the kernel wants who opened the descriptor, by identity and not by equality: what was opened here for
 * the caller, nobody could give a name any more. Through the descriptor's link everybody may who has it. */
static void translate_linkat(struct walk *walk, const struct call *call) {
        const struct argument *a = call->arguments;
        bool is_path = a[1].state == ARGUMENT_READ, is_empty = is_path && !*(const char *) (uintptr_t) a[1].value;

        if (!(a[4].value & AT_EMPTY_PATH) || !is_path || (is_empty && (int) a[0].value < 0))
                return;
        walk->arguments[4] &= ~(uint64_t) AT_EMPTY_PATH;
        if (!is_empty)
                return;
        snprintf(walk->link, sizeof(walk->link), "/proc/thread-self/fd/%d", (int) a[0].value);
        walk->arguments[0] = (uint64_t) AT_FDCWD;
        walk->arguments[1] = (uintptr_t) walk->link;
        walk->arguments[4] |= AT_SYMLINK_FOLLOW;
}

static void translate(struct walk *walk, const struct call *call) {
        const struct argument *a = call->arguments;

        *walk = (struct walk){ .number = call->number };
        for (int i = 0; i < 6; i++)
                walk->arguments[i] = a[i].value;
        if (call->row->flags & NODEOS_ROW_ACCESS)
                translate_access(walk, call);
        else if (call->number == SYS_linkat)
                translate_linkat(walk, call);
#ifdef SYS_rename
        /* Two paths without directories: there is a kin with them. */
        else if (call->number == SYS_rename || call->number == SYS_link)
                *walk = (struct walk){
                        .number = call->number == SYS_rename ? SYS_renameat : SYS_linkat,
                        .arguments = { (uint64_t) AT_FDCWD, a[0].value, (uint64_t) AT_FDCWD, a[1].value },
                };
#endif
}

/* Where the translated call has a path that the call has at `path`, and the directory that it starts from, or -1. */
static int place_of(const struct walk *walk, const struct call *call, int path, int *ret_directory) {
        bool has_directory = path > 0 && call->row->kinds[path - 1] == NODEOS_ARGUMENT_DIRFD;
        int place = path;

        if (walk->number != call->number && !has_directory)
                place = 2 * path + 1;
        *ret_directory = has_directory || place != path ? place - 1 : -1;
        return place;
}

/* Opens what a path leads to. Returns a step: STEP_ON with a descriptor, or with -1 where nothing is there. */
static int find(struct walk *walk, int start, const char *path, uint64_t flags, int *ret_fd) {
        struct open_how how = { .flags = O_PATH | O_CLOEXEC | flags, .resolve = RESOLVE_NO_MAGICLINKS };
        int fd = (int) syscall(SYS_openat2, start, path, &how, sizeof(how));

        *ret_fd = -1;
        if (fd < 0)
                return errno == ENOENT ? STEP_ON : STEP_BACK;
        walk->opened[walk->opened_count++] = fd;
        *ret_fd = fd;
        return is_private_system(file_system_of(fd)) ? STEP_BACK : STEP_ON;
}

/* A name that leads nowhere either: the call fails as it would, after everything that the kernel looks at first. */
static int lead_nowhere(struct walk *walk, const struct call *call, int place) {
        walk->arguments[place] = (uintptr_t) "";
        return follow_flags(call) & AT_EMPTY_PATH ? STEP_BACK : STEP_ON;
}

/* Of a call on a descriptor alone the kernel may look at fewer flags: what is wrong has to stay so. */
static bool takes_descriptor(const struct walk *walk) {
        const uint64_t known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | 0x6000 /* AT_STATX_SYNC_TYPE */;

        return walk->number == SYS_newfstatat || walk->number == SYS_faccessat2 ||
               (walk->number == SYS_statx && !(walk->arguments[2] & ~known));
}

/* Makes the call one on a descriptor. */
static void use_found(struct walk *walk, int place, int directory, int fd) {
        if (takes_descriptor(walk)) {
                walk->arguments[0] = (uint64_t) fd;
                walk->arguments[1] = (uintptr_t) "";
                walk->arguments[walk->number == SYS_statx ? 2 : 3] |= AT_EMPTY_PATH;
                return;
        }
        switch (walk->number) {
#ifdef SYS_stat
        case SYS_stat:
                walk->number = SYS_fstat;
                walk->arguments[0] = (uint64_t) fd;
                return;
#endif
        case SYS_statfs:
                walk->number = SYS_fstatfs;
                walk->arguments[0] = (uint64_t) fd;
                return;
        }
        /* This one magic link is ours to follow. */
        snprintf(walk->link, sizeof(walk->link), "/proc/thread-self/fd/%d", fd);
        walk->arguments[place] = (uintptr_t) walk->link;
        if (directory >= 0)
                walk->arguments[directory] = (uint64_t) AT_FDCWD;
}

/* On a descriptor the kernel does not look at flags that it refuses with a path. */
static bool has_odd_flags(const struct call *call) {
        uint64_t known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | (call->number == SYS_statx ? AT_STATX_SYNC_TYPE : 0);

        return (call->number == SYS_statx || call->number == SYS_newfstatat) && follow_flags(call) & ~known;
}

static int walk_to_end(struct walk *walk, const struct call *call, const char *path, int place, int directory) {
        int fd, step = has_odd_flags(call) ? STEP_BACK : find(walk, directory >= 0 ? (int) walk->arguments[directory] : AT_FDCWD, path, 0, &fd);

        if (step == STEP_ON && fd < 0)
                return lead_nowhere(walk, call, place);
        if (step == STEP_ON)
                use_found(walk, place, directory, fd);
        return step;
}

static int walk_to_directory(struct walk *walk, const struct call *call, char *path, int place, int directory) {
        char *slash = strrchr(path, '/'), first;
        int fd, step;

        /* One name, below where we start: nothing is walked. */
        if (!slash || slash == path)
                return STEP_ON;
        /* A link at the end is followed then, or not: each call has its own rules. */
        if (!slash[1])
                return STEP_BACK;
        first = slash[1];
        slash[1] = 0;
        step = find(walk, directory >= 0 ? (int) walk->arguments[directory] : AT_FDCWD, path, O_DIRECTORY, &fd);
        slash[1] = first;
        if (step == STEP_ON && fd < 0)
                return lead_nowhere(walk, call, place);
        if (step != STEP_ON)
                return step;
        walk->arguments[place] = (uintptr_t) (slash + 1);
        if (directory >= 0)
                walk->arguments[directory] = (uint64_t) fd;
        else
                walk->moved = true;
        return directory < 0 && fchdir(fd) < 0 ? STEP_BACK : STEP_ON;
}

static int walk_all(struct walk *walk, const struct call *call) {
        int step = STEP_ON;

        for (int i = 0; i < 6 && step == STEP_ON; i++) {
                const struct argument *argument = &call->arguments[i];
                char *path = (char *) (uintptr_t) argument->value;
                int followed, place, directory;

                /* What is no path the kernel refuses; an empty one is about the descriptor. */
                if (call->row->kinds[i] != NODEOS_ARGUMENT_PATH || argument->state != ARGUMENT_READ || !*path)
                        continue;
                followed = follow_last(call, i);
                place = place_of(walk, call, i, &directory);
                if (followed < 0)
                        step = STEP_BACK;
                else if (followed)
                        step = walk_to_end(walk, call, path, place, directory);
                else
                        step = walk_to_directory(walk, call, path, place, directory);
        }
        return step;
}

int walk_execute(const struct worker *worker, const struct call *call, int64_t *ret_result) {
        const uint64_t *a;
        struct walk walk;
        int step;

        translate(&walk, call);
        a = walk.arguments;
        step = walk_all(&walk, call);
        if (step == STEP_ON) {
                long result = syscall(walk.number, a[0], a[1], a[2], a[3], a[4], a[5]);

                *ret_result = result < 0 ? -errno : result;
                /* It was waiting, and nothing is done: whose call it is waits better, because signals end its wait. */
                step = *ret_result == -EINTR ? STEP_BACK : STEP_ON;
        }
        while (walk.opened_count > 0)
                close(walk.opened[--walk.opened_count]);
        if (walk.moved && fchdir(worker->root) < 0)
                step = STEP_BACK;
        return step;
}
