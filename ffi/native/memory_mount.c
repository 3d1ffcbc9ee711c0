/* File systems whose files are memory of one sort: pages of one size, from one NUMA node. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "memory.h"

/* A name for a descriptor that mount(2) takes: nobody can put another file there. */
#define DESCRIPTOR_SIZE 32

/* Whether something is mounted on a directory. */
static int is_mounted(int parent, const char *name) {
        struct stat above, facts;

        if (fstat(parent, &above) < 0 || fstatat(parent, name, &facts, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return above.st_dev != facts.st_dev;
}

static int remove_directory(int parent, const char *name, const char *path) {
        if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
                return -errno;
        memory_prune(path);
        return 0;
}

static int mount_on(const char *path, const char *type, unsigned long flags, const char *options) {
        char target[DESCRIPTOR_SIZE];
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 1, &name);
        CLEANUP_FD int fd = parent < 0 ? parent : openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return parent < 0 ? parent : -errno;
        snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
        return mount("nodeos", target, type, MS_NOSUID | MS_NODEV | MS_NOEXEC | flags, options) < 0 ? -errno : 0;
}

int32_t nodeos_memory_mount(const char *path, const char *type, const char *options) {
        const char *name;
        int error = strcmp(type, "tmpfs") && strcmp(type, "hugetlbfs") ? -EINVAL : memory_make_directories(path, 1);
        CLEANUP_FD int parent = error < 0 ? error : memory_open_parent(path, 1, &name);

        if (parent < 0)
                return parent;
        error = is_mounted(parent, name);
        if (error != 0)
                return error < 0 ? error : -EBUSY;
        error = mount_on(path, type, 0, options);
        if (error < 0)
                remove_directory(parent, name, path);
        return error;
}

int32_t nodeos_memory_remount(const char *path, const char *options) {
        return mount_on(path, NULL, MS_REMOUNT, options);
}

int32_t nodeos_memory_unmount(const char *path, int32_t detach) {
        char target[DESCRIPTOR_SIZE + 256];
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 1, &name);
        int mounted;

        if (parent < 0)
                return parent;
        mounted = is_mounted(parent, name);
        if (mounted < 0)
                return mounted;
        if (snprintf(target, sizeof(target), "/proc/self/fd/%d/%s", parent, name) >= (int) sizeof(target))
                return -ENAMETOOLONG;
        if (mounted && umount2(target, UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0)) < 0)
                return -errno;
        return remove_directory(parent, name, path);
}
