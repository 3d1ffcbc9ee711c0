#define _GNU_SOURCE
#include "store_files.h"

#include <errno.h>
#include <sys/mman.h>

enum { CLEAN, WRITTEN, SYNCING };

int files_begin(struct files *files, uint64_t count, uint32_t flags) {
        void *written = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (written == MAP_FAILED)
                return -errno;
        files->written = written;
        files->is_direct = flags & NODEOS_STORE_DIRECT;
        return descriptors_begin(&files->descriptors, 2 * count);
}

void files_end(struct files *files) {
        if (files->written)
                munmap(files->written, files->descriptors.count / 2);
        descriptors_end(&files->descriptors);
}

/* A file's descriptors, as they are needed. */
static int take(struct files *files, uint64_t file, bool make, struct medium *ret) {
        *ret = MEDIUM_CLOSED;
        ret->fd = descriptors_take(&files->descriptors, 2 * file, make);
        if (ret->fd < 0 || !files->is_direct)
                return ret->fd < 0 ? ret->fd : 0;
        ret->direct_fd = descriptors_take(&files->descriptors, 2 * file + 1, make);
        if (ret->direct_fd < 0)
                descriptors_give(&files->descriptors, 2 * file);
        return ret->direct_fd < 0 ? ret->direct_fd : 0;
}

static void give(struct files *files, uint64_t file) {
        descriptors_give(&files->descriptors, 2 * file);
        if (files->is_direct)
                descriptors_give(&files->descriptors, 2 * file + 1);
}

int files_read(struct files *files, uint64_t file, void *buffer, uint64_t bytes, uint64_t offset) {
        struct medium medium;
        int error = take(files, file, false, &medium);

        if (error < 0)
                return error;
        error = medium_read(&medium, buffer, bytes, offset);
        give(files, file);
        return error;
}

int files_write(struct files *files, uint64_t file, const void *buffer, uint64_t bytes, uint64_t offset) {
        struct medium medium;
        int error = take(files, file, true, &medium);

        if (error < 0)
                return error;
        error = medium_write(&medium, buffer, bytes, offset);
        __atomic_store_n(&files->written[file], WRITTEN, __ATOMIC_SEQ_CST);
        give(files, file);
        return error;
}

static int sync_one(struct files *files, uint64_t file) {
        struct medium medium;
        int error = take(files, file, false, &medium);

        if (error < 0)
                return error;
        error = medium_sync(&medium);
        give(files, file);
        return error;
}

int files_sync(struct files *files, uint64_t first, uint64_t count) {
        int first_error = 0;

        for (uint64_t file = first; file < first + count; file++) {
                uint8_t syncing = SYNCING;
                int error;

                if (!__atomic_load_n(&files->written[file], __ATOMIC_ACQUIRE))
                        continue;
                // Not CLEAN before it is true: another thread that syncs relies on it.
                __atomic_store_n(&files->written[file], SYNCING, __ATOMIC_SEQ_CST);
                error = sync_one(files, file);
                if (error == 0)
                        __atomic_compare_exchange_n(&files->written[file], &syncing, CLEAN, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
                else if (first_error == 0)
                        first_error = error;
        }
        return first_error;
}
