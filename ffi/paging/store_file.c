/* A part of one file. */
#include <errno.h>
#include <stdlib.h>

#include "store_medium.h"

struct file_store {
        struct nodeos_store store;
        struct medium medium;
        uint64_t offset;
};

static int read_file(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        struct file_store *file = (struct file_store *) store;

        return is_within(store, bytes, offset) ? medium_read(&file->medium, buffer, bytes, file->offset + offset) : -EINVAL;
}

static int write_file(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        struct file_store *file = (struct file_store *) store;

        return is_within(store, bytes, offset) ? medium_write(&file->medium, buffer, bytes, file->offset + offset) : -EINVAL;
}

static int sync_file(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        (void) bytes, (void) offset;
        return medium_sync(&((struct file_store *) store)->medium);
}

static void close_file(struct nodeos_store *store) {
        medium_close(&((struct file_store *) store)->medium);
        free(store);
}

static const struct nodeos_store_calls reads = { .read = read_file, .close = close_file };
static const struct nodeos_store_calls writes = { .read = read_file, .write = write_file, .sync = sync_file, .close = close_file };

/* Whether the kernel can map what the store has: not where that would be through a cache that was not wanted, huge pages by halves,
 * or a device, which has no private mappings. */
static bool is_plain(const struct file_store *file) {
        const struct medium *medium = &file->medium;

        if (medium->direct_fd >= 0)
                return false;
        return !medium->memory || (medium->has_read && !((file->offset | file->store.bytes) & (medium->granule - 1)));
}

/* Takes an open file over, also on failure. */
static int make(struct medium *medium, uint32_t flags, uint64_t offset, uint64_t bytes, struct nodeos_store **ret) {
        struct file_store *file = NULL;
        int error = 0;

        if (offset >= medium->bytes || bytes > medium->bytes - offset)
                error = -ENODATA;
        else if (!(file = calloc(1, sizeof(*file))))
                error = -ENOMEM;
        if (error < 0) {
                medium_close(medium);
                return error;
        }
        file->medium = *medium;
        file->offset = offset;
        file->store = (struct nodeos_store) {
                .calls = flags & NODEOS_STORE_WRITE ? &writes : &reads,
                .bytes = bytes ? bytes : medium->bytes - offset,
                .block_bytes = 1,
                .flags = (flags & NODEOS_STORE_WRITE) | NODEOS_STORE_SIGNAL_SAFE,
                .plain_offset = offset,
        };
        file->store.plain_fd = is_plain(file) ? file->medium.fd : -1;
        *ret = &file->store;
        return 0;
}

/* Offsets of files are signed. */
static bool is_range(uint64_t offset, uint64_t bytes) {
        return offset <= INT64_MAX && bytes <= INT64_MAX - offset;
}

int nodeos_store_file(const char *path, uint32_t flags, uint64_t offset, uint64_t bytes, struct nodeos_store **ret) {
        struct medium medium;
        int error;

        if (!path || !ret || !medium_flags_ok(flags) || !is_range(offset, bytes))
                return -EINVAL;
        error = medium_open(path, flags, bytes ? offset + bytes : 0, &medium);
        return error < 0 ? error : make(&medium, flags, offset, bytes, ret);
}

int nodeos_store_descriptor(int fd, uint32_t flags, uint64_t offset, uint64_t bytes, struct nodeos_store **ret) {
        struct medium medium;
        int error;

        if (!ret || !medium_flags_ok(flags) || !is_range(offset, bytes))
                return -EINVAL;
        error = medium_open_fd(fd, flags, bytes ? offset + bytes : 0, &medium);
        return error < 0 ? error : make(&medium, flags, offset, bytes, ret);
}
