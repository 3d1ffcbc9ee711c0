/* What the container says of its shares, and the kernel of what is there; memory_share.h has the format. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "memory_share.h"

enum { WAIT_US_MAX = 30 * 1000 * 1000, PAUSE_NS_MAX = 1000 * 1000 };

struct shares shares;
static char path[256], text[16 << 10], count_path[256], count_text[8 << 10];

/* The program may overwrite its environment later. */
__attribute__((constructor(101))) static void start(void) {
        const char *value = secure_getenv("NODEOS_HUGE_SHARES");

        if (value && *value == '/' && strlen(value) < sizeof(path))
                strcpy(path, value);
}

bool share_file_is_known(void) {
        return *path;
}

/* Reads all of a file. 0, or -1 and errno. */
static int read_all(int fd, char *ret_text, size_t size) {
        size_t length = 0;
        ssize_t n;

        while ((n = syscall(SYS_read, fd, ret_text + length, size - 1 - length)) > 0)
                length += (size_t) n;
        ret_text[length] = 0;
        if (n == 0 && length == size - 1)
                errno = EFBIG;
        return n < 0 || length == size - 1 ? -1 : 0;
}

static int open_file(const char *name) {
        return (int) syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int open_locked(int how) {
        struct timespec pause = { .tv_nsec = 50000 };

        for (long waited_us = 0; waited_us < WAIT_US_MAX;) {
                int fd = open_file(path);
                struct stat facts;

                if (fd < 0)
                        return -1;
                if (flock(fd, how | LOCK_NB) == 0) {
                        if (fstat(fd, &facts) == 0 && facts.st_nlink > 0)
                                return fd;
                        /* Another file has taken its place. */
                        syscall(SYS_close, fd);
                        continue;
                }
                syscall(SYS_close, fd);
                syscall(SYS_nanosleep, &pause, NULL);
                waited_us += pause.tv_nsec / 1000;
                if (pause.tv_nsec < PAUSE_NS_MAX)
                        pause.tv_nsec *= 2;
        }
        errno = ETIMEDOUT;
        return -1;
}

static const char *next_line(const char *line) {
        line = strchrnul(line, '\n');
        return line + (*line == '\n');
}

static bool begins(const char *line, const char *with) {
        return !strncmp(line, with, strlen(with));
}

/* "NODE BYTES NODE BYTES" to the end of a line. */
static void parse_shares(char *at) {
        while (*at == ' ' && shares.count < SHARES_MAX) {
                struct share *share = &shares.of[shares.count];
                unsigned long node = strtoul(at, &at, 10);

                if (*at != ' ' || node >= SHARE_NODES_MAX)
                        break;
                share->node = (unsigned) node;
                share->bytes = strtoul(at, &at, 10);
                shares.count++;
        }
}

static void parse(size_t page) {
        shares.count = 0;
        shares.policy = SHARE_BIND;
        *count_path = 0;
        for (char *line = text, *at; *line; line = (char *) next_line(line)) {
                size_t length;

                if (begins(line, "policy interleave"))
                        shares.policy = SHARE_INTERLEAVE;
                else if (begins(line, "policy preferred"))
                        shares.policy = SHARE_PREFERRED;
                if (!begins(line, "pages ") || strtoul(line + 6, &at, 10) != page || *at != ' ')
                        continue;
                length = strcspn(++at, " \n");
                if (length < sizeof(count_path)) {
                        memcpy(count_path, at, length);
                        count_path[length] = 0;
                }
                parse_shares(at + length);
        }
}

int share_file_open(int how, size_t page) {
        for (int fd, saved;; how = LOCK_EX) {
                fd = open_locked(how);
                if (fd < 0)
                        return -1;
                if (read_all(fd, text, sizeof(text)) == 0) {
                        parse(page);
                        if (how == LOCK_EX || shares.count < 2)
                                return fd;
                        share_file_close(fd);
                        continue;
                }
                saved = errno;
                share_file_close(fd);
                errno = saved;
                return -1;
        }
}

/* A child that was born meanwhile has the descriptor as well, and would keep the lock. */
void share_file_close(int fd) {
        flock(fd, LOCK_UN);
        syscall(SYS_close, fd);
}

bool share_file_count(void) {
        int fd = open_file(count_path), result = fd < 0 ? -1 : read_all(fd, count_text, sizeof(count_text));
        const char *line;

        if (fd >= 0)
                syscall(SYS_close, fd);
        if (result < 0)
                return false;
        /* total=6 N0=2 N1=4; version 1 counts groups below in a second line. Below zero is what older kernels (6.1) make of pages
         * that were moved. */
        line = strstr(count_text, "hierarchical_total=");
        for (int i = 0; i < shares.count; i++)
                shares.of[i].used = 0;
        for (char *at = strstr(line ? line : count_text, " N"); at; at = strstr(at, " N")) {
                unsigned long node = strtoul(at + 2, &at, 10), used = *at == '=' ? strtoul(at + 1, NULL, 10) : 0;

                for (int i = 0; i < shares.count; i++)
                        if (shares.of[i].node == node)
                                shares.of[i].used = used <= LONG_MAX ? used : 0;
        }
        return true;
}

struct share *share_file_nearest(bool (*is_it)(const struct share *share, size_t page, bool is_own), size_t page, bool is_own) {
        unsigned here = 0;

        syscall(SYS_getcpu, &(unsigned) { 0 }, &here, NULL);
        for (const char *line = text; *line; line = next_line(line)) {
                char *at;

                if (!begins(line, "near ") || strtoul(line + 5, &at, 10) != here)
                        continue;
                while (*at == ' ') {
                        unsigned long node = strtoul(at, &at, 10);

                        for (int i = 0; i < shares.count; i++)
                                if (shares.of[i].node == node && is_it(&shares.of[i], page, is_own))
                                        return &shares.of[i];
                }
        }
        return NULL;
}
