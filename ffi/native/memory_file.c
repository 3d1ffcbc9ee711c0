/* Files that are memory: what they are like, giving their memory back, links to devices, and the devices themselves. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "memory.h"

int memory_is_device(const char *path) {
        unsigned region, device;
        int length = 0;

        return sscanf(path, "/dev/dax%u.%u%n", &region, &device, &length) == 2 && !path[length];
}

static int stat_file(const char *path, struct stat *ret_facts) {
        const char *name = path;
        CLEANUP_FD int parent = memory_is_device(path) ? AT_FDCWD : memory_open_parent(path, 0, &name);

        if (parent < 0 && parent != AT_FDCWD)
                return parent;
        return fstatat(parent, name, ret_facts, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int32_t nodeos_memory_list(const char *path, uint8_t *ret_names, int32_t size) {
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 0, &name);
        int fd = parent < 0 ? parent : openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 && parent >= 0 ? -errno : directory_list(fd, ret_names, size);
}

int32_t nodeos_memory_stat(const char *path, int64_t *ret_facts) {
        struct stat facts;
        int error = stat_file(path, &facts);

        if (error < 0)
                return error;
        ret_facts[0] = facts.st_size;
        ret_facts[1] = (int64_t) facts.st_blocks * 512;
        ret_facts[2] = facts.st_uid;
        ret_facts[3] = facts.st_gid;
        ret_facts[4] = facts.st_mode;
        ret_facts[5] = facts.st_blksize;
        ret_facts[6] = major(facts.st_dev);
        ret_facts[7] = minor(facts.st_dev);
        ret_facts[8] = (int64_t) facts.st_ino;
        return 0;
}

/* Opens a file of the tree to change it; a device, or whatever else somebody might have put there, is refused. */
static int open_file(const char *path) {
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 1, &name);
        int fd = parent < 0 ? parent : openat(parent, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat facts;

        if (fd < 0)
                return parent < 0 ? parent : -errno;
        if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode))
                return fd;
        close(fd);
        return -EINVAL;
}

int32_t nodeos_memory_shrink(const char *path, int64_t bytes, uint32_t uid, uint32_t gid) {
        CLEANUP_FD int fd = open_file(path);
        struct stat facts;

        if (fd < 0)
                return fd;
        if (fstat(fd, &facts) < 0)
                return -errno;
        if (bytes < 0 || bytes > facts.st_size)
                return -EINVAL;
        if (bytes < facts.st_size && ftruncate(fd, bytes) < 0)
                return -errno;
        return fchown(fd, uid, gid) < 0 ? -errno : 0;
}

int32_t nodeos_memory_remove(const char *path) {
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 1, &name);
        CLEANUP_FD int fd = -1;
        struct stat facts;

        if (parent < 0)
                return parent;
        if (fstatat(parent, name, &facts, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISREG(facts.st_mode)) {
                /* Whoever still maps it would keep its memory otherwise. */
                fd = openat(parent, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || ftruncate(fd, 0) < 0)
                        return -errno;
        }
        if (unlinkat(parent, name, 0) < 0)
                return -errno;
        memory_prune(path);
        return 0;
}

int32_t nodeos_memory_link(const char *path, const char *device) {
        const char *name;
        int error = memory_is_device(device) ? memory_make_directories(path, 0) : -EINVAL;
        CLEANUP_FD int parent = error < 0 ? error : memory_open_parent(path, 1, &name);

        if (parent < 0)
                return parent;
        return symlinkat(device, parent, name) < 0 ? -errno : 0;
}

int32_t nodeos_memory_target(const char *path, uint8_t *ret_target, int32_t size) {
        const char *name;
        CLEANUP_FD int parent = memory_open_parent(path, 0, &name);
        ssize_t n;

        if (parent < 0)
                return parent;
        if (size <= 0)
                return -EINVAL;
        n = readlinkat(parent, name, (char *) ret_target, (size_t) size);
        return n < 0 ? -errno : (int32_t) n;
}

/* A mapping of a large device is long in coming and going: a piece at a time, in whole pages of any size. */
enum { PIECE_BYTES = 1 << 30 };

static int zero(int fd, int64_t bytes) {
        for (int64_t offset = 0; offset < bytes; offset += PIECE_BYTES) {
                size_t size = (size_t) (bytes - offset < PIECE_BYTES ? bytes - offset : PIECE_BYTES);
                void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

                if (memory == MAP_FAILED)
                        return -errno;
                memset(memory, 0, size);
                munmap(memory, size);
        }
        return 0;
}

int32_t nodeos_memory_own(const char *device, int64_t zero_bytes, uint32_t uid, uint32_t gid) {
        CLEANUP_FD int fd = memory_is_device(device) ? open(device, O_RDWR | O_NOFOLLOW | O_CLOEXEC) : -EACCES;
        struct stat facts;
        int error;

        if (fd < 0)
                return memory_is_device(device) ? -errno : fd;
        if (fstat(fd, &facts) < 0 || !S_ISCHR(facts.st_mode))
                return -ENODEV;
        if (fchown(fd, 0, 0) < 0 || fchmod(fd, 0600) < 0)
                return -errno;
        error = zero(fd, zero_bytes);
        if (error < 0)
                return error;
        return fchown(fd, uid, gid) < 0 ? -errno : 0;
}
