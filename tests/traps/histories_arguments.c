/* What the calls of histories are given: paths, descriptors, memory and numbers, good and bad. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "histories.h"

enum { PAGE = 4096, ROOM = 3 << 20 };

static char *page_end, *free_room, *known; /* the first byte behind a page; much memory to fill; as much that nobody fills */

void arguments_prepare(void) {
        char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        free_room = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        known = free_room + ROOM;
        if (pages == MAP_FAILED || free_room == MAP_FAILED || mprotect(pages + PAGE, PAGE, PROT_NONE) < 0)
                exit(97);
        page_end = pages + PAGE;
        for (long i = 0; i < ROOM; i++)
                known[i] = (char) ('a' + i % 23);
}

/* --- paths ------------------------------------------------------------------------------------------------------------------- */

static const char *const names[] = {
        "qf1", "qf1", "qf2", "qf3", "qd1", "qd1/qf1", "qd1/qf2", "qd1/qd2", "qd1/qd2/qf3", "ql1", "ql2", "ql1/qf2", "qp1", "./qf2",
        "qd1/../qf1", "qd1//qd2/", "qf1/", "qf1/x", ".", "qd1/.", "q\xff\xfe", "q\xc3\x28/qf1", "q \n", "qd3", "qd3/qd1", "qd3/qd1/qf1",
        "ql2/",
};

static const char *at_page_end(const char *text, int with_nul) {
        size_t length = strlen(text) + (with_nul ? 1 : 0);

        memcpy(page_end - length, text, length);
        return page_end - length;
}

/* A path of so many characters, whose directories are not there, or a way round that is. */
static const char *of_length(char *text, size_t length) {
        int is_round = pick(2) == 1;

        for (size_t i = 0; i < length; i++)
                text[i] = is_round ? "./"[i & 1] : i % 200 == 199 ? '/' : 'q';
        if (is_round && length > 4)
                memcpy(text + (length - 3) / 2 * 2, "qf1", 4);
        else
                text[length] = 0;
        return text;
}

static char texts[4][8192];

static char *next_text(void) {
        static int turn;

        turn = (turn + 1) % 4;
        return texts[turn];
}

static const char *name(void) {
        return names[pick(sizeof(names) / sizeof(*names))];
}

static const char *any_path(int inner) {
        char *text = next_text();

        switch (pick(26)) {
        case 0: return "";
        case 1: return (const char *) ONE_OF(0, 8, -4096, 1L << 47);
        case 2: return page_end;
        case 3: return at_page_end(name(), 1);
        case 4: return at_page_end(name(), 0);
        case 5: return of_length(text, (size_t) ONE_OF(255, 256, 4094, 4095, 4096, 4097, 5000));
        case 6:
                snprintf(text, sizeof(texts[0]), "%s/%s", here, name());
                return text;
        case 7:
                snprintf(text, sizeof(texts[0]), "%s%d", inner ? "qd1/q" : pick(2) ? "/proc/self/fd/" : "/dev/fd/", (int) (3 + pick(12)));
                return text;
        case 8:
                snprintf(text, sizeof(texts[0]), "%s/%s", inner ? "qd3" : pick(2) ? "/proc/self/cwd" : "/proc/thread-self/cwd", name());
                return text;
        default: return name();
        }
}

const char *path(void) {
        return any_path(0);
}

const char *inner_path(void) {
        return any_path(1);
}

/* --- numbers --------------------------------------------------------------------------------------------------------------------- */

int fd(void) {
        return (int) (pick(20) ? 3 + pick(FD_END - 3) : ONE_OF(-1, -100, START, 999, 1 << 30));
}

int directory(void) {
        return pick(2) ? AT_FDCWD : fd();
}

long offset(void) {
        return ONE_OF(0, 0, 1, 7, 100, 4095, 4096, 5000, 8192, 70000, -1, 1L << 40, 1L << 62);
}

int mode(void) {
        return (int) ONE_OF(0777, 0666, 0644, 0600, 07777, 0, 0111, 02755, 0100644, -1);
}

int at_flags(void) {
        return (int) ONE_OF(0, 0, 0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW,
                            AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, 0x80, 0x2000, 0x10000);
}

/* --- memory ------------------------------------------------------------------------------------------------------------------------ */

/* Bytes before the page's end, or in the middle of it. */
static char *across_end(size_t size) {
        size_t before = size < PAGE ? size : PAGE;

        return page_end - (pick(2) ? before : before / 2);
}

void *room(void) {
        return free_room;
}

void *buffer(size_t size) {
        switch (pick(16)) {
        case 0: return (void *) ONE_OF(0, 8, -1);
        case 1: return page_end;
        case 2: return across_end(size);
        default: return free_room;
        }
}

const void *content(size_t size) {
        char *place = buffer(size);

        if (place >= page_end - PAGE && place <= page_end)
                memset(page_end - PAGE, 'z', PAGE);
        if (place != free_room)
                return place;
        return known + pick(23);
}

/* --- what there is ------------------------------------------------------------------------------------------------------------------- */

static void say_file(int at, const char *name, const struct stat *st) {
        char bytes[512], list[512], target[256];
        int file = S_ISREG(st->st_mode) ? openat(at, name, O_RDONLY | O_CLOEXEC) : -1;
        unsigned long sum = 0;
        ssize_t n;

        while (file >= 0 && st->st_size < 1 << 22 && (n = read(file, bytes, sizeof(bytes))) > 0)
                for (ssize_t i = 0; i < n; i++)
                        sum = sum * 31 + (unsigned char) bytes[i];
        n = file < 0 ? 0 : flistxattr(file, list, sizeof(list));
        say(" %o %lu %u:%u %ld sum=%lx attributes=%zd", st->st_mode, (unsigned long) st->st_nlink, st->st_uid, st->st_gid,
            S_ISDIR(st->st_mode) ? 0 : (long) st->st_size, sum, n);
        if (st->st_mtime >= 1000000000 && st->st_mtime < 1200000000)
                say(" mtime=%ld.%ld", (long) st->st_mtime, st->st_mtim.tv_nsec);
        n = S_ISLNK(st->st_mode) ? readlinkat(at, name, target, sizeof(target)) : 0;
        if (n > 0)
                say_text(target, n);
        if (file >= 0)
                close(file);
}

static int in_order(const struct dirent **one, const struct dirent **other) {
        return strcmp((*one)->d_name, (*other)->d_name);
}

void say_tree(int at, int depth) {
        struct dirent **entries;
        int count = scandirat(at, ".", &entries, NULL, in_order);

        for (int i = 0; i < count; i++) {
                const char *name = entries[i]->d_name;
                struct stat st;
                int below;

                if (strcmp(name, ".") && strcmp(name, "..") && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
                        say("\n%*s", depth * 2 + 2, "");
                        say_text(name, (long) strlen(name));
                        say_file(at, name, &st);
                        below = S_ISDIR(st.st_mode) && depth < 6 ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
                        if (below >= 0) {
                                say_tree(below, depth + 1);
                                close(below);
                        }
                }
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
}
