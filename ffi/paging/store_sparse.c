/* A directory of files of a granule each; see store_sparse_metadata.c for what lies in it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_files.h"
#include "store_sparse.h"
#include "store_wait.h"

struct sparse_store {
        struct nodeos_store store;
        struct files files;
        uint64_t granule;
        uint32_t flags;
        int directory;
        uint32_t made;   /* how many files were made */
        uint32_t synced; /* up to which their names are on the medium */
};

/* "12" or ".granule-12-3456"; a signal handler may not call printf. */
static void name_file(char *to, uint64_t index, uint64_t thread) {
        char digits[24];
        unsigned n;

        if (thread) {
                memcpy(to, ".granule-", 9);
                to += 9;
        }
        for (int i = 0; i < (thread ? 2 : 1); i++) {
                uint64_t value = i ? thread : index;

                if (i)
                        *to++ = '-';
                n = 0;
                do
                        digits[n++] = (char) ('0' + value % 10);
                while (value /= 10);
                while (n)
                        *to++ = digits[--n];
        }
        *to = '\0';
}

/* Gives a file its name, unless there is one of that name. Some file systems have no links, others no such rename. */
static int name_it(int directory, const char *unfinished, const char *name) {
        if (linkat(directory, unfinished, directory, name, 0) == 0 || errno == EEXIST)
                return 0;
        if (renameat2(directory, unfinished, directory, name, RENAME_NOREPLACE) == 0 || errno == EEXIST)
                return 0;
        return -errno;
}

/* Makes a file in full length, unless another thread is faster. */
static int make_file(struct sparse_store *sparse, uint64_t index, const char *name) {
        uint64_t bytes = min_u64(sparse->granule, sparse->store.bytes - index * sparse->granule);
        char unfinished[64];
        int fd, error = 0;

        name_file(unfinished, index, (uint64_t) syscall(SYS_gettid));
        fd = openat(sparse->directory, unfinished, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) bytes) < 0)
                error = -errno;
        else
                error = name_it(sparse->directory, unfinished, name);
        unlinkat(sparse->directory, unfinished, 0);
        close(fd);
        __atomic_fetch_add(&sparse->made, 1, __ATOMIC_SEQ_CST);
        return error;
}

static int open_granule(void *owner, uint64_t number, bool make) {
        struct sparse_store *sparse = owner;
        int flags = (sparse->flags & NODEOS_STORE_WRITE ? O_RDWR : O_RDONLY) | (number & 1 ? O_DIRECT : 0) | O_CLOEXEC;
        char name[64];
        int fd, error;

        name_file(name, number / 2, 0);
        fd = openat(sparse->directory, name, flags);
        if (fd >= 0 || errno != ENOENT || !make)
                return fd < 0 ? -errno : fd;
        error = make_file(sparse, number / 2, name);
        if (error < 0)
                return error;
        fd = openat(sparse->directory, name, flags);
        return fd < 0 ? -errno : fd;
}

static int transfer(struct nodeos_store *store, char *buffer, uint64_t bytes, uint64_t offset, bool is_write) {
        struct sparse_store *sparse = (struct sparse_store *) store;
        int error = is_within(store, bytes, offset) ? 0 : -EINVAL;

        while (bytes && error == 0) {
                uint64_t index = offset / sparse->granule, from = offset % sparse->granule;
                uint64_t piece = min_u64(bytes, sparse->granule - from);

                if (is_write)
                        error = files_write(&sparse->files, index, buffer, piece, from);
                else
                        error = files_read(&sparse->files, index, buffer, piece, from);
                if (error == -ENOENT && !is_write) {
                        memset(buffer, 0, piece);
                        error = 0;
                }
                buffer += piece;
                bytes -= piece;
                offset += piece;
        }
        return error;
}

static int read_sparse(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        return transfer(store, buffer, bytes, offset, false);
}

static int write_sparse(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        return transfer(store, (char *) (uintptr_t) buffer, bytes, offset, true);
}

static int sync_sparse(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        struct sparse_store *sparse = (struct sparse_store *) store;
        uint32_t made = __atomic_load_n(&sparse->made, __ATOMIC_SEQ_CST);
        uint64_t first, last;
        int error;

        if (offset >= store->bytes)
                return bytes || offset > store->bytes ? -EINVAL : 0;
        first = offset / sparse->granule;
        last = (bytes && bytes < store->bytes - offset ? offset + bytes - 1 : store->bytes - 1) / sparse->granule;
        error = files_sync(&sparse->files, first, last - first + 1);
        if (error == 0 && __atomic_load_n(&sparse->synced, __ATOMIC_SEQ_CST) != made) {
                if (fsync(sparse->directory) < 0)
                        return -errno;
                __atomic_store_n(&sparse->synced, made, __ATOMIC_SEQ_CST);
        }
        return error;
}

static void close_sparse(struct nodeos_store *store) {
        struct sparse_store *sparse = (struct sparse_store *) store;

        files_end(&sparse->files);
        close(sparse->directory);
        free(sparse);
}

static const struct nodeos_store_calls reads = { .read = read_sparse, .close = close_sparse };
static const struct nodeos_store_calls writes = { .read = read_sparse, .write = write_sparse, .sync = sync_sparse, .close = close_sparse };

static bool is_request(uint32_t flags, uint64_t bytes, uint64_t granule) {
        if (!medium_flags_ok(flags))
                return false;
        return !(flags & NODEOS_STORE_CREATE) || sparse_sizes_ok(bytes, granule);
}

int nodeos_store_sparse(const char *directory, uint32_t flags, uint64_t bytes, uint64_t granule, struct nodeos_store **ret) {
        struct sparse_store *sparse;
        int error;

        if (!directory || !ret || !is_request(flags, bytes, granule))
                return -EINVAL;
        sparse = calloc(1, sizeof(*sparse));
        if (!sparse)
                return -ENOMEM;
        sparse->directory = sparse_open(directory, flags, &bytes, &granule);
        if (sparse->directory < 0) {
                error = sparse->directory;
                free(sparse);
                return error;
        }
        sparse->granule = granule;
        sparse->flags = flags;
        sparse->store = (struct nodeos_store) {
                .calls = flags & NODEOS_STORE_WRITE ? &writes : &reads,
                .bytes = bytes,
                .block_bytes = 1,
                .flags = (flags & NODEOS_STORE_WRITE) | NODEOS_STORE_SIGNAL_SAFE,
                .plain_fd = -1,
        };
        sparse->files.descriptors.owner = sparse;
        sparse->files.descriptors.open_file = open_granule;
        error = files_begin(&sparse->files, (bytes - 1) / granule + 1, flags);
        if (error < 0)
                close_sparse(&sparse->store);
        else
                *ret = &sparse->store;
        return error;
}
