/* Writes runs of pages to their store. */
#define _GNU_SOURCE
#include <errno.h>

#include "paging.h"
#include "uffd.h"

/* Pages that lie at `from`. */
int store_write(struct nodeos_region *region, const char *from, uint64_t first, uint64_t count) {
        uint64_t offset = first * region->page_bytes, bytes = count * region->page_bytes;
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

/* Finds which pages of a piece the store does not take. */
static int write_one_by_one(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *failed, uint64_t *failed_end) {
        int first_error = 0;

        for (uint64_t page = first; page < first + count; page++) {
                int error = store_write(region, page_address(region, page), page, 1);

                if (!error)
                        continue;
                first_error = first_error ? first_error : error;
                *failed = page < *failed ? page : *failed;
                *failed_end = page + 1;
                lock_take(&region->buffer->lock);
                failure_note(region, page, error);
                lock_release(&region->buffer->lock);
        }
        return first_error;
}

/* Goes to the next pages that were written, a piece at most, and says how many they are. */
static uint64_t next_changed(const struct nodeos_region *region, uint64_t *at, uint64_t end) {
        uint64_t piece = WRITE_BYTES_MAX / region->page_bytes, some = 0;

        while (*at < end && !expect_is_changed(region, *at))
                (*at)++;
        while (*at + some < end && some < (piece ? piece : 1) && (some == 0 || expect_is_changed(region, *at + some)))
                some++;
        return some;
}

int writeback(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_failed, uint64_t *ret_failed_end) {
        uint64_t failed = UINT64_MAX, failed_end = 0, writes = 0, written = 0;
        int first_error = 0;

        *ret_failed = *ret_failed_end = 0;
        if (region->tracked)
                uffd_protect(region->uffd, page_address(region, first), count * region->page_bytes, true);
        for (uint64_t at = first, some; (some = next_changed(region, &at, first + count)); at += some) {
                int error = store_write(region, page_address(region, at), at, some);

                writes++;
                written += some;
                if (error)
                        error = write_one_by_one(region, at, some, &failed, &failed_end);
                first_error = first_error ? first_error : error;
        }
        if (first_error && region->tracked)
                uffd_protect(region->uffd, page_address(region, failed), (failed_end - failed) * region->page_bytes, false);
        lock_take(&region->buffer->lock);
        counts(region)->writes += writes;
        counts(region)->written_pages += written * region->small;
        if (!first_error && written < count)
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
