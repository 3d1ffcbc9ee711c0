/* Hundreds of calls with generated arguments, good and bad. Root runs it too, so no path leads out of the directory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client.h"

static uint32_t seed;

static uint32_t pick(uint32_t below) {
        seed = seed * 1664525u + 1013904223u;
        return (seed >> 8) % below;
}

/* --- arguments ----------------------------------------------------------------------------------------------------------- */

static char here[4096], *page_end; /* the first byte behind a readable page */

/* The text at the very end of the page, with or without its NUL. */
static const char *at_page_end(const char *text, int with_nul) {
        size_t length = strlen(text) + (with_nul ? 1 : 0);

        memcpy(page_end - length, text, length);
        return page_end - length;
}

static const char *filled(size_t length, int slash_every) {
        static char text[9000];

        for (size_t i = 0; i < length; i++)
                text[i] = slash_every && (i + 1) % (size_t) slash_every == 0 ? '/' : 'x';
        text[length] = 0;
        return text;
}

static const char *absolute(const char *name) {
        static char path[2][8192];
        static int turn;

        turn = !turn;
        snprintf(path[turn], sizeof(path[turn]), "%s/%s", here, name);
        return path[turn];
}

static const char *const names[] = { "file",     "empty",      "secret",        "readonly",      "dir",         "dir/inner",    "link",
                                     "dangling", "loop1",      "loop1/x",       "dirlink/inner", "secretlink",  "private",      "private/inner",
                                     "nothing",  "nothing/x",  "file/x",        "dir/../file",   "./file",      "dir//inner",   "new1",
                                     "new2",     "dir/new3",   "sticky/roots",  "setgid/new4",   "file/",       "dir/",         ".",
                                     "dir/../new5", "dirlink",    "new1/",         "ours" };

static const char *path(void) {
        switch (pick(24)) {
        case 0: return "";
        case 1: return NULL;
        case 2: return (const char *) 8;
        case 3: return (const char *) 0xffff800000000000;
        case 4: return page_end;
        case 5: return at_page_end("file", 1);
        case 6: return at_page_end("file", 0);
        case 7: return filled(255, 0);
        case 8: return filled(256, 0);
        case 9: return filled(4095, 200);
        case 10: return filled(4096, 200);
        case 11: return filled(5000, 200);
        case 12: return "dir/..";
        case 13: return filled(300, 100);
        case 14:
        case 15:
        case 16: return absolute(names[pick(sizeof(names) / sizeof(*names))]);
        default: return names[pick(sizeof(names) / sizeof(*names))];
        }
}

enum { FD_HERE = 20, FD_DIR, FD_PATH, FD_FILE, FD_READ, FD_PIPE, FD_PRIVATE, FD_CLOSED };

static void open_as(int number, const char *name, int flags) {
        int fd = open(name, flags);

        if (fd < 0)
                return; /* this user may not: it stays closed */
        dup2(fd, number);
        close(fd);
}

static int directory(void) {
        static const int fds[] = { AT_FDCWD, AT_FDCWD, AT_FDCWD, FD_HERE, FD_HERE, FD_DIR, FD_PATH, FD_FILE, FD_PIPE, FD_CLOSED, -1, -7, 999999 };

        return fds[pick(sizeof(fds) / sizeof(*fds))];
}

static int file(void) {
        static const int fds[] = { FD_FILE, FD_FILE, FD_READ, FD_HERE, FD_DIR, FD_PATH, FD_PIPE, FD_CLOSED, -1, -100, 1 << 30 };

        return fds[pick(sizeof(fds) / sizeof(*fds))];
}

static int open_flags(void) {
        static const int access[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE };
        static const int more[] = { 0, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_APPEND, O_NONBLOCK, O_TMPFILE,
                                    O_CREAT | O_DIRECTORY, O_PATH, O_NOATIME, O_SYNC, O_CREAT | O_CLOEXEC, O_DIRECT, 0x40000000 };

        return access[pick(5)] | more[pick(17)] | (pick(3) ? 0 : more[pick(17)]);
}

static int mode(void) {
        static const int modes[] = { 0, 0644, 0777, 0600, 07777, 02755, 0100644, -1 };

        return modes[pick(8)];
}

static int at_flags(void) {
        static const int flags[] = { 0, 0, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 0x80 };

        return flags[pick(9)];
}

static char *room;

/* Somewhere to write to, of a size: mostly good. */
static void *buffer(size_t size) {
        switch (pick(12)) {
        case 0: return NULL;
        case 1: return (void *) 8;
        case 2: return page_end;
        case 3: return page_end - (size < 4096 ? size : 4096);
        case 4: return page_end - (size < 4096 ? size : 4096) / 2;
        default: return room;
        }
}

static int id(void) {
        static const int ids[] = { -1, -1, 0, 5000, 65534, 1000 };

        return ids[pick(6)];
}

/* --- what came of it -------------------------------------------------------------------------------------------------------- */

static void show_stat(const struct stat *st) {
        printf(" mode=%o nlink=%lu uid=%u gid=%u size=%ld rdev=%lx", st->st_mode, (unsigned long) st->st_nlink, st->st_uid, st->st_gid,
               S_ISDIR(st->st_mode) ? 0 : (long) st->st_size, (unsigned long) st->st_rdev);
}

static void show_fd(long fd) {
        struct stat st;

        printf(" fdflags=%d flags=%x", fcntl((int) fd, F_GETFD), fcntl((int) fd, F_GETFL));
        if (syscall(SYS_fstat, fd, &st) == 0)
                show_stat(&st);
        close((int) fd);
}

/* Names in a directory come in any order. */
static void show_entries(const char *data, long size) {
        unsigned long sum = 0, count = 0;

        for (long at = 0; at < size; count++) {
                const struct dirent64 *entry = (const struct dirent64 *) (data + at);

                for (const char *c = entry->d_name; *c; c++)
                        sum += (unsigned char) *c * (unsigned long) (c - entry->d_name + 1);
                at += entry->d_reclen;
        }
        printf(" entries=%lu sum=%lu", count, sum);
}

static void show_text(const char *text, long length) {
        printf(" \"");
        for (long i = 0; i < length; i++)
                printf(text[i] >= ' ' && text[i] < 127 ? "%c" : "\\%02x", text[i] & 255);
        printf("\"");
}

static int number;

static long result_of(const char *name, long result) {
        printf("%d %s", number, name);
        if (result == -1)
                printf(" %s", errno_name(errno));
        else
                printf(" %ld", result);
        return result;
}

/* --- the calls ------------------------------------------------------------------------------------------------------------------ */

#define CALL(name, ...) result_of(#name, syscall(SYS_##name, __VA_ARGS__))

static void call_open(void) {
        struct open_how how = { .flags = (uint64_t) open_flags(), .mode = pick(2) ? 0 : 0644, .resolve = pick(3) ? 0 : 1u << pick(6) };
        const char *p = path();
        long fd;

        switch (pick(4)) {
        case 0: fd = CALL(openat2, directory(), p, pick(8) ? &how : buffer(24), pick(8) ? sizeof(how) : pick(40)); break;
#ifdef SYS_open
        case 1: fd = CALL(open, p, open_flags(), mode()); break;
        case 2: fd = CALL(creat, p, mode()); break;
#endif
        default: fd = CALL(openat, directory(), p, open_flags(), mode());
        }
        if (fd >= 0)
                show_fd(fd);
}

static void call_stat(void) {
        struct stat *st = buffer(sizeof(*st));
        struct statx *x = buffer(sizeof(*x));
        struct statfs *fs = buffer(sizeof(*fs));

        switch (pick(7)) {
#ifdef SYS_stat
        case 0:
                if (CALL(stat, path(), st) == 0)
                        show_stat(st);
                break;
        case 1:
                if (CALL(lstat, path(), st) == 0)
                        show_stat(st);
                break;
#endif
        case 2:
                if (CALL(statx, directory(), path(), at_flags(), STATX_BASIC_STATS, x) == 0)
                        printf(" mode=%o nlink=%u uid=%u", x->stx_mode, x->stx_nlink, x->stx_uid);
                break;
        case 3:
                if (CALL(fstat, file(), st) == 0)
                        show_stat(st);
                break;
        case 4:
                if (CALL(statfs, path(), fs) == 0)
                        printf(" type=%lx", (long) fs->f_type);
                break;
        case 5:
                if (CALL(fstatfs, file(), fs) == 0)
                        printf(" type=%lx", (long) fs->f_type);
                break;
        default:
                if (CALL(newfstatat, directory(), path(), st, at_flags()) == 0)
                        show_stat(st);
        }
}

static void call_access(void) {
        switch (pick(3)) {
#ifdef SYS_access
        case 0: CALL(access, path(), pick(10)); break;
#endif
        case 1: CALL(faccessat, directory(), path(), pick(9), 0x1234); break;
        default: CALL(faccessat2, directory(), path(), pick(8), pick(2) ? at_flags() : AT_EACCESS);
        }
}

static void call_names(void) {
        switch (pick(12)) {
#ifdef SYS_mkdir
        case 0: CALL(mkdir, path(), mode()); break;
        case 1: CALL(rmdir, path()); break;
        case 2: CALL(unlink, path()); break;
        case 3: CALL(rename, path(), path()); break;
        case 4: CALL(link, path(), path()); break;
        case 5: CALL(symlink, path(), path()); break;
#endif
        case 6: CALL(unlinkat, directory(), path(), at_flags()); break;
        case 7: CALL(renameat2, directory(), path(), directory(), path(), pick(9)); break;
        case 8: CALL(linkat, directory(), path(), directory(), path(), at_flags()); break;
        case 9: CALL(symlinkat, path(), directory(), path()); break;
        case 10: CALL(mknodat, directory(), path(), pick(2) ? mode() : S_IFSOCK | 0666, 0); break;
        default: CALL(mkdirat, directory(), path(), mode());
        }
}

static void call_change(void) {
        struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, pick(4) ? 7 : (long) UTIME_OMIT } };

        switch (pick(12)) {
#ifdef SYS_chmod
        case 0: CALL(chmod, path(), mode()); break;
        case 1: CALL(chown, path(), id(), id()); break;
        case 2: CALL(lchown, path(), id(), id()); break;
        case 3: CALL(utime, path(), buffer(16)); break;
        case 4: CALL(utimes, path(), pick(2) ? NULL : buffer(32)); break;
#endif
        case 5: CALL(fchmod, file(), mode()); break;
        case 6: CALL(fchown, file(), id(), id()); break;
        case 7: CALL(fchownat, directory(), path(), id(), id(), at_flags()); break;
        case 8: CALL(truncate, path(), (long) pick(200) - 10); break;
        case 9: CALL(ftruncate, file(), (long) pick(200) - 10); break;
        case 10: CALL(utimensat, directory(), path(), pick(4) ? times : buffer(32), at_flags()); break;
        default: CALL(fchmodat, directory(), path(), mode(), 0x5678);
        }
}

static const char *attribute(void) {
        static const char *const attributes[] = { "user.one", "user.one", "user.two", "trusted.three", "nothing.four", "user.", "", NULL };

        switch (pick(6)) {
        case 0: return filled(300, 0);
        case 1: return (const char *) 8;
        default: return attributes[pick(8)];
        }
}

static void call_attribute(void) {
        size_t size = pick(3) ? pick(100) : pick(2) ? 0 : 70000;
        char *b = buffer(size);
        const char *p = path();
        long n = -1;

        switch (pick(10)) {
        case 0: CALL(setxattr, p, attribute(), buffer(10), pick(30), pick(4)); break;
        case 1: CALL(lsetxattr, p, attribute(), "abc", 3, 0); break;
        case 2: n = CALL(lgetxattr, p, attribute(), b, size); break;
        case 3: CALL(listxattr, p, b, size); break;
        case 4: CALL(llistxattr, p, b, size); break;
        case 5: CALL(removexattr, p, attribute()); break;
        case 6: CALL(fsetxattr, file(), attribute(), "defg", 4, pick(3)); break;
        case 7: n = CALL(fgetxattr, file(), attribute(), b, size); break;
        case 8: CALL(fremovexattr, file(), attribute()); break;
        default: n = CALL(getxattr, p, attribute(), b, size);
        }
        if (n > 0 && size)
                show_text(b, n);
}

static void call_read(void) {
        size_t size = pick(3) ? 1000 : pick(40);
        char *b = buffer(size);
        long n;

        switch (pick(4)) {
#ifdef SYS_readlink
        case 0:
                n = CALL(readlink, path(), b, size);
                if (n > 0)
                        show_text(b, n);
                break;
#endif
        case 1:
                n = CALL(readlinkat, directory(), path(), b, size);
                if (n > 0)
                        show_text(b, n);
                break;
        case 2: CALL(fsync, file()); break;
        default: {
                int fd = file();

                lseek(fd, 0, SEEK_SET);
                b = pick(4) ? room : page_end - 4096;
                n = CALL(getdents64, fd, b, 4096);
                if (n > 0)
                        show_entries(b, n);
        }
        }
}

static void call_other(void) {
        switch (pick(4)) {
        case 0: CALL(fallocate, file(), 0, 0, (long) pick(300)); break;
        case 1: CALL(fdatasync, file()); break;
        case 2: CALL(fchmod, file(), mode()); break;
        default: {
                long fd = CALL(memfd_create, pick(4) ? "name" : path(), pick(3));

                if (fd >= 0) {
                        printf(" fdflags=%d", fcntl((int) fd, F_GETFD));
                        close((int) fd);
                }
        }
        }
}

int battery_main(int argc, char **argv) {
        static void (*const groups[])(void) = { call_open, call_open, call_stat, call_access, call_names, call_change, call_attribute, call_read, call_other };
        int count = argc > 1 ? atoi(argv[1]) : 500, pipes[2];
        char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        seed = argc > 0 ? (uint32_t) atoi(argv[0]) : 1;
        mprotect(pages + 2 * 4096, 4096, PROT_NONE);
        page_end = pages + 2 * 4096;
        room = malloc(1 << 20);
        if (!getcwd(here, sizeof(here)) || pipe(pipes) < 0)
                die("getcwd");
        open_as(FD_HERE, ".", O_RDONLY | O_DIRECTORY);
        open_as(FD_DIR, "dir", O_RDONLY | O_DIRECTORY);
        open_as(FD_PATH, "dir", O_PATH);
        open_as(FD_FILE, "file", O_RDWR);
        open_as(FD_READ, "readonly", O_RDONLY);
        dup2(pipes[0], FD_PIPE);
        for (number = 0; number < count; number++) {
                if (!pick(10))
                        umask(pick(2) ? 077 : pick(2) ? 022 : 0);
                memset(room, 0x55, 4096);
                memset(page_end - 8192, 0x55, 8192);
                groups[pick(sizeof(groups) / sizeof(*groups))]();
                printf("\n");
        }
        return 0;
}
