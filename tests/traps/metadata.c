/* What files are: status, times, attributes, links, and what a buffer that is too small gets. */
#define _GNU_SOURCE
#include "trap.h"

#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>

static void same_status(void) {
        struct statx by_name, by_fd;
        struct stat status, same;
        int fd;

        make_file("f", 0640, "12345");
        fd = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        MUST(stat("f", &status));
        MUST(fstat(fd, &same));
        HOLDS(!memcmp(&status, &same, sizeof(status)));
        MUST(lstat("f", &same));
        HOLDS(!memcmp(&status, &same, sizeof(status)));
        MUST(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &by_name));
        MUST(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &by_fd));
        HOLDS(!memcmp(&by_name, &by_fd, sizeof(by_name)));
        HOLDS(by_name.stx_ino == status.st_ino && by_name.stx_size == 5 && by_name.stx_mode == status.st_mode);
        HOLDS(makedev(by_name.stx_dev_major, by_name.stx_dev_minor) == status.st_dev);
}

static void extended_status(void) {
        struct statx found, untouched;

        memset(&found, 0xa5, sizeof(found));
        MUST(statx(AT_FDCWD, ".", AT_STATX_DONT_SYNC, STATX_MODE, &found));
        HOLDS(found.stx_mask & STATX_MODE);
        for (size_t i = 0; i < sizeof(found.__spare3) / sizeof(found.__spare3[0]); i++)
                HOLDS(found.__spare3[i] == 0);
        memset(&found, 0xa5, sizeof(found));
        untouched = found;
        FAILS(statx(AT_FDCWD, "none", 0, STATX_ALL, &found), ENOENT);
        HOLDS(!memcmp(&found, &untouched, sizeof(found)));
        FAILS(syscall(SYS_statx, AT_FDCWD, ".", 0, STATX__RESERVED, &found), EINVAL);
        FAILS(statx(AT_FDCWD, ".", AT_STATX_SYNC_TYPE, STATX_MODE, &found), EINVAL);
        FAILS(statx(AT_FDCWD, ".", 0x40000000, STATX_MODE, &found), EINVAL);
}

/* A call writes no more than it says. */
static void no_more_than_that(void) {
        struct {
                struct stat status;
                unsigned char after[64];
        } one;
        struct {
                struct statx status;
                unsigned char after[64];
        } two;
        struct {
                struct statfs status;
                unsigned char after[64];
        } three;

        memset(&one, 0x5a, sizeof(one));
        memset(&two, 0x5a, sizeof(two));
        memset(&three, 0x5a, sizeof(three));
        MUST(stat(".", &one.status));
        MUST(statx(AT_FDCWD, ".", 0, STATX_ALL, &two.status));
        MUST(statfs(".", &three.status));
        for (size_t i = 0; i < 64; i++)
                HOLDS(one.after[i] == 0x5a && two.after[i] == 0x5a && three.after[i] == 0x5a);
}

static void link_targets(void) {
        char room[16];

        MUST(symlink("0123456789", "link"));
        memset(room, '#', sizeof(room));
        EXPECT(readlink("link", room, 4), 4);
        HOLDS(!memcmp(room, "0123####", 8));
        EXPECT(readlink("link", room, sizeof(room)), 10);
        HOLDS(room[10] == '#');
        EXPECT(readlink("link", room, 10), 10);
        FAILS(syscall(SYS_readlinkat, AT_FDCWD, "link", room, 0), EINVAL);
        FAILS(syscall(SYS_readlinkat, AT_FDCWD, "link", room, -1), EINVAL);
        FAILS(readlink(".", room, sizeof(room)), EINVAL);
        FAILS(readlink("none", room, sizeof(room)), ENOENT);
        // The kernel writes 10 bytes and asks for no more room than that.
        EXPECT(syscall(SYS_readlinkat, AT_FDCWD, "link", room, 0x7fffffff), 10);
}

static void attributes(void) {
        char found[64];
        char *large = calloc(1, 65537);
        int fd;

        make_file("f", 0644, "");
        if (setxattr("f", "user.one", "value", 5, XATTR_CREATE) < 0 && errno == EOPNOTSUPP)
                trap_skip("this file system has no attributes");
        FAILS(setxattr("f", "user.one", "other", 5, XATTR_CREATE), EEXIST);
        FAILS(setxattr("f", "user.two", "other", 5, XATTR_REPLACE), ENODATA);
        MUST(setxattr("f", "user.one", "longer value", 12, XATTR_REPLACE));
        MUST(setxattr("f", "user.empty", NULL, 0, 0));
        EXPECT(getxattr("f", "user.one", NULL, 0), 12);
        FAILS(getxattr("f", "user.one", found, 4), ERANGE);
        EXPECT(getxattr("f", "user.one", found, sizeof(found)), 12);
        HOLDS(!memcmp(found, "longer value", 12));
        EXPECT(getxattr("f", "user.empty", found, sizeof(found)), 0);
        FAILS(getxattr("f", "user.none", found, sizeof(found)), ENODATA);
        EXPECT(listxattr("f", NULL, 0), 9 + 11);
        FAILS(listxattr("f", found, 3), ERANGE);
        EXPECT(listxattr("f", found, sizeof(found)), 9 + 11);
        FAILS(setxattr("f", "user.large", large, 65537, 0), E2BIG);
        FAILS(setxattr("f", "", "x", 1, 0), ERANGE);
        FAILS(setxattr("f", "user.one", nowhere(), 5, 0), EFAULT);
        FAILS(getxattr("f", "user.one", nowhere(), 64), EFAULT);
        MUST(symlink("f", "link"));
        EXPECT(getxattr("link", "user.one", NULL, 0), 12);
        FAILS(lgetxattr("link", "user.one", NULL, 0), ENODATA);
        fd = (int) MUST(open("f", O_RDWR | O_CLOEXEC));
        MUST(fsetxattr(fd, "user.three", "3", 1, 0));
        EXPECT(fgetxattr(fd, "user.three", found, 1), 1);
        MUST(fremovexattr(fd, "user.three"));
        MUST(removexattr("f", "user.one"));
        FAILS(removexattr("f", "user.one"), ENODATA);
        free(large);
}

static void attribute_name_lengths(void) {
        char name[300] = "user.";

        make_file("f", 0644, "");
        memset(name + 5, 'n', 250);
        if (setxattr("f", name, "x", 1, 0) < 0 && errno == EOPNOTSUPP)
                trap_skip("this file system has no attributes");
        EXPECT(getxattr("f", name, NULL, 0), 1);
        name[255] = 'n';
        FAILS(setxattr("f", name, "x", 1, 0), ERANGE);
        FAILS(setxattr("f", nowhere(), "x", 1, 0), EFAULT);
}

static void times(void) {
        struct timespec set[2] = {{1000, 123456789}, {2000, 987654321}};
        struct stat before, after;

        make_file("f", 0644, "");
        MUST(utimensat(AT_FDCWD, "f", set, 0));
        MUST(stat("f", &before));
        HOLDS(before.st_atim.tv_sec == 1000 && before.st_atim.tv_nsec == 123456789 && before.st_mtim.tv_nsec == 987654321);
        set[0].tv_nsec = UTIME_OMIT;
        set[1].tv_nsec = UTIME_NOW;
        MUST(utimensat(AT_FDCWD, "f", set, 0));
        MUST(stat("f", &after));
        HOLDS(after.st_atim.tv_sec == 1000 && after.st_mtim.tv_sec > 1000000);
        set[1].tv_nsec = UTIME_OMIT;
        MUST(utimensat(AT_FDCWD, "f", set, 0));
        MUST(stat("f", &before));
        HOLDS(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_ctim.tv_nsec == after.st_ctim.tv_nsec);
        MUST(utimensat(AT_FDCWD, "f", NULL, 0));
        set[0].tv_nsec = 1000000000;
        FAILS(utimensat(AT_FDCWD, "f", set, 0), EINVAL);
        MUST(symlink("none", "link"));
        set[0] = set[1] = (struct timespec){5, 5};
        MUST(utimensat(AT_FDCWD, "link", set, AT_SYMLINK_NOFOLLOW));
        MUST(lstat("link", &after));
        EXPECT(after.st_mtim.tv_sec, 5);
}

/* A call with NULL for its path is about the descriptor itself. */
static void times_of_descriptor(void) {
        const struct timespec set[2] = {{7, 0}, {8, 0}};
        struct stat status;
        int fd;

        make_file("f", 0644, "");
        fd = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        MUST(futimens(fd, set));
        MUST(stat("f", &status));
        HOLDS(status.st_atim.tv_sec == 7 && status.st_mtim.tv_sec == 8);
        FAILS(syscall(SYS_utimensat, AT_FDCWD, NULL, set, 0), EFAULT);
}

static void lengths(void) {
        struct stat status;
        int fd;

        make_file("f", 0644, "0123456789");
        MUST(truncate("f", 4));
        HOLDS(has_text("f", "0123"));
        MUST(truncate("f", 1L << 40));
        MUST(stat("f", &status));
        HOLDS(status.st_size == 1L << 40 && status.st_blocks <= 16);
        FAILS(truncate("f", -1), EINVAL);
        MUST(truncate("f", 0));
        fd = (int) MUST(open("f", O_RDWR | O_CLOEXEC));
        MUST(ftruncate(fd, 6));
        if (fallocate(fd, 0, 0, 8192) < 0 && errno == EOPNOTSUPP)
                return;
        MUST(fstat(fd, &status));
        EXPECT(status.st_size, 8192);
        MUST(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16384));
        FAILS(fallocate(fd, 0, 0, 0), EINVAL);
        FAILS(ftruncate((int) MUST(open("f", O_RDONLY | O_CLOEXEC)), 1), EINVAL);
}

static void special_files(void) {
        struct stat status;

        MUST(mknod("fifo", S_IFIFO | 0600, 0));
        MUST(mknod("socket", S_IFSOCK | 0600, 0));
        MUST(mknod("file", 0600, 0));
        MUST(lstat("socket", &status));
        HOLDS(S_ISSOCK(status.st_mode));
        FAILS(mknod("directory", S_IFDIR | 0700, 0), EPERM);
        FAILS(mknod("file", S_IFREG | 0600, 0), EEXIST);
        needs_root();
        if (mknod("null", S_IFCHR | 0600, makedev(1, 3)) < 0 && errno == EPERM)
                trap_skip("mknod is refused");
        MUST(stat("null", &status));
        EXPECT(status.st_rdev, makedev(1, 3));
        EXPECT(write((int) MUST(open("null", O_WRONLY | O_CLOEXEC)), "x", 1), 1);
}

TRAPS({"stat, fstat, lstat and statx agree", same_status},
      {"statx fills what it is asked for", extended_status},
      {"results fill their room and nothing behind it", no_more_than_that},
      {"readlink gives as much as there is room for", link_targets},
      {"attributes are set, found and removed", attributes},
      {"a name of an attribute has at most 255 bytes", attribute_name_lengths},
      {"times are set, left or now", times},
      {"times of a descriptor are set", times_of_descriptor},
      {"files become longer and shorter", lengths},
      {"special files are made", special_files})
