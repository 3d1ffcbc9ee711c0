/* The kernel's map of our pages. Tracking by it: it notes which pages are written, without a fault, and flush asks for them. What
 * is evicted may be written until the last moment, so it is moved out of the region first, and written from there. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

struct page_range {
        uint64_t start, end, categories;
};
struct scan {
        uint64_t size, flags, start, end, walk_end, ranges, ranges_count, pages_max;
        uint64_t inverted, mask, any, wanted;
};
#define SCAN _IOWR('f', 16, struct scan)
#define PROTECT_MATCHING 1
#define CHECK_ASYNC 2
#define WRITTEN 2
#define RANGES 64

bool page_is_missing(const struct nodeos_region *region, uint64_t page) {
        uint64_t entry, at = (uintptr_t) page_address(region, page) / SMALL_BYTES * sizeof entry;

        /* Bits 63 and 62: it is in memory, or swapped out. */
        return pread(region->pagemap_fd, &entry, sizeof entry, (off_t) at) == sizeof entry && !(entry >> 62);
}

/* Writes pages that were written since they were asked for last. Whole pages of the region, that stay where they are. */
int scan_write(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_written) {
        uint64_t at = (uintptr_t) page_address(region, first), end = at + count * region->page_bytes;
        int first_error = 0;

        while (at < end) {
                struct page_range ranges[RANGES];
                struct scan scan = {
                        .size = sizeof scan, .flags = PROTECT_MATCHING | CHECK_ASYNC, .start = at, .end = end,
                        .ranges = (uintptr_t) ranges, .ranges_count = RANGES, .mask = WRITTEN, .wanted = WRITTEN,
                };
                int n = ioctl(region->pagemap_fd, SCAN, &scan);

                if (n < 0)
                        return -errno;
                for (int i = 0; i < n; i++) {
                        uint64_t from = (ranges[i].start - (uintptr_t) region->address) / region->page_bytes;
                        uint64_t to = (ranges[i].end - 1 - (uintptr_t) region->address) / region->page_bytes + 1;
                        int error = store_write(region, region->address + from * region->page_bytes, from, to - from);

                        /* What is not protected counts as written. */
                        if (error)
                                uffd_protect(region->uffd, page_address(region, from), (to - from) * region->page_bytes, false);
                        *ret_written += error ? 0 : to - from;
                        first_error = first_error ? first_error : error;
                }
                at = scan.walk_end > at ? scan.walk_end : end;
        }
        return first_error;
}

/* Moves pages out and writes them. What fails is moved back. */
int scan_evict(struct nodeos_region *region, uint64_t first, uint64_t count) {
        uint64_t most = region->window_pages;
        int first_error = 0;

        lock_take(&region->scan_lock);
        for (uint64_t page = first, end = first + count; page < end && !first_error;) {
                uint64_t some = end - page < most ? end - page : most, bytes = some * region->page_bytes;
                int64_t moved = uffd_move(region->uffd, region->scan_stage, page_address(region, page), bytes);

                if (moved == (int64_t) bytes)
                        first_error = store_write(region, region->scan_stage, page, some);
                else
                        first_error = moved < 0 ? (int) moved : -EBUSY;
                if (first_error && moved > 0)
                        uffd_move(region->uffd, page_address(region, page), region->scan_stage, (uint64_t) moved);
                madvise(region->scan_stage, bytes, MADV_DONTNEED);
                page += some;
        }
        lock_release(&region->scan_lock);
        return first_error;
}
