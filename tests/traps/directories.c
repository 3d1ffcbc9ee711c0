/* Directories: their entries, and entries that move between them. */
#define _GNU_SOURCE
#include "trap.h"

#include <dirent.h>

enum { LARGE = 800 };

struct entry {
        uint64_t inode;
        int64_t next;
        unsigned short length;
        unsigned char type;
        char name[];
};

/* Reads all entries through a buffer of `size` bytes; returns how many there are, and a sum that depends on their order. */
static int read_entries(const char *path, size_t size, uint64_t *ret_sum) {
        char *room = malloc(size);
        int fd = (int) MUST(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)), count = 0;
        long n;

        *ret_sum = 0;
        while ((n = MUST(syscall(SYS_getdents64, fd, room, size))) > 0)
                for (long at = 0; at < n; count++) {
                        const struct entry *entry = (const struct entry *) (room + at);

                        for (const char *c = entry->name; *c; c++)
                                *ret_sum = *ret_sum * 31 + (unsigned char) *c;
                        at += entry->length;
                }
        MUST(close(fd));
        free(room);
        return count;
}

static void make_large(void) {
        char name[32];

        MUST(mkdir("large", 0755));
        for (int i = 0; i < LARGE; i++) {
                snprintf(name, sizeof(name), "large/entry-%d", i);
                MUST(mknod(name, S_IFREG | 0600, 0));
        }
}

static void large(void) {
        uint64_t first, sum;

        make_large();
        EXPECT(read_entries("large", 1 << 20, &first), LARGE + 2);
        for (size_t size = 64; size < 1 << 17; size *= 5) {
                EXPECT(read_entries("large", size, &sum), LARGE + 2);
                HOLDS(sum == first);
        }
}

static void refused_entries(void) {
        char room[256];
        int fd = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        make_file("f", 0644, "");
        FAILS(syscall(SYS_getdents64, fd, room, 8), EINVAL);
        FAILS(syscall(SYS_getdents64, 600, room, sizeof(room)), EBADF);
        FAILS(syscall(SYS_getdents64, MUST(open("f", O_RDONLY | O_CLOEXEC)), room, sizeof(room)), ENOTDIR);
        HOLDS(MUST(syscall(SYS_getdents64, fd, room, sizeof(room))) > 0);
        EXPECT(syscall(SYS_getdents64, fd, room, sizeof(room)), 0);
        EXPECT(lseek(fd, 0, SEEK_SET), 0);
        HOLDS(MUST(syscall(SYS_getdents64, fd, room, sizeof(room))) > 0);
}

static void given_nowhere(void) {
        char room[256];
        int fd = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

        FAILS(syscall(SYS_getdents64, fd, nowhere(), sizeof(room)), EFAULT);
        HOLDS(MUST(syscall(SYS_getdents64, fd, room, sizeof(room))) > 0);
}

/* Whoever goes back to an entry finds it, and what follows. */
static void positions(void) {
        DIR *directory;
        long middle = 0;
        char expected[256];
        struct dirent *entry;

        make_large();
        directory = opendir("large");
        HOLDS(directory);
        for (int i = 0; i < LARGE / 2; i++)
                HOLDS(readdir(directory));
        middle = telldir(directory);
        entry = readdir(directory);
        HOLDS(entry);
        strcpy(expected, entry->d_name);
        while (readdir(directory))
                ;
        seekdir(directory, middle);
        entry = readdir(directory);
        HOLDS(entry && !strcmp(entry->d_name, expected));
        rewinddir(directory);
        HOLDS(readdir(directory));
        closedir(directory);
}

static void renames(void) {
        MUST(mkdir("a", 0755));
        MUST(mkdir("b", 0755));
        make_file("a/f", 0644, "f");
        make_file("b/g", 0644, "g");
        FAILS(renameat2(AT_FDCWD, "a/f", AT_FDCWD, "b/g", RENAME_NOREPLACE), EEXIST);
        MUST(renameat2(AT_FDCWD, "a/f", AT_FDCWD, "b/g", RENAME_EXCHANGE));
        HOLDS(has_text("a/f", "g") && has_text("b/g", "f"));
        MUST(rename("a/f", "b/g"));
        HOLDS(has_text("b/g", "g"));
        FAILS(access("a/f", F_OK), ENOENT);
        FAILS(rename("a", "a/b"), EINVAL);
        FAILS(rename("a", "b"), ENOTEMPTY);
        FAILS(rename("b/g", "a"), EISDIR);
        FAILS(rename("a", "b/g"), ENOTDIR);
        MUST(rename("a", "b/a"));
        HOLDS(access("b/a", F_OK) == 0);
        FAILS(renameat2(AT_FDCWD, "b/a", AT_FDCWD, "c", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
}

static void hard_links(void) {
        struct stat status;

        MUST(mkdir("d", 0755));
        make_file("f", 0644, "text");
        MUST(link("f", "d/g"));
        FAILS(link("f", "d/g"), EEXIST);
        FAILS(link("d", "e"), EPERM);
        FAILS(link("none", "e"), ENOENT);
        MUST(stat("f", &status));
        EXPECT(status.st_nlink, 2);
        MUST(unlink("f"));
        HOLDS(has_text("d/g", "text"));
        MUST(symlink("g", "d/link"));
        MUST(link("d/link", "d/same"));
        MUST(lstat("d/same", &status));
        HOLDS(S_ISLNK(status.st_mode));
        MUST(linkat(AT_FDCWD, "d/link", AT_FDCWD, "d/followed", AT_SYMLINK_FOLLOW));
        MUST(lstat("d/followed", &status));
        HOLDS(S_ISREG(status.st_mode));
}

static void removals(void) {
        MUST(mkdir("d", 0755));
        make_file("d/f", 0644, "");
        FAILS(rmdir("d"), ENOTEMPTY);
        FAILS(unlink("d"), EISDIR);
        FAILS(rmdir("d/f"), ENOTDIR);
        FAILS(rmdir("."), EINVAL);
        FAILS(rmdir("d/.."), ENOTEMPTY);
        FAILS(unlinkat(AT_FDCWD, "d/f", AT_REMOVEDIR), ENOTDIR);
        FAILS(unlinkat(AT_FDCWD, "d/f", 0x7777), EINVAL);
        MUST(unlink("d/f"));
        MUST(rmdir("d/"));
        FAILS(rmdir("d"), ENOENT);
}

/* A file goes on while it is open, and is gone when it is not: nobody else keeps it. */
static void freed(void) {
        struct stat status;
        char text[4];
        int fd;

        make_file("f", 0644, "text");
        fd = (int) MUST(open("f", O_RDWR | O_CLOEXEC));
        MUST(unlink("f"));
        MUST(fstat(fd, &status));
        EXPECT(status.st_nlink, 0);
        EXPECT(pread(fd, text, sizeof(text), 0), 4);
        MUST(close(fd));
        FAILS(open("f", O_RDONLY | O_CLOEXEC), ENOENT);
}

TRAPS({"a large directory is read through any room, in one order", large},
      {"reading entries fails where it must", refused_entries},
      {"entries that have nowhere to go are not lost", given_nowhere},
      {"a position in a directory stays", positions},
      {"entries are renamed, replaced and exchanged", renames},
      {"files are linked", hard_links},
      {"entries are removed", removals},
      {"a removed file is there while it is open", freed})
