/* Writes runs of pages to their store. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "paging.h"
#include "store_medium.h"
#include "uffd.h"

#define COPY_BYTES (UINT64_C(256) << 10)

int store_write(struct nodeos_region *region, const char *from, uint64_t bytes, uint64_t offset) {
        int error;

        /* What is behind the end of the store is nobody's. */
        if (offset >= region->store->bytes)
                return 0;
        if (bytes > region->store->bytes - offset)
                bytes = region->store->bytes - offset;
        nest(1);
        do
                error = region->store->calls->write(region->store, from, bytes, offset);
        while (error == -EINTR);
        nest(-1);
        return error;
}

static int write_pieces(struct nodeos_region *region, uint64_t bytes, uint64_t offset, char *copy, uint64_t piece) {
        int error = 0;

        for (uint64_t done = 0, some; done < bytes && !error; done += some) {
                some = bytes - done < piece ? bytes - done : piece;
                error = memory_copy(region->address + offset + done, copy, some) ? 0 : -EFAULT;
                if (!error)
                        error = store_write(region, copy, some, offset + done);
        }
        return error;
}

/* What the program has made unreadable, or may drop. */
static int write_copied(struct nodeos_region *region, uint64_t bytes, uint64_t offset) {
        char *copy = MAP_FAILED;
        int error;

        /* Stores want few calls, and the buffer's limit little memory beside it. */
        if (bytes > BOUNCE_BYTES)
                copy = mmap(NULL, COPY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (copy != MAP_FAILED) {
                error = write_pieces(region, bytes, offset, copy, COPY_BYTES);
                munmap(copy, COPY_BYTES);
                return error;
        }
        copy = bounce_take();
        if (!copy)
                return -ENOMEM;
        error = write_pieces(region, bytes, offset, copy, BOUNCE_BYTES);
        bounce_give(copy);
        return error;
}

static __thread __attribute__((tls_model("initial-exec"))) struct own {
        const struct nodeos_region *region;
        uint64_t start, end;
} own;

bool is_own_writeback(const struct nodeos_region *region, uint64_t page) {
        uint64_t start = page * region->page_bytes;

        return own.region == region && start < own.end && own.start < start + region->page_bytes;
}

int memory_write(struct nodeos_region *region, uint64_t bytes, uint64_t offset) {
        struct own before = own; /* a store may fault in another region, which makes room */
        int error = -EFAULT;

        own = (struct own) { region, offset, offset + bytes };
        handler_waits();
        /* A page that the program drops is a fault that another thread answers, with a read of the store: the write may not hold what
         * that needs, as the file system's lock. */
        if (region->mode == NODEOS_MODE_SIGNAL && memory_is_readable(region->address + offset, bytes))
                error = store_write(region, region->address + offset, bytes, offset);
        if (error == -EFAULT)
                error = write_copied(region, bytes, offset);
        handler_goes_on();
        own = before;
        return error;
}

/* Part of a run, in pages of 4 KiB. */
struct piece {
        uint64_t first, end;
};

int small_write(struct nodeos_region *region, uint64_t small) {
        struct look look = { .end = small + 1 };
        int error = memory_write(region, SMALL_BYTES, small * SMALL_BYTES);

        /* Only now: it may have been there before. */
        return error == -EFAULT && !is_in_memory(region, &look, small) ? 0 : error;
}

/* Of one page that may be a larger one. */
static int page_write_back(struct nodeos_region *region, struct piece piece) {
        int error = memory_write(region, (piece.end - piece.first) * SMALL_BYTES, piece.first * SMALL_BYTES);

        if (error != -EFAULT)
                return error;
        error = 0;
        for (uint64_t at = piece.first; at < piece.end && !error; at++)
                error = small_write(region, at);
        return error;
}

/* Finds which pages of a piece the store does not take. */
static int write_one_by_one(struct nodeos_region *region, struct piece piece, uint64_t *failed, uint64_t *failed_end) {
        int first_error = 0;

        for (uint64_t at = piece.first, next; at < piece.end; at = next) {
                uint64_t page = at / region->small;
                int error;

                next = (page + 1) * region->small < piece.end ? (page + 1) * region->small : piece.end;
                error = page_write_back(region, (struct piece) { at, next });
                if (!error)
                        continue;
                first_error = first_error ? first_error : error;
                *failed = page < *failed ? page : *failed;
                *failed_end = page + 1;
                lock_take(&region->buffer->lock);
                failure_note(region, page, error);
                /* Nobody knows what the store has now: it is written also if it becomes what it was. */
                region->states[page] &= (uint8_t) ~EXPECTED;
                lock_release(&region->buffer->lock);
        }
        return first_error;
}

/* What the program dropped is as the store has it. */
static bool is_changed(const struct nodeos_region *region, struct look *look, uint64_t small) {
        return is_in_memory(region, look, small) && (region->small > 1 || expect_is_changed(region, small));
}

/* The next pages that were written. */
static struct piece next_changed(const struct nodeos_region *region, struct look *look, uint64_t at, uint64_t end) {
        struct piece piece;

        while (at < end && !is_changed(region, look, at))
                at++;
        piece = (struct piece) { at, at };
        end = end - at < write_most(region) * region->small ? end : at + write_most(region) * region->small;
        while (piece.end < end && (piece.end == at || is_changed(region, look, piece.end)))
                piece.end++;
        return piece;
}

void writeback_end(struct nodeos_region *region) {
        while (region->rescues)
                event_wait(&region->rescued, &region->buffer->lock);
}

int writeback(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_failed, uint64_t *ret_failed_end) {
        uint64_t failed = UINT64_MAX, failed_end = 0, writes = 0, written = 0, end = (first + count) * region->small;
        struct look look = { .end = end };
        struct piece piece = { .end = first * region->small };
        int first_error = 0;

        *ret_failed = *ret_failed_end = 0;
        if (region->tracked)
                uffd_protect(region->uffd, page_address(region, first), count * region->page_bytes, true);
        while ((piece = next_changed(region, &look, piece.end, end)).first < end) {
                int error = memory_write(region, (piece.end - piece.first) * SMALL_BYTES, piece.first * SMALL_BYTES);

                writes++;
                written += piece.end - piece.first;
                if (error)
                        error = write_one_by_one(region, piece, &failed, &failed_end);
                first_error = first_error ? first_error : error;
        }
        if (first_error && region->tracked)
                uffd_protect(region->uffd, page_address(region, failed), (failed_end - failed) * region->page_bytes, false);
        lock_take(&region->buffer->lock);
        counts(region)->writes += writes;
        counts(region)->written_pages += written;
        if (!first_error && written < count * region->small)
                expect_learn(region, false);
        else if (region->states[first] & EXPECTED)
                expect_learn(region, true);
        if (first_error && !region->error)
                region->error = first_error;
        lock_release(&region->buffer->lock);
        *ret_failed = first_error ? failed : 0;
        *ret_failed_end = failed_end;
        return first_error;
}
