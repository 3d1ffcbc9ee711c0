/* What the calls of generated.c are given: files, paths, numbers and memory, good and bad. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "generated.h"

uint32_t seed;

uint32_t pick(uint32_t below) {
        seed = seed * 1664525u + 1013904223u;
        return (seed >> 8) % below;
}

const char *errno_name(int error) {
        const char *name = strerrorname_np(error);

        return name ? name : "?";
}

_Noreturn void die(const char *what) {
        printf("%s failed: %s\n", what, errno_name(errno));
        exit(98);
}

/* --- arguments ----------------------------------------------------------------------------------------------------------- */

char here[4096], *page_end; /* the first byte behind a readable page */

/* The text at the very end of the page, with or without its NUL. */
static const char *at_page_end(const char *text, int with_nul) {
        size_t length = strlen(text) + (with_nul ? 1 : 0);

        memcpy(page_end - length, text, length);
        return page_end - length;
}

const char *filled(size_t length, int slash_every) {
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

static const char *const names[] = {
        "file",     "empty",      "secret",        "readonly",   "dir",     "dir/inner",     "link",    "dangling",
        "loop1",    "loop1/x",    "dirlink/inner", "secretlink", "private", "private/inner", "nothing", "nothing/x",
        "file/x",   "dir/../file", "./file",       "dir//inner", "new1",    "new2",          "dir/new3", "sticky/roots",
        "setgid/new4", "file/",   "dir/",          ".",          "dir/../new5", "dirlink",   "new1/",   "ours",
};

const char *path(void) {
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

void open_as(int number, const char *name, int flags) {
        int fd = open(name, flags);

        if (fd < 0)
                return; /* this user may not: it stays closed */
        dup2(fd, number);
        close(fd);
}

int directory(void) {
        static const int fds[] = {
                AT_FDCWD, AT_FDCWD, AT_FDCWD, FD_HERE, FD_HERE, FD_DIR, FD_PATH, FD_FILE, FD_PIPE, FD_CLOSED, -1, -7, 999999,
        };

        return fds[pick(sizeof(fds) / sizeof(*fds))];
}

int file(void) {
        static const int fds[] = { FD_FILE, FD_FILE, FD_READ, FD_HERE, FD_DIR, FD_PATH, FD_PIPE, FD_CLOSED, -1, -100, 1 << 30 };

        return fds[pick(sizeof(fds) / sizeof(*fds))];
}

int open_flags(void) {
        static const int access[] = { O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE };
        static const int more[] = {
                0, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_APPEND, O_NONBLOCK, O_TMPFILE,
                O_CREAT | O_DIRECTORY, O_PATH, O_NOATIME, O_SYNC, O_CREAT | O_CLOEXEC, O_DIRECT, 0x40000000,
        };

        return access[pick(5)] | more[pick(17)] | (pick(3) ? 0 : more[pick(17)]);
}

int mode(void) {
        static const int modes[] = { 0, 0644, 0777, 0600, 07777, 02755, 0100644, -1 };

        return modes[pick(8)];
}

int at_flags(void) {
        static const int flags[] = {
                0, 0, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 0x80,
        };

        return flags[pick(9)];
}

char *room;

/* Somewhere to write to, of a size: mostly good. */
void *buffer(size_t size) {
        switch (pick(12)) {
        case 0: return NULL;
        case 1: return (void *) 8;
        case 2: return page_end;
        case 3: return page_end - (size < 4096 ? size : 4096);
        case 4: return page_end - (size < 4096 ? size : 4096) / 2;
        default: return room;
        }
}

int id(void) {
        static const int ids[] = { -1, -1, 0, 5000, 65534, 1000 };

        return ids[pick(6)];
}

/* --- the directory ------------------------------------------------------------------------------------------------------------ */

static void make_file(const char *path, mode_t mode, const char *text) {
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, mode) < 0)
                die(path);
        close(fd);
}

/* Where it is root that makes them, some files stay root's alone. */
void make_all(void) {
        static const char digits[] = "0123456789";

        umask(0);
        make_file("file", 0666, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        make_file("empty", 0666, "");
        make_file("secret", 0600, digits);
        make_file("readonly", 0444, digits);
        make_file("ours", 0640, digits);
        if (geteuid() == 0 && chown("ours", 0, 5000) < 0)
                die("chown");
        if (mkdir("dir", 0777) < 0 || mkdir("private", 0700) < 0 || mkdir("sticky", 01777) < 0 || mkdir("setgid", 0777) < 0 ||
            chmod("setgid", 02777) < 0 || chmod(".", 0777) < 0)
                die("mkdir");
        make_file("dir/inner", 0666, "inner");
        make_file("private/inner", 0666, "inner");
        make_file("sticky/roots", 0666, "inner");
        if (symlink("file", "link") < 0 || symlink("nothing", "dangling") < 0 || symlink("loop2", "loop1") < 0 ||
            symlink("loop1", "loop2") < 0 || symlink("dir", "dirlink") < 0 || symlink("private/inner", "secretlink") < 0)
                die("symlink");
        setxattr("file", "user.one", "value", 5, 0);
        umask(022);
}
