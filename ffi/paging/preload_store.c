/* Where pages of mappings come from. Shared ones behave at the end of their file as the kernel has it: what is behind it in the last
 * page reads zero and is not written, pages behind that do not exist. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paging.h"
#include "preload.h"

/* As many bytes as there are: less only at the end of the file. */
static int read_all(int fd, char *to, uint64_t bytes, uint64_t offset, uint64_t *ret_done) {
        uint64_t done = 0;

        while (done < bytes) {
                ssize_t n = syscall(SYS_pread64, fd, to + done, bytes - done, offset + done);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        done += (uint64_t) n;
        }
        *ret_done = done;
        return 0;
}

static int write_all(int fd, const char *from, uint64_t bytes, uint64_t offset) {
        for (uint64_t done = 0; done < bytes;) {
                ssize_t n = syscall(SYS_pwrite64, fd, from + done, bytes - done, offset + done);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        done += (uint64_t) n;
        }
        return 0;
}

static bool is_spilled(const struct paged_store *store, uint64_t page) {
        return store->spill_fd >= 0 && store->spilled[page / 64] >> page % 64 & 1;
}

static int read_file(const struct paged_store *store, char *to, uint64_t bytes, uint64_t offset) {
        uint64_t done;
        int error = read_all(store->fd, to, bytes, store->offset + offset, &done);

        if (error < 0)
                return error;
        if (bytes - done >= SYSTEM_PAGE)
                return -ENODATA;
        memset(to + done, 0, bytes - done);
        return 0;
}

/* Where the run of pages ends that are all of the one file or of the other. */
static uint64_t run_end(const struct paged_store *store, uint64_t from, uint64_t to) {
        uint64_t at = from + SYSTEM_PAGE;

        while (at < to && is_spilled(store, at / SYSTEM_PAGE) == is_spilled(store, from / SYSTEM_PAGE))
                at += SYSTEM_PAGE;
        return at < to ? at : to;
}

static int paged_read(struct nodeos_store *head, void *buffer, uint64_t bytes, uint64_t offset) {
        struct paged_store *store = (struct paged_store *) head;
        char *to = buffer;
        uint64_t done, at = offset;
        int error = 0;

        while (error == 0 && at < offset + bytes) {
                uint64_t end = run_end(store, at, offset + bytes);

                if (is_spilled(store, at / SYSTEM_PAGE))
                        error = read_all(store->spill_fd, to + (at - offset), end - at, at, &done);
                else
                        error = read_file(store, to + (at - offset), end - at, at);
                at = end;
        }
        return error;
}

/* A page goes to the second file unless it is as in the first one: a stream that writes is given pages that it may never write to. */
static int spill_page(struct paged_store *store, const char *from, uint64_t offset) {
        uint64_t page = offset / SYSTEM_PAGE, bit = UINT64_C(1) << page % 64;
        char before[SYSTEM_PAGE], now[SYSTEM_PAGE];
        int error;

        /* Another thread may make it unreadable just now. */
        if (!memory_copy(from, now, SMALL_BYTES))
                return -EFAULT;
        if (read_file(store, before, SYSTEM_PAGE, offset) == 0 && !memcmp(before, now, SYSTEM_PAGE)) {
                atomic_fetch_and(&store->spilled[page / 64], ~bit);
                return 0;
        }
        error = write_all(store->spill_fd, now, SYSTEM_PAGE, offset);
        if (error == 0)
                atomic_fetch_or(&store->spilled[page / 64], bit);
        return error;
}

static int paged_write(struct nodeos_store *head, const void *buffer, uint64_t bytes, uint64_t offset) {
        struct paged_store *store = (struct paged_store *) head;
        struct stat file;
        uint64_t room;
        int error = 0;

        if (store->spill_fd >= 0) {
                for (uint64_t at = 0; error == 0 && at < bytes; at += SYSTEM_PAGE)
                        error = spill_page(store, (const char *) buffer + at, offset + at);
                return error;
        }
        if (fstat(store->fd, &file) < 0)
                return -errno;
        room = (uint64_t) file.st_size > store->offset + offset ? (uint64_t) file.st_size - store->offset - offset : 0;
        return write_all(store->fd, buffer, bytes < room ? bytes : room, store->offset + offset);
}

void store_leave(struct paged_store *store) {
        if (atomic_fetch_sub(&store->users, 1) > 1)
                return;
        if (store->spill_fd >= 0)
                syscall(SYS_close, store->spill_fd);
        free((void *) store->spilled);
        free(store);
}

static void paged_close(struct nodeos_store *head) {
        store_leave((struct paged_store *) head);
}

/* A file without a name. What is never written takes no room in it. */
static int spill_make(void) {
        const char *directory = getenv("NODEOS_PAGING_SPILL");
        char path[4096];
        int fd;

        if (!directory)
                directory = getenv("TMPDIR");
        if (!directory || !*directory)
                directory = "/tmp";
        fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
                return fd < 0 ? -errno : fd;
        if ((size_t) snprintf(path, sizeof(path), "%s/nodeos-paging-XXXXXX", directory) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        unlink(path);
        return fd;
}

int store_resize(struct paged_store *store, uint64_t bytes) {
        uint64_t words = bytes / SYSTEM_PAGE / 64 + 1, old = store->head.bytes / SYSTEM_PAGE / 64 + 1;

        if (store->spill_fd >= 0) {
                uint64_t *more = realloc((void *) store->spilled, words * sizeof(*more));

                if (!more)
                        return -ENOMEM;
                if (words > old || !store->spilled)
                        memset(more + (store->spilled ? old : 0), 0, (words - (store->spilled ? old : 0)) * sizeof(*more));
                store->spilled = (_Atomic uint64_t *) more;
                if (ftruncate(store->spill_fd, (off_t) bytes) < 0)
                        return -errno;
        }
        store->head.bytes = bytes;
        return 0;
}

int store_make(int fd, uint64_t offset, uint64_t bytes, bool is_private, struct paged_store **ret) {
        static const struct nodeos_store_calls calls = { paged_read, paged_write, NULL, paged_close };
        struct paged_store *store = calloc(1, sizeof(*store));
        int error;

        if (!store)
                return -ENOMEM;
        store->head = (struct nodeos_store) {
                .calls = &calls,
                .block_bytes = SYSTEM_PAGE,
                .flags = NODEOS_STORE_WRITE | NODEOS_STORE_SIGNAL_SAFE,
                .plain_fd = -1,
        };
        store->users = 1;
        store->fd = fd;
        store->offset = offset;
        store->spill_fd = is_private ? spill_make() : -1;
        error = is_private && store->spill_fd < 0 ? store->spill_fd : store_resize(store, bytes);
        if (error < 0)
                store_leave(store);
        else
                *ret = store;
        return error;
}

void store_forget(struct paged_store *store, uint64_t from, uint64_t to) {
        for (uint64_t page = from / SYSTEM_PAGE; store->spill_fd >= 0 && page * SYSTEM_PAGE < to; page++)
                atomic_fetch_and(&store->spilled[page / 64], ~(UINT64_C(1) << page % 64));
}

int store_restore(struct paged_store *store, char *to, uint64_t from, uint64_t bytes) {
        uint64_t done;
        int error = 0;

        for (uint64_t at = from; error == 0 && store->spill_fd >= 0 && at < from + bytes; at += SYSTEM_PAGE)
                if (is_spilled(store, at / SYSTEM_PAGE))
                        error = read_all(store->spill_fd, to + (at - from), SYSTEM_PAGE, at, &done);
        return error;
}
