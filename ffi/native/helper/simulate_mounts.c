/* Puts simulated directories where programs look for them, in a namespace of mounts that is nobody else's. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../internal.h"
#include "helper.h"
#include "simulate.h"

/* Shows one entry of a directory that is covered now, under the name that it had. */
static int show(int covered, const char *directory, const struct dirent *entry) {
        char source[PATH_MAX], target[PATH_MAX], link[PATH_MAX];
        struct stat status;
        ssize_t n;

        snprintf(source, sizeof(source), "/proc/self/fd/%d/%s", covered, entry->d_name);
        if (snprintf(target, sizeof(target), "%s/%s", directory, entry->d_name) >= (int) sizeof(target))
                return -ENAMETOOLONG;
        if (fstatat(covered, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (S_ISLNK(status.st_mode)) {
                n = readlinkat(covered, entry->d_name, link, sizeof(link) - 1);
                if (n < 0)
                        return -errno;
                link[n] = 0;
                return symlink(link, target) < 0 ? -errno : 0;
        }
        if (S_ISDIR(status.st_mode) ? mkdir(target, 0755) < 0 : mknod(target, S_IFREG | 0644, 0) < 0)
                return -errno;
        return mount(source, target, NULL, MS_BIND | MS_REC, NULL) < 0 ? -errno : 0;
}

/* Makes room for new names in a directory of a file system that takes none: a directory of ours with all that was in it. */
static int make_room(const char *directory) {
        CLEANUP_FD int covered = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int listed = covered < 0 ? -1 : openat(covered, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
        DIR *list = listed < 0 ? NULL : fdopendir(listed);
        const struct dirent *entry;

        if (!list)
                return -errno;
        if (mount("nodeos-simulated", directory, "tmpfs", MS_NOSUID, "mode=755,size=1m") < 0)
                error = -errno;
        while (error == 0 && (entry = readdir(list)))
                if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
                        error = show(covered, directory, entry);
        closedir(list);
        return error;
}

/* The directory for a path, made when it is not there; its own directory is, or can be made the same way. */
static int make_directory(char *path) {
        struct stat status;
        char *name;
        int error;

        if (stat(path, &status) == 0)
                return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
        name = strrchr(path, '/');
        if (errno != ENOENT || name == path)
                return -errno;
        *name = 0;
        error = make_directory(path);
        if (error == 0)
                error = make_room(path);
        *name = '/';
        return error < 0 ? error : mkdir(path, 0755) < 0 ? -errno : 0;
}

int mounts_cover(const char *at, const char *paths) {
        for (const char *next = paths; *next;) {
                int length = (int) strcspn(next, ",");
                char source[PATH_MAX], target[PATH_MAX];
                int error;

                snprintf(source, sizeof(source), "%s/%.*s", at, length, next);
                snprintf(target, sizeof(target), "/%.*s", length, next);
                error = make_directory(target);
                if (error == 0 && mount(source, target, NULL, MS_BIND, NULL) < 0)
                        error = -errno;
                if (error < 0)
                        return fail(125, "Cannot show simulated files at %s: %s", target, strerror(-error));
                next += length + (next[length] == ',');
        }
        return -1;
}
