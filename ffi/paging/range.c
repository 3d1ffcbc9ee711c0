/* What a program asks for ranges: flush, populate, evict. */
#define _GNU_SOURCE
#include <errno.h>

#include "paging.h"
#include "uffd.h"

void range_pages(const struct nodeos_region *region, uint64_t offset, uint64_t bytes, uint64_t *ret_first, uint64_t *ret_end) {
        uint64_t end = bytes && bytes < region->bytes - offset ? offset + bytes : region->bytes;

        *ret_first = offset / region->page_bytes;
        *ret_end = (end + region->page_bytes - 1) / region->page_bytes;
}

uint64_t skip_untouched(const struct nodeos_region *region, uint64_t page, uint64_t end) {
        while (page < end && !is_charged(region, page))
                page = (page / SMALL_BYTES + 1) * SMALL_BYTES;
        return page < end ? page : end;
}

/* Writes a run of pages that are WRITING_BACK now: those that were written, which the kernel knows. */
static int flush_scanned(struct nodeos_region *region, uint64_t first, uint64_t count) {
        struct nodeos_buffer *buffer = region->buffer;
        uint64_t written = 0;
        int error;

        busy_begin(buffer);
        lock_release(&buffer->lock);
        error = scan_write(region, first, count, &written);
        lock_take(&buffer->lock);
        writeback_end(region);
        counts(region)->written_pages += written;
        counts(region)->writes += written > 0;
        pages_set(region, first, count, CLEAN);
        region->error = region->error ? region->error : error;
        busy_end(buffer);
        return error;
}

/* The same where all of them are dirty. */
static int flush_run(struct nodeos_region *region, uint64_t first, uint64_t count) {
        struct nodeos_buffer *buffer = region->buffer;
        uint64_t failed = 0, failed_end = 0;
        int error;

        busy_begin(buffer);
        lock_release(&buffer->lock);
        error = writeback(region, first, count, &failed, &failed_end);
        lock_take(&buffer->lock);
        writeback_end(region);
        if (!error)
                failed = failed_end = first + count;
        pages_set(region, first, failed - first, CLEAN);
        pages_set(region, failed, failed_end - failed, DIRTY);
        pages_set(region, failed_end, first + count - failed_end, CLEAN);
        counts(region)->dirty_pages -= (count - (failed_end - failed)) * region->small;
        busy_end(buffer);
        return error;
}

int range_flush(struct nodeos_region *region, uint64_t first, uint64_t end) {
        uint64_t most = write_most(region);
        unsigned wanted = is_scanned(region) ? CLEAN : DIRTY;
        int first_error = 0;

        if (!region->writable)
                return 0;
        for (uint64_t page = first; (page = skip_untouched(region, page, end)) < end;) {
                uint64_t count = 0;
                unsigned state = state_of(region, page);

                /* What somebody fills may be written already, and what an evictor writes has to be written before we return. */
                if (state >= BUSY) {
                        page_wait(region, page);
                        continue;
                }
                while (page + count < end && count < most && is_charged(region, page + count) && state_of(region, page + count) == wanted)
                        state_set(region, page + count++, WRITING_BACK);
                if (count) {
                        int error = is_scanned(region) ? flush_scanned(region, page, count) : flush_run(region, page, count);

                        first_error = first_error ? first_error : error;
                }
                page += count ? count : 1;
        }
        return first_error;
}

int range_fill(struct nodeos_region *region, struct slot *slot, uint64_t first, uint64_t end, bool is_write, uint32_t flags) {
        int first_error = 0;

        for (uint64_t page = first; page < end;) {
                unsigned state;
                int error = 0;

                page_charge(region, page);
                state = state_of(region, page);
                if (state >= BUSY) {
                        page_wait(region, page);
                        continue;
                }
                if (state == ABSENT) {
                        uint64_t most = window_most(region, slot, is_write);
                        struct window window = { .first = page, .count = 1 };

                        while (window.count < most && page + window.count < end && is_charged(region, page + window.count) &&
                               state_of(region, page + window.count) == ABSENT)
                                window.count++;
                        error = window_fill(region, slot, window, page, is_write, flags | AHEAD);
                } else if (state == CLEAN && is_write && region->tracked) {
                        page_write(region, page);
                } else if (state == POISONED) {
                        error = failure_of(region, page);
                }
                first_error = first_error ? first_error : error;
                page++;
        }
        return first_error;
}

int nodeos_region_flush(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        uint64_t first, end;
        struct calm calm;
        int error;

        if (offset >= region->bytes)
                return -EINVAL;
        range_pages(region, offset, bytes, &first, &end);
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_flush(region, offset, bytes);
        error = calm_begin(&calm, region);
        if (error)
                return error;
        lock_take(&region->buffer->lock);
        error = range_flush(region, first, end);
        /* What failed meanwhile is dirty, or written by now. */
        region->error = 0;
        lock_release(&region->buffer->lock);
        if (!error && region->writable && region->store->calls->sync) {
                uint64_t from = first * region->page_bytes, to = end * region->page_bytes;

                to = to < region->store->bytes ? to : region->store->bytes;
                if (from < to)
                        error = region->store->calls->sync(region->store, to - from, from);
        }
        calm_end(&calm);
        return error;
}

int nodeos_region_populate(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        struct nodeos_buffer *buffer = region->buffer;
        uint64_t first, end, room;
        struct calm calm;
        struct slot *slot;
        int error = 0;

        if (offset >= region->bytes)
                return -EINVAL;
        range_pages(region, offset, bytes, &first, &end);
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_populate(region, offset, bytes);
        error = calm_begin(&calm, region);
        if (error)
                return error;
        lock_take(&buffer->lock);
        slot = slot_take(buffer, 0);
        /* More would evict what it read first. */
        room = buffer_available(buffer) > buffer->pinned ? (buffer_available(buffer) - buffer->pinned) / region->small : 1;
        if (end - first > room)
                end = first + room;
        error = range_fill(region, slot, first, end, false, 0);
        slot_give(buffer, slot);
        lock_release(&buffer->lock);
        calm_end(&calm);
        return error == GONE ? -EFAULT : error;
}

int nodeos_region_evict(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        struct nodeos_buffer *buffer = region->buffer;
        uint64_t first, end;
        struct calm calm;
        struct slot *slot;
        int error = 0;

        if (offset >= region->bytes)
                return -EINVAL;
        range_pages(region, offset, bytes, &first, &end);
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_evict(region, offset, bytes);
        error = calm_begin(&calm, region);
        if (error)
                return error;
        lock_take(&buffer->lock);
        slot = slot_take(buffer, 0);
        while (first < end) {
                int failed = 0;

                first = victims_of_range(region, slot, first, end);
                if (slot->victims_count)
                        victims_evict(buffer, slot, &failed);
                error = error ? error : failed;
        }
        slot_give(buffer, slot);
        lock_release(&buffer->lock);
        calm_end(&calm);
        return error;
}
