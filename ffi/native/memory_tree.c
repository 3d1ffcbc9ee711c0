/* The tree that memory is handed out in. Files of others lie in it, and whoever works on it is root: so nothing here leaves
 * it, follows a link, or begins where somebody else might have put something. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "memory.h"

enum { PATH_SIZE = 1024 };

const char *memory_rest(const char *path) {
        size_t length = strlen(MEMORY_TREE);
        const char *rest = path + strlen(MEMORY_STATE) + 1;

        if (strncmp(path, MEMORY_TREE "/", length + 1) || !path[length + 1] || strlen(path) >= PATH_SIZE)
                return NULL;
        /* No part is empty, or leads anywhere but down. */
        for (const char *part = rest; part; part = strchr(part, '/')) {
                size_t size;

                part += *part == '/';
                size = strcspn(part, "/");
                if (!size || (size == 1 && *part == '.') || (size == 2 && !strncmp(part, "..", 2)))
                        return NULL;
        }
        return rest;
}

int memory_open_state(int ours) {
        int fd = open(MEMORY_STATE, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat facts;

        if (fd < 0)
                return -errno;
        if (ours && (fstat(fd, &facts) < 0 || facts.st_uid != geteuid() || facts.st_mode & (S_IWGRP | S_IWOTH))) {
                close(fd);
                return -EPERM;
        }
        return fd;
}

/* Opens a directory below another one, through no link, on whichever file system. */
static int open_below(int fd, const char *rest) {
        struct open_how how = {
                .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int result = (int) syscall(SYS_openat2, fd, rest, &how, sizeof(how));

        return result < 0 ? -errno : result;
}

int memory_open_parent(const char *path, int ours, const char **ret_name) {
        const char *rest = memory_rest(path), *slash;
        char parent[PATH_SIZE];
        CLEANUP_FD int state = rest ? memory_open_state(ours) : -EACCES;

        if (state < 0)
                return state;
        slash = strrchr(rest, '/');
        *ret_name = slash + 1;
        snprintf(parent, sizeof(parent), "%.*s", (int) (slash - rest), rest);
        return open_below(state, parent);
}

/* Makes a directory, if it is not there, and opens it; nothing is followed, and our umask does not count. */
static int make_one(int parent, const char *name) {
        int made = mkdirat(parent, name, 0755) == 0, fd, error;

        if (!made && errno != EEXIST)
                return -errno;
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (!made || fchmod(fd, 0755) == 0)
                return fd;
        error = -errno;
        close(fd);
        return error;
}

/* Makes the directory of each part that has a slash behind it, and that of the last part with `last`. */
static int make_below(int fd, char *rest, int last) {
        int next;

        for (char *slash; (slash = strchr(rest, '/')) || last; rest = slash + 1) {
                if (slash)
                        *slash = 0;
                next = make_one(fd, rest);
                close(fd);
                fd = next;
                if (fd < 0 || !slash)
                        break;
        }
        close_fd(&fd);
        return fd < 0 ? fd : 0;
}

int memory_make_directories(const char *path, int last) {
        const char *rest = memory_rest(path);
        char copy[PATH_SIZE];
        int fd;

        if (!rest)
                return -EACCES;
        fd = make_one(AT_FDCWD, MEMORY_STATE);
        if (fd < 0)
                return fd;
        close(fd);
        fd = memory_open_state(1);
        if (fd < 0)
                return fd;
        snprintf(copy, sizeof(copy), "%s", rest);
        return make_below(fd, copy, last);
}

void memory_prune(const char *path) {
        CLEANUP_FD int state = memory_rest(path) ? memory_open_state(1) : -1;
        char directory[PATH_SIZE];
        const char *name;

        if (state < 0)
                return;
        for (snprintf(directory, sizeof(directory), "%s", path);;) {
                *strrchr(directory, '/') = 0;
                if (!memory_rest(directory))
                        break;

                CLEANUP_FD int parent = memory_open_parent(directory, 1, &name);

                if (parent < 0 || unlinkat(parent, name, AT_REMOVEDIR) < 0)
                        return;
        }
        unlinkat(state, MEMORY_TREE + strlen(MEMORY_STATE) + 1, AT_REMOVEDIR);
}
