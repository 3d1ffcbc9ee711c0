#define _GNU_SOURCE
#include "store_named.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_named(void *owner, uint64_t index, bool make) {
        struct named_files *named = owner;
        const struct named *name = &named->names[index / 2];
        int access = named->flags & NODEOS_STORE_WRITE ? O_RDWR : O_RDONLY;
        struct stat status;
        int fd;

        (void) make;
        fd = open(name->path, access | (index & 1 ? O_DIRECT : 0) | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &status) < 0 || status.st_dev != name->device || status.st_ino != name->inode) {
                close(fd);
                return -ESTALE;
        }
        return fd;
}

int named_begin(struct named_files *named, uint32_t count, uint32_t flags) {
        named->flags = flags;
        named->names = calloc(count, sizeof(*named->names));
        return named->names ? 0 : -ENOMEM;
}

static int keep(struct named_files *named, const char *path, int fd) {
        struct named *last = named->count ? &named->names[named->count - 1] : NULL;
        struct stat status;
        char *copy;

        if (fstat(fd, &status) < 0)
                return -errno;
        if (last && last->device == status.st_dev && last->inode == status.st_ino)
                return 0;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        named->names[named->count++] = (struct named) { .path = copy, .device = status.st_dev, .inode = status.st_ino };
        return 0;
}

int named_add(struct named_files *named, const char *path, uint64_t offset, uint64_t bytes, uint64_t *ret_file, uint64_t *ret_bytes) {
        struct medium medium;
        int error;

        if (!path || offset > INT64_MAX || bytes > INT64_MAX - offset)
                return -EINVAL;
        error = medium_open(path, named->flags, bytes ? offset + bytes : 0, &medium);
        if (error < 0)
                return error;
        if (offset >= medium.bytes || bytes > medium.bytes - offset)
                error = -ENODATA;
        else if (medium.memory && (!medium.has_read || named->flags & NODEOS_STORE_WRITE))
                error = -EOPNOTSUPP;
        else
                error = keep(named, path, medium.fd);
        *ret_bytes = bytes ? bytes : medium.bytes - offset;
        *ret_file = named->count - 1;
        medium_close(&medium);
        return error;
}

int named_ready(struct named_files *named) {
        named->files.descriptors.owner = named;
        named->files.descriptors.open_file = open_named;
        return named->count ? files_begin(&named->files, named->count, named->flags) : 0;
}

void named_end(struct named_files *named) {
        files_end(&named->files);
        for (uint64_t i = 0; i < named->count; i++)
                free(named->names[i].path);
        free(named->names);
}
