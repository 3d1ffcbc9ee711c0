/* Small files of the tree with text for programs to read: replaced as a whole, and not while one of them has it locked. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "memory.h"

enum { NAME_SIZE = 256, WAIT_MS_MAX = 10000, PAUSE_MS = 2 };

static int open_text(int parent, const char *name) {
        int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat facts;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode))
                return fd;
        close(fd);
        return -EINVAL;
}

int32_t nodeos_memory_text(const char *path, uint8_t *ret_text, int32_t size) {
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 0, &name);
        CLEANUP_FD int fd = parent < 0 ? parent : open_text(parent, name);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = read(fd, ret_text, (size_t) size);
        return n < 0 ? -errno : n == size ? -EFBIG : (int32_t) n;
}

/* Waits for whoever has it locked. */
static int lock(int fd) {
        struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };

        for (int waited_ms = 0; waited_ms < WAIT_MS_MAX; waited_ms += PAUSE_MS) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return -errno;
                nanosleep(&pause, NULL);
        }
        return -ETIMEDOUT;
}

/* Writes a file beside the one of a name. For everybody to read, whatever our umask. */
static int write_new(int parent, const char *name, const char *text) {
        CLEANUP_FD int fd = -1;
        size_t length = strlen(text);
        ssize_t n;

        unlinkat(parent, name, 0);
        fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0 || fchmod(fd, 0644) < 0)
                return -errno;
        n = write(fd, text, length);
        return n < 0 ? -errno : (size_t) n == length ? 0 : -ENOSPC;
}

static int replace(int parent, const char *name, const char *beside, const char *text) {
        /* Whoever waits for the lock of the old one sees that it is gone. */
        CLEANUP_FD int old = open_text(parent, name);
        int error = old < 0 && old != -ENOENT ? old : 0;

        if (old >= 0)
                error = lock(old);
        if (error == 0)
                error = write_new(parent, beside, text);
        if (error == 0 && renameat(parent, beside, parent, name) < 0)
                error = -errno;
        if (error < 0)
                unlinkat(parent, beside, 0);
        return error;
}

int32_t nodeos_memory_set_text(const char *path, const char *text) {
        const char *name;
        int error = *text ? memory_make_directories(path, 0) : 0;
        CLEANUP_FD int parent = error < 0 ? error : memory_open_parent(path, 1, &name);
        char beside[NAME_SIZE];

        if (parent < 0)
                return parent;
        if (snprintf(beside, sizeof(beside), "%s.new", name) >= (int) sizeof(beside))
                return -ENAMETOOLONG;
        if (*text) {
                error = replace(parent, name, beside, text);
        } else {
                unlinkat(parent, beside, 0);
                error = unlinkat(parent, name, 0) < 0 ? -errno : 0;
        }
        if (error < 0 || !*text)
                memory_prune(path);
        return error;
}
