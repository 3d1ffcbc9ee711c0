/* open and its kin. All are executed as openat2, which does the same and can refuse magic links: the links below
 * /proc/PID/fd and their like, which would lead to what this process has open. Who meets one opens by itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "serve.h"

/* Of the kernel, where the C library has 0. */
#if defined(__aarch64__)
#define LARGE_FILE 0400000
#else
#define LARGE_FILE 0100000
#endif

/* What open and openat look at; openat2 refuses the rest, they ignore it. */
#define KNOWN_FLAGS \
        (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | LARGE_FILE | \
         O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)
#define TMPFILE_ALONE (O_TMPFILE & ~O_DIRECTORY)

/* Where the arguments of a call are; openat2 has neither flags nor mode, but a structure. */
struct form {
        int path, flags, mode, how;
};

static bool form_of(uint32_t number, struct form *ret_form) {
        switch (number) {
#ifdef SYS_open
        case SYS_open:
                *ret_form = (struct form){ 0, 1, 2, -1 };
                return true;
        case SYS_creat:
                *ret_form = (struct form){ 0, -1, 1, -1 };
                return true;
#endif
        case SYS_openat:
                *ret_form = (struct form){ 1, 2, 3, -1 };
                return true;
        case SYS_openat2:
                *ret_form = (struct form){ 1, -1, -1, 2 };
                return true;
        default:
                return false;
        }
}

/* Whether the row says of the arguments what the form relies on. */
static bool row_fits(const struct nodeos_row *row, const struct form *form) {
        return row->kinds[form->path] == NODEOS_ARGUMENT_PATH && (!form->path || row->kinds[0] == NODEOS_ARGUMENT_DIRFD) &&
               (form->how < 0 || row->kinds[form->how] == NODEOS_ARGUMENT_IN_SIZED);
}

static bool makes_file(uint64_t flags) {
        return flags & (O_CREAT | TMPFILE_ALONE);
}

int open_prepare(struct call *call) {
        struct form form;

        if (!form_of(call->number, &form) || !row_fits(call->row, &form))
                return STEP_BACK;
        memset(&call->how, 0, sizeof(call->how));
        if (form.how >= 0) {
                const struct argument *how = &call->arguments[form.how];

                if (how->state == ARGUMENT_READ && how->length >= sizeof(call->how))
                        memcpy(&call->how, (const void *) (uintptr_t) how->value, sizeof(call->how));
        } else {
                call->how.flags = form.flags < 0 ? O_CREAT | O_WRONLY | O_TRUNC : call->given[form.flags] & KNOWN_FLAGS;
                call->how.flags |= LARGE_FILE;
                if (makes_file(call->how.flags))
                        call->how.mode = call->given[form.mode] & 07777;
        }
        call->how.flags &= ~call->done;
        if (call->done && !makes_file(call->how.flags))
                call->how.mode = 0;
        call->is_plain = !open_changes(call);
        /* Such a descriptor cannot be given to somebody else. */
        return call->how.flags & O_PATH ? STEP_BACK : STEP_ON;
}

bool open_changes(const struct call *call) {
        return call->how.flags & (O_CREAT | O_TRUNC | TMPFILE_ALONE);
}

/* Without O_EXCL and O_TRUNC, making a file twice is making it once: who removes it meanwhile does so before or after. What
 * is known to have been made and cut off is only opened again: others may have written to it since. */
bool open_repeats(struct call *call, bool was_done) {
        uint64_t flags = call->how.flags;

        call->is_second = flags & (O_CREAT | O_TRUNC);
        if (flags & O_CREAT && flags & O_EXCL)
                return false;
        if (was_done)
                call->done = O_CREAT | O_TRUNC;
        return was_done || !(flags & O_TRUNC);
}

/* Whether what is there has to be opened by the caller: a FIFO may make us wait for ever, a terminal may become a
 * session's, and drivers tie a device to the process that opens it. Memory devices do neither. */
static bool is_personal(const struct statx *file, uint64_t flags) {
        if (S_ISFIFO(file->stx_mode))
                return !(flags & O_NONBLOCK);
        return S_ISCHR(file->stx_mode) && file->stx_rdev_major != 1;
}

static bool must_look(uint64_t flags) {
        return !(flags & (O_DIRECTORY | TMPFILE_ALONE)) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

/* Looks at what would be opened, without opening it. Returns whether it is the caller's business; ret_file has no mode where
 * nothing was seen. */
static bool leads_to_personal(int directory, const char *path, const struct open_how *how, struct statx *ret_file) {
        int follow = how->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0, result;
        struct open_how look = { .flags = O_PATH | O_CLOEXEC | (how->flags & O_NOFOLLOW), .resolve = how->resolve };

        ret_file->stx_mode = 0;
        if (!must_look(how->flags))
                return false;
        if (how->resolve == RESOLVE_NO_MAGICLINKS) {
                result = statx(directory, path, follow | AT_STATX_DONT_SYNC, STATX_TYPE, ret_file);
        } else {
                /* Confined by the caller: only the kernel knows where that leads. */
                int fd = (int) syscall(SYS_openat2, directory, path, &look, sizeof(look));

                result = fd < 0 ? -1 : statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, ret_file);
                if (fd >= 0)
                        close(fd);
        }
        if (result < 0)
                ret_file->stx_mode = 0;
        return result == 0 && is_personal(ret_file, how->flags);
}

/* Only such a caller could gain nothing by us. */
static bool has_all_rights(const struct skin *skin) {
        return !skin->fsuid && skin->effective == forwarder.permitted;
}

/* What is in /proc is another thing for us than for the caller, and about us it must not learn anything: the result is
 * looked at, because what was there before it was opened, on a disk, may have been exchanged since. */
static bool may_be_private(const struct skin *skin, const struct statx *before) {
        return !before->stx_mode || !before->stx_dev_major || !has_all_rights(skin);
}

/* openat2 with a structure that is not as we know it: too short, unreadable, or larger and from a later kernel. */
static bool is_odd(const struct call *call, const struct form *form) {
        return form->how >= 0 && (call->arguments[form->how].state != ARGUMENT_READ || call->given[form->how + 1] != sizeof(call->how));
}

int open_execute(const struct skin *skin, struct call *call, int64_t *ret_result) {
        struct open_how how = call->how;
        struct form form;
        struct statx before;
        const char *path;
        int directory, fd;

        if (!form_of(call->number, &form) || is_odd(call, &form))
                return STEP_BACK;
        path = (const char *) (uintptr_t) call->arguments[form.path].value;
        directory = form.path ? (int) call->arguments[0].value : AT_FDCWD;
        how.flags |= O_NOCTTY;
        how.resolve |= RESOLVE_NO_MAGICLINKS;
        if (leads_to_personal(directory, path, &how, &before))
                return STEP_BACK;
        if (open_changes(call) && !has_all_rights(skin) && call->arguments[form.path].state == ARGUMENT_READ)
                fd = below_open(directory, path, &how);
        else
                fd = (int) syscall(SYS_openat2, directory, path, &how, sizeof(how));
        /* A magic link, or a real loop: the caller will see. Of descriptors we may have too few, it may not. What waits for
         * something (a lease) goes on waiting there: signals end its wait. */
        if (fd < 0 && (errno == ELOOP || errno == EMFILE || errno == ENOSYS || errno == EINTR))
                return STEP_BACK;
        if (fd >= 0 && may_be_private(skin, &before) && is_private_system(file_system_of(fd))) {
                close(fd);
                return STEP_BACK;
        }
        /* On a disk: to seek in what the kernel makes up (debugfs) would make it up. */
        call->is_file = S_ISREG(before.stx_mode) && before.stx_dev_major;
        *ret_result = fd < 0 ? -errno : fd;
        return STEP_ON;
}
