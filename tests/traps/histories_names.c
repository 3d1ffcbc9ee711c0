/* Calls of histories on names in the file system. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "histories.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static long open_flags(void) {
        long more = ONE_OF(0, 0, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_CREAT | O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC,
                           O_APPEND, O_TMPFILE, O_TMPFILE | O_EXCL, O_CREAT | O_DIRECTORY, O_PATH, O_PATH | O_NOFOLLOW, O_NOATIME, O_SYNC,
                           O_CREAT | O_APPEND, O_DIRECT, O_ASYNC, 0x40000000, 1L << 32, O_CREAT | O_NOFOLLOW);

        return more | ONE_OF(O_RDONLY, O_RDWR, O_RDWR, O_WRONLY, O_ACCMODE) |
               (pick(3) ? 0 : ONE_OF(O_CLOEXEC, O_DIRECTORY, O_CREAT, O_APPEND));
}

/* Who opens a FIFO waits for somebody at its other end. */
static long not_waiting(int at, const char *path) {
        struct stat st;

        return syscall(SYS_newfstatat, at, path, &st, 0) == 0 && S_ISFIFO(st.st_mode) ? O_NONBLOCK : 0;
}

static void call_open(void) {
        int at = directory();
        const char *p = path();
        long flags = open_flags(), result;

        switch (pick(5)) {
        case 0: {
                /* And nothing behind it, for who says that it is longer. */
                struct open_how how[2] = { { .flags = (uint64_t) (flags | not_waiting(at, p)) } };

                how->resolve = (uint64_t) ONE_OF(0, 0, 1, 2, 4, 8, 16, 32, 64);
                how->mode = how->flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) && pick(9) ? (uint64_t) mode() : 0;
                result = CALL(openat2, at, p, how, ONE_OF(24, 24, 24, 23, 32));
                break;
        }
#ifdef SYS_open
        case 1: result = CALL(open, p, flags | not_waiting(AT_FDCWD, p), mode()); break;
        case 2: result = not_waiting(AT_FDCWD, p) ? 0 : CALL(creat, p, mode()); break;
#endif
        default: result = CALL(openat, at, p, flags | not_waiting(at, p), mode());
        }
        if (result >= 0)
                say(" flags=%x fdflags=%d at=%ld", fcntl((int) result, F_GETFL), fcntl((int) result, F_GETFD),
                    (long) lseek((int) result, 0, SEEK_CUR));
}

/* What is there after a file's removal has whatever inode: of files everything else is said. */
static void say_status(const struct stat *st) {
        say(" %o %lu %u:%u %ld %lx %ld", st->st_mode, (unsigned long) st->st_nlink, st->st_uid, st->st_gid,
            S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (long) st->st_size : 0, (unsigned long) st->st_rdev, (long) st->st_blksize);
        /* Nobody sets those of what has no name when it is made. */
        if (!S_ISSOCK(st->st_mode) && !S_ISFIFO(st->st_mode) && st->st_mtime >= 1000000000 && st->st_mtime < 1200000000)
                say(" mtime=%ld.%ld", (long) st->st_mtime, st->st_mtim.tv_nsec);
}

static void call_stat(void) {
        struct stat *st = buffer(sizeof(*st)), copy;
        struct statx *x = buffer(sizeof(*x));
        struct statfs *fs = buffer(sizeof(*fs));
        long result;

        switch (pick(6)) {
#ifdef SYS_stat
        case 0: result = CALL(stat, path(), st); break;
        case 1: result = CALL(lstat, path(), st); break;
#endif
        case 2:
                if (CALL(statx, directory(), path(), at_flags(), ONE_OF(0, 0x7ff, 0x7ff, 0xfff, 0x17fff, 1L << 31), x) == 0)
                        say(" %x %x %llx %llx %u %u:%u", x->stx_mask, x->stx_mode, (unsigned long long) x->stx_attributes,
                            (unsigned long long) x->stx_attributes_mask, x->stx_nlink, x->stx_uid, x->stx_gid);
                return;
        case 3:
                if (CALL(statfs, path(), fs) == 0)
                        say(" %lx %ld", (unsigned long) fs->f_type, (long) fs->f_namelen);
                return;
        default: result = CALL(newfstatat, directory(), path(), st, at_flags());
        }
        if (result == 0) {
                memcpy(&copy, st, sizeof(copy));
                say_status(&copy);
        }
}

static void call_access(void) {
        switch (pick(3)) {
#ifdef SYS_access
        case 0: CALL(access, path(), pick(9)); break;
#endif
        case 1: CALL(faccessat, directory(), path(), pick(8)); break;
        default: CALL(faccessat2, directory(), path(), pick(8), pick(2) ? AT_EACCESS : at_flags());
        }
}

static void call_readlink(void) {
        size_t size = (size_t) ONE_OF(0, 1, 5, 100, 4096, -1);
        char *target = buffer(size == (size_t) -1 ? 1 : size);
        long n = pick(2) ? CALL(readlinkat, directory(), path(), target, size) : CALL(readlinkat, AT_FDCWD, inner_path(), target, size);

        if (n > 0)
                say_text(target, n);
}

static void call_make(void) {
        switch (pick(8)) {
#ifdef SYS_mkdir
        case 0: CALL(mkdir, path(), mode()); break;
        case 1: CALL(mknod, path(), S_IFIFO | (mode() & 0777), 0); break;
        case 2: CALL(symlink, inner_path(), path()); break;
        case 3: CALL(link, path(), path()); break;
#endif
        case 4: CALL(mkdirat, directory(), path(), mode()); break;
        case 5:
                CALL(mknodat, directory(), path(), ONE_OF(0, S_IFREG | 0666, S_IFSOCK | 0777, S_IFCHR | 0666, S_IFDIR | 0777, 070000),
                     ONE_OF(0x103, 0x105));
                break;
        case 6: CALL(symlinkat, inner_path(), directory(), path()); break;
        /* The one flag left out is about who opened the descriptor (opening.c). */
        default: CALL(linkat, directory(), path(), directory(), path(), ONE_OF(0, 0, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW));
        }
}

static void call_remove(void) {
        switch (pick(8)) {
#ifdef SYS_unlink
        case 0: CALL(unlink, path()); break;
        case 1: CALL(rmdir, path()); break;
        case 2: CALL(rename, path(), path()); break;
#endif
        case 3: CALL(unlinkat, directory(), path(), at_flags()); break;
        case 4: CALL(renameat2, directory(), path(), directory(), path(), pick(9)); break;
        default: CALL(renameat2, directory(), path(), directory(), path(), ONE_OF(0, 0, 1, 2, 4));
        }
}

void call_on_names(void) {
        switch (pick(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4: call_open(); break;
        case 5: call_stat(); break;
        case 6: call_access(); break;
        case 7: call_readlink(); break;
        case 8:
        case 9: call_make(); break;
        default: call_remove();
        }
}

static long user(void) {
        return ONE_OF(-1, -1, 0, 5000, 1000, 65534);
}

static void call_times(void) {
        struct timespec times[2] = { { 1000000000, 5 }, { 1100000000 + (long) pick(99), ONE_OF(7, UTIME_OMIT, UTIME_NOW, 1000000000) } };
        const void *given = pick(4) ? times : content(32);

        switch (pick(3)) {
        case 0: CALL(utimensat, directory(), path(), given, at_flags()); break;
        case 1: CALL(utimensat, fd(), NULL, given, 0); break;
#ifdef SYS_utimes
        default: CALL(utimes, path(), (const struct timespec[]){ { 1050000000, 3 }, { 1060000000, (long) pick(9) } });
#endif
        }
}

static const char *attribute(void) {
        return pick(12) ? (const char *[]){ "user.one", "user.two", "trusted.q", "security.q", "q", "user.", "" }[pick(7)]
                        : (const char *) ONE_OF(0, 8);
}

static void call_attribute(void) {
        size_t size = (size_t) ONE_OF(0, 1, 9, 200, 70000);
        char *b = buffer(size);
        long n = 0;

        switch (pick(9)) {
        case 0: CALL(setxattr, path(), attribute(), content(9), ONE_OF(0, 9, 70000), pick(4)); break;
        case 1: CALL(lsetxattr, path(), attribute(), content(9), 9, 0); break;
        case 2: CALL(fsetxattr, fd(), attribute(), content(9), 9, 0); break;
        case 3: n = CALL(getxattr, path(), attribute(), b, size); break;
        case 4: n = CALL(lgetxattr, path(), attribute(), b, size); break;
        case 5: n = CALL(fgetxattr, fd(), attribute(), b, size); break;
        case 6: n = CALL(listxattr, path(), b, size); break;
        case 7: n = CALL(flistxattr, fd(), b, size); break;
        default: CALL(removexattr, path(), attribute());
        }
        if (n > 0 && size)
                say_text(b, n);
}

static void call_rights(void) {
        switch (pick(7)) {
#ifdef SYS_chmod
        case 0: CALL(chmod, path(), mode()); break;
        case 1: CALL(lchown, path(), user(), user()); break;
#endif
        case 2: CALL(fchmodat, directory(), path(), mode()); break;
        case 3: CALL(fchmodat2, directory(), path(), mode(), at_flags()); break;
        case 4: CALL(fchmod, fd(), mode()); break;
        case 5: CALL(fchown, fd(), user(), user()); break;
        default: CALL(fchownat, directory(), path(), user(), user(), at_flags());
        }
}

void call_on_attributes(void) {
        switch (pick(4)) {
        case 0: call_times(); break;
        case 1: call_attribute(); break;
        case 2: call_rights(); break;
        default: CALL(truncate, path(), offset());
        }
}
