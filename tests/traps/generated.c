/* Calls with generated arguments, good and bad, and what came of them: the same seed prints the same, natively and forwarded.
 * Root runs it too, so no path leads out of the directory, which has to be empty.
 *
 * usage: generated SEED COUNT [UID] */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "generated.h"

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
        // The one flag left out is about who opened the descriptor (opening.c).
        case 8: CALL(linkat, directory(), path(), directory(), path(), at_flags() & ~AT_EMPTY_PATH); break;
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

static void become(uid_t uid) {
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                die("setresuid");
}

int main(int argc, char **argv) {
        static void (*const groups[])(void) = {
                call_open, call_open, call_stat, call_access, call_names, call_change, call_attribute, call_read, call_other,
        };
        int count = argc > 2 ? atoi(argv[2]) : 500, pipes[2];
        char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        close_range(3, ~0U, 0); /* numbers are part of what is printed */
        make_all();
        if (argc > 3)
                become((uid_t) atoi(argv[3]));
        seed = argc > 1 ? (uint32_t) atoi(argv[1]) : 1;
        mprotect(pages + 2 * 4096, 4096, PROT_NONE);
        page_end = pages + 2 * 4096;
        room = malloc(1 << 20);
        if (!room || !getcwd(here, sizeof(here)) || pipe(pipes) < 0)
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
