/* How paths reach the file system: relative ones, directories by descriptor, and strings at the edge of memory. */
#define _GNU_SOURCE
#include "trap.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Room of `pages` readable pages, followed by one that nobody may touch. */
static char *guarded(size_t pages) {
        size_t size = (size_t) sysconf(_SC_PAGESIZE);
        char *start = mmap(NULL, (pages + 1) * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        HOLDS(start != MAP_FAILED);
        MUST(mprotect(start + pages * size, size, PROT_NONE));
        return start;
}

static char *guard_of(char *start, size_t pages) {
        return start + pages * (size_t) sysconf(_SC_PAGESIZE);
}

/* "./././...name", `length` characters long; at most PATH_MAX. */
static const char *long_path(size_t length, const char *name) {
        static char path[PATH_MAX + 16];
        size_t rest = length - strlen(name), i = 0;

        while (i + 2 <= rest) {
                path[i++] = '.';
                path[i++] = '/';
        }
        if (i < rest)
                path[i++] = '/';
        memcpy(path + i, name, strlen(name) + 1);
        return path;
}

static void relative(void) {
        struct stat by_name, by_path;
        char here[PATH_MAX], path[PATH_MAX + 8];

        MUST(mkdir("a", 0755));
        MUST(mkdir("a/b", 0755));
        make_file("a/b/f", 0644, "one");
        HOLDS(getcwd(here, sizeof(here)));
        snprintf(path, sizeof(path), "%s/a/b/f", here);
        MUST(stat("a/../a/./b//f", &by_name));
        MUST(stat(path, &by_path));
        HOLDS(by_name.st_ino == by_path.st_ino);
        FAILS(stat("f", &by_name), ENOENT);
}

static void moved_directory(void) {
        int top = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        MUST(mkdir("a", 0755));
        MUST(mkdir("b", 0755));
        MUST(chdir("a"));
        make_file("f", 0644, "in a");
        MUST(fchdir(top));
        HOLDS(has_text("a/f", "in a"));
        MUST(chdir("b"));
        FAILS(access("f", F_OK), ENOENT);
        MUST(rename("../a", "../c"));
        HOLDS(has_text("../c/f", "in a"));
        MUST(fchdir(top));
        MUST(chdir("c"));
        MUST(rename("../c", "../b/d"));
        HOLDS(has_text("f", "in a"));
        HOLDS(has_text("../d/f", "in a"));
}

static void removed_directory(void) {
        char here[PATH_MAX];

        MUST(mkdir("gone", 0755));
        MUST(chdir("gone"));
        MUST(rmdir("../gone"));
        FAILS(mkdir("x", 0755), ENOENT);
        FAILS(open("f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), ENOENT);
        FAILS(syscall(SYS_getcwd, here, sizeof(here)), ENOENT);
        HOLDS(access(".", F_OK) == 0);
}

static void by_descriptor(void) {
        int directory, file;

        MUST(mkdir("d", 0755));
        make_file("plain", 0644, "");
        directory = (int) MUST(open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        file = (int) MUST(open("plain", O_RDONLY | O_CLOEXEC));
        MUST(mkdirat(directory, "e", 0755));
        HOLDS(access("d/e", F_OK) == 0);
        MUST(rename("d", "elsewhere"));
        MUST(unlinkat(directory, "e", AT_REMOVEDIR));
        HOLDS(access("elsewhere/e", F_OK) < 0);
        FAILS(mkdirat(file, "e", 0755), ENOTDIR);
        FAILS(mkdirat(-7, "e", 0755), EBADF);
        FAILS(mkdirat(600, "e", 0755), EBADF);
        FAILS(faccessat(directory, "", F_OK, 0), ENOENT);
        HOLDS(faccessat(-7, "/", F_OK, 0) == 0);
}

/* The kernel takes the lower 32 bits of a descriptor. */
static void wide_descriptor(void) {
        long directory = MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        EXPECT(syscall(SYS_mkdirat, directory | 0x500000000L, "wide", 0755), 0);
        EXPECT(syscall(SYS_mkdirat, 0xffffff9cL, "here", 0755), 0);
        HOLDS(access("wide", F_OK) == 0 && access("here", F_OK) == 0);
}

static void two_descriptors(void) {
        int from, to;

        MUST(mkdir("from", 0755));
        MUST(mkdir("to", 0755));
        from = (int) MUST(open("from", O_PATH | O_CLOEXEC));
        to = (int) MUST(open("to", O_PATH | O_CLOEXEC));
        make_file("from/f", 0644, "moved");
        MUST(linkat(from, "f", to, "g", 0));
        MUST(renameat(from, "f", to, "h"));
        HOLDS(has_text("to/g", "moved") && has_text("to/h", "moved"));
        FAILS(renameat(to, "h", 700, "h"), EBADF);
        FAILS(renameat(700, "h", to, "h"), EBADF);
}

static void empty_path(void) {
        struct stat named, by_fd, here, top;
        int fd;

        make_file("f", 0640, "12345");
        fd = (int) MUST(open("f", O_PATH | O_CLOEXEC));
        MUST(stat("f", &named));
        MUST(fstatat(fd, "", &by_fd, AT_EMPTY_PATH));
        HOLDS(named.st_ino == by_fd.st_ino && by_fd.st_size == 5);
        FAILS(fstatat(fd, "", &by_fd, 0), ENOENT);
        MUST(fstatat(AT_FDCWD, "", &here, AT_EMPTY_PATH));
        MUST(stat(".", &top));
        HOLDS(here.st_ino == top.st_ino && here.st_dev == top.st_dev);
        MUST(fchownat(fd, "", getuid(), getgid(), AT_EMPTY_PATH));
        FAILS(mkdir("", 0755), ENOENT);
        FAILS(open("", O_RDONLY | O_CLOEXEC), ENOENT);
}

/* A page without access begins right after the final NUL. */
static void page_end(void) {
        char *start = guarded(2), *guard = guard_of(start, 2);
        char *string = guard - 5;

        memcpy(string, "edge", 5);
        MUST(mkdir(string, 0755));
        HOLDS(access("edge", F_OK) == 0);
        MUST(rmdir(string));
        string = guard - sysconf(_SC_PAGESIZE) - 3;
        memcpy(string, "across", 7);
        MUST(mkdir(string, 0755));
        HOLDS(access("across", F_OK) == 0);
        memset(guard - 9, 'x', 9);
        FAILS(mkdir(guard - 9, 0755), EFAULT);
        FAILS(symlink(guard - 9, "link"), EFAULT);
}

static void bad_pointers(void) {
        char *nowhere = guard_of(guarded(1), 1);
        const char *kernel = (const char *) (uintptr_t) 0xffff888000000000UL;

        FAILS(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY), EFAULT);
        FAILS(syscall(SYS_openat, AT_FDCWD, (char *) 8, O_RDONLY), EFAULT);
        FAILS(syscall(SYS_openat, AT_FDCWD, nowhere, O_RDONLY), EFAULT);
        FAILS(syscall(SYS_openat, AT_FDCWD, kernel, O_RDONLY), EFAULT);
        FAILS(syscall(SYS_mkdirat, AT_FDCWD, nowhere, 0755), EFAULT);
        FAILS(syscall(SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, nowhere, 0), EFAULT);
        FAILS(syscall(SYS_readlinkat, AT_FDCWD, nowhere, nowhere, 10), EFAULT);
        FAILS(syscall(SYS_statx, AT_FDCWD, ".", 0, STATX_BASIC_STATS, nowhere), EFAULT);
        FAILS(syscall(SYS_statfs, ".", nowhere), EFAULT);
        FAILS(syscall(SYS_statfs, ".", NULL), EFAULT);
        FAILS(syscall(SYS_utimensat, AT_FDCWD, ".", nowhere, 0), EFAULT);
        FAILS(syscall(SYS_newfstatat, AT_FDCWD, ".", nowhere, 0), EFAULT);
}

/* Memory that may only be read gives no room for results; memory that may not be read at all has no paths. */
static void protected_memory(void) {
        size_t size = (size_t) sysconf(_SC_PAGESIZE);
        char *text = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        HOLDS(text != MAP_FAILED);
        strcpy(text, "named");
        MUST(mprotect(text, size, PROT_READ));
        MUST(mkdir(text, 0755));
        FAILS(syscall(SYS_newfstatat, AT_FDCWD, ".", text, 0), EFAULT);
        MUST(symlink("named", "link"));
        FAILS(syscall(SYS_readlinkat, AT_FDCWD, "link", text, size), EFAULT);
        MUST(mprotect(text, size, PROT_NONE));
        FAILS(mkdir(text, 0755), EFAULT);
}

static void name_lengths(void) {
        char name[258];

        memset(name, 'n', sizeof(name));
        name[255] = '\0';
        MUST(mkdir(name, 0755));
        MUST(rmdir(name));
        name[255] = 'n';
        name[256] = '\0';
        FAILS(mkdir(name, 0755), ENAMETOOLONG);
        FAILS(access(name, F_OK), ENAMETOOLONG);
}

static void path_lengths(void) {
        MUST(mkdir(long_path(PATH_MAX - 1, "d"), 0755));
        HOLDS(access("d", F_OK) == 0);
        FAILS(mkdir(long_path(PATH_MAX, "e"), 0755), ENAMETOOLONG);
        FAILS(rmdir(long_path(PATH_MAX + 9, "d")), ENAMETOOLONG);
        FAILS(rename("d", long_path(PATH_MAX, "e")), ENAMETOOLONG);
        MUST(symlink(long_path(PATH_MAX - 1, "d"), "longest"));
        FAILS(symlink(long_path(PATH_MAX, "d"), "longer"), ENAMETOOLONG);
}

/* A path of PATH_MAX bytes whose NUL would be the first byte of a page that nobody may touch. */
static void longest_at_page_end(void) {
        char *guard = guard_of(guarded(2), 2);

        memset(guard - PATH_MAX, '/', PATH_MAX);
        FAILS(open(guard - PATH_MAX, O_RDONLY | O_CLOEXEC), ENAMETOOLONG);
        FAILS(open(guard - PATH_MAX + 1, O_RDONLY | O_CLOEXEC), EFAULT);
        guard[-1] = '\0';
        MUST(close((int) MUST(open(guard - PATH_MAX, O_RDONLY | O_DIRECTORY | O_CLOEXEC))));
}

/* Deeper than any path is long. */
static void deep(void) {
        char name[201], path[PATH_MAX];

        memset(name, 'd', 200);
        name[200] = '\0';
        for (int i = 0; i < 40; i++) {
                MUST(mkdir(name, 0755));
                MUST(chdir(name));
        }
        make_file("bottom", 0644, "deep");
        HOLDS(has_text("bottom", "deep"));
        FAILS(syscall(SYS_getcwd, path, sizeof(path)), ENAMETOOLONG);
        MUST(unlink("bottom"));
        for (int i = 0; i < 40; i++) {
                MUST(chdir(".."));
                MUST(rmdir(name));
        }
}

static void links(void) {
        struct stat status;

        MUST(symlink("b", "a"));
        MUST(symlink("a", "b"));
        FAILS(open("a", O_RDONLY | O_CLOEXEC), ELOOP);
        make_file("real", 0644, "text");
        MUST(symlink("real", "link"));
        FAILS(open("link", O_RDONLY | O_NOFOLLOW | O_CLOEXEC), ELOOP);
        MUST(lstat("link", &status));
        HOLDS(S_ISLNK(status.st_mode) && status.st_size == 4);
        MUST(symlink("new", "dangling"));
        FAILS(open("dangling", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644), EEXIST);
        MUST(close((int) MUST(open("dangling", O_CREAT | O_WRONLY | O_CLOEXEC, 0644))));
        HOLDS(access("new", F_OK) == 0);
        FAILS(mkdir("real/", 0755), EEXIST);
        FAILS(open("real/", O_RDONLY | O_CLOEXEC), ENOTDIR);
        MUST(chdir("/.."));
        MUST(stat("/../..", &status));
}

/* Names are bytes, all of them but two. */
static void any_bytes(void) {
        char name[255] = "", part[128];

        for (int i = 0, byte = 1; byte < 256; byte++)
                if (byte != '/')
                        name[i++] = (char) byte;
        MUST(mkdir("odd", 0755));
        MUST(chdir("odd"));
        for (int i = 0; i < 254; i += 127) {
                memcpy(part, name + i, 127);
                part[127] = '\0';
                make_file(part, 0644, "x");
                HOLDS(has_text(part, "x"));
                MUST(unlink(part));
        }
}

static void unix_socket(void) {
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
        int fd = (int) or_refused(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

        or_refused(bind(fd, (struct sockaddr *) &address, sizeof(address)), "bind");
        FAILS(open("socket", O_RDWR | O_CLOEXEC), ENXIO);
        HOLDS(access("socket", R_OK) == 0);
        MUST(close((int) MUST(open("socket", O_PATH | O_CLOEXEC))));
}

TRAPS({"a relative path is below the working directory", relative},
      {"a relative path follows chdir, fchdir and a renamed directory", moved_directory},
      {"a removed working directory has nothing in it", removed_directory},
      {"a path is below the directory of a descriptor", by_descriptor},
      {"only the lower half of a descriptor's register counts", wide_descriptor},
      {"a call with two descriptors uses both", two_descriptors},
      {"AT_EMPTY_PATH means the descriptor itself", empty_path},
      {"a path may end where memory ends", page_end},
      {"a bad pointer is EFAULT", bad_pointers},
      {"what memory allows counts, not that it is there", protected_memory},
      {"a name has at most 255 bytes", name_lengths},
      {"a path has at most 4095 bytes", path_lengths},
      {"the longest path may end where memory ends", longest_at_page_end},
      {"a directory may be deeper than a path is long", deep},
      {"links are followed as the flags say", links},
      {"a name is any bytes", any_bytes},
      {"a socket is a name, and cannot be opened", unix_socket})
