/* Pages that could not be had: why, and to ask for them again. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "paging.h"

int nodeos_region_forgive(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        uint64_t first, end;
        struct calm calm;
        int error;

        if (offset >= region->bytes)
                return -EINVAL;
        range_pages(region, offset, bytes, &first, &end);
        if (region->mode == NODEOS_MODE_PLAIN)
                return 0;
        error = calm_begin(&calm, region);
        if (error)
                return error;
        lock_take(&region->buffer->lock);
        for (uint64_t page = first; (page = skip_untouched(region, page, end)) < end; page++) {
                if (state_of(region, page) != POISONED || region->states[page] & LOST)
                        continue;
                /* The kernel's mark goes first: who touches the page before we are done waits. */
                state_set(region, page, CHANGING);
                lock_release(&region->buffer->lock);
                madvise(page_address(region, page), region->page_bytes, MADV_DONTNEED);
                lock_take(&region->buffer->lock);
                failure_forget(region, page);
                pages_set(region, page, 1, ABSENT);
        }
        /* And what failed without a mark of the kernel: in a call, or at write-back. */
        for (uint32_t i = 0; i < FAILURES; i++) {
                struct failure *failure = region->failures + i;

                if (failure->error && failure->page >= first && failure->page < end && state_of(region, failure->page) != POISONED)
                        failure->error = 0;
        }
        lock_release(&region->buffer->lock);
        calm_end(&calm);
        return 0;
}

int nodeos_region_error(const struct nodeos_region *region, uint64_t offset) {
        int error = -EINVAL;

        if (region->generation != process_generation())
                return -ESRCH;
        if (region->mode == NODEOS_MODE_PLAIN)
                return 0;
        if (offset < region->bytes) {
                lock_take(&region->buffer->lock);
                error = -failure_of(region, offset / region->page_bytes);
                lock_release(&region->buffer->lock);
        }
        return error;
}
