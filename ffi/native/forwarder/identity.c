/* Who a thread is: /proc/TID/status, and whether the machine looks the same to it as to us. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../internal.h"
#include "identity.h"

/* Groups are the one field without a bound: ten digits and a space each. */
enum { STATUS_ROOM = IDENTITY_GROUPS * 11 + 4096 };

/* The value of a field; NULL when the status has no such line. */
static const char *field(const char *status, const char *name) {
        size_t length = strlen(name);

        for (const char *line = status; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (!strncmp(line, name, length) && line[length] == ':')
                        return line + length + 1;
        }
        return NULL;
}

static bool read_number(const char *status, const char *name, int base, uint64_t *ret_value) {
        const char *from = field(status, name);

        if (from)
                *ret_value = strtoull(from, NULL, base);
        return from != NULL;
}

/* Real, effective, saved and file-system id. */
static bool read_ids(const char *status, const char *name, uint32_t *const ret_ids[4]) {
        const char *from = field(status, name);
        char *end;

        for (int i = 0; from && i < 4; i++, from = end) {
                *ret_ids[i] = (uint32_t) strtoul(from, &end, 10);
                if (end == from)
                        return false;
        }
        return from != NULL;
}

static int read_groups(const char *status, struct identity *ret_identity) {
        const char *from = field(status, "Groups");
        char *end;

        ret_identity->group_count = 0;
        while (from && (from += strspn(from, " \t"), *from != '\n' && *from)) {
                unsigned long group = strtoul(from, &end, 10);

                if (end == from)
                        return -EBADMSG;
                if (ret_identity->group_count == IDENTITY_GROUPS)
                        return -E2BIG;
                ret_identity->groups[ret_identity->group_count++] = (uint32_t) group;
                from = end;
        }
        return from ? 0 : -EBADMSG;
}

static int parse(const char *status, struct identity *ret_identity, struct identity_more *ret_more) {
        struct identity *id = ret_identity;
        uint64_t tgid, mask, no_new_privileges = 0;

        if (!read_number(status, "Tgid", 10, &tgid) || !read_number(status, "Umask", 8, &mask) ||
            !read_ids(status, "Uid", (uint32_t *const[]){ &id->ruid, &id->euid, &id->suid, &id->fsuid }) ||
            !read_ids(status, "Gid", (uint32_t *const[]){ &id->rgid, &id->egid, &id->sgid, &id->fsgid }) ||
            !read_number(status, "CapEff", 16, &id->effective) || !read_number(status, "CapPrm", 16, &id->permitted) ||
            !read_number(status, "CapInh", 16, &id->inheritable))
                return -EBADMSG;
        id->tgid = (int32_t) tgid;
        id->umask = (uint32_t) mask;
        read_number(status, "NoNewPrivs", 10, &no_new_privileges);
        ret_more->no_new_privileges = no_new_privileges;
        return read_groups(status, id);
}

int identity_read_from(int status_fd, struct identity *ret_identity, struct identity_more *ret_more) {
        char few[4096], *text = few, *more = NULL;
        size_t room = sizeof(few);
        ssize_t n;
        int result;

        for (;;) {
                n = pread(status_fd, text, room - 1, 0);
                if (n >= 0 && (size_t) n < room - 1)
                        break;
                /* Only a thread with very many groups has more. */
                if (n < 0 || more) {
                        result = n < 0 ? -errno : -E2BIG;
                        free(more);
                        return result;
                }
                more = malloc(STATUS_ROOM);
                if (!more)
                        return -ENOMEM;
                text = more;
                room = STATUS_ROOM;
        }
        text[n] = 0;
        result = n ? parse(text, ret_identity, ret_more) : -ESRCH;
        free(more);
        return result;
}

int identity_open(int32_t tid) {
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/status", tid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return fd;
}

int identity_read(int32_t tid, struct identity *ret_identity) {
        CLEANUP_FD int fd = identity_open(tid);
        struct identity_more more;

        return fd < 0 ? fd : identity_read_from(fd, ret_identity, &more);
}

/* A root directory with its mount: the same directory mounted elsewhere shows other things below it. */
static int root_differs(int32_t tid) {
        struct statx ours, theirs;
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/root", tid);
        if (statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &ours) < 0)
                return -errno;
        if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_MNT_ID, &theirs) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return ours.stx_ino != theirs.stx_ino || ours.stx_dev_major != theirs.stx_dev_major ||
               ours.stx_dev_minor != theirs.stx_dev_minor || ours.stx_mnt_id != theirs.stx_mnt_id;
}

/* A namespace's link names its kind and its inode. A kernel without a kind of them has one that all share. */
static int namespace_differs(int32_t tid, const char *kind) {
        char path[64], ours[64], theirs[64];
        ssize_t n, m;

        snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
        n = readlink(path, ours, sizeof(ours));
        if (n < 0)
                return errno == ENOENT ? 0 : -errno;
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", tid, kind);
        m = readlink(path, theirs, sizeof(theirs));
        if (m < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        return n != m || memcmp(ours, theirs, (size_t) n);
}

int identity_is_foreign(int32_t tid) {
        static const char *const kinds[] = { "user", "mnt", "net" };
        int differs = root_differs(tid);

        for (size_t i = 0; differs == 0 && i < sizeof(kinds) / sizeof(*kinds); i++)
                differs = namespace_differs(tid, kinds[i]);
        return differs;
}

#define GET_INFO _IOWR(0xff, 11, struct identity_info)

int identity_info_read(int pidfd, struct identity_info *ret_info) {
        *ret_info = (struct identity_info){ .mask = 1 /* PIDFD_INFO_CREDS */ };
        if (ioctl(pidfd, GET_INFO, ret_info) < 0)
                return -errno;
        return ret_info->mask & 1 ? 0 : -ESRCH;
}
