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
#define PRESENT 8
#define SWAPPED 16
#define RANGES 64

/* One by one: the store does not take some of them. */
static int write_one_by_one(struct nodeos_region *region, uint64_t at, uint64_t end, uint64_t *ret_written) {
        int first_error = 0;

        for (; at < end; at += SMALL_BYTES) {
                int error = small_write(region, at / SMALL_BYTES);

                *ret_written += !error;
                if (!error)
                        continue;
                first_error = first_error ? first_error : error;
                /* What is not protected counts as written. */
                uffd_protect(region->uffd, region->address + at, SMALL_BYTES, false);
                lock_take(&region->buffer->lock);
                failure_note(region, at / region->page_bytes, error);
                lock_release(&region->buffer->lock);
        }
        return first_error;
}

/* Writes pages that were written since they were asked for last; they stay where they are. */
int scan_write(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_written) {
        uint64_t base = (uintptr_t) region->address, at = base + first * region->page_bytes, end = at + count * region->page_bytes;
        int first_error = 0;

        while (at < end) {
                struct page_range ranges[RANGES];
                struct scan scan = {
                        .size = sizeof scan, .flags = PROTECT_MATCHING | CHECK_ASYNC, .start = at, .end = end,
                        .ranges = (uintptr_t) ranges, .ranges_count = RANGES, .mask = WRITTEN, .wanted = WRITTEN,
                        .any = PRESENT | SWAPPED, /* what the program has dropped counts as written, too */
                };
                int n = ioctl(region->pagemap_fd, SCAN, &scan);

                if (n < 0)
                        return -errno;
                for (int i = 0; i < n; i++) {
                        uint64_t bytes = ranges[i].end - ranges[i].start, offset = ranges[i].start - base;
                        int error = memory_write(region, bytes, offset);

                        if (error)
                                error = write_one_by_one(region, offset, offset + bytes, ret_written);
                        else
                                *ret_written += bytes / SMALL_BYTES;
                        first_error = first_error ? first_error : error;
                }
                at = scan.walk_end > at ? scan.walk_end : end;
        }
        return first_error;
}

static int64_t move_out(const struct nodeos_region *region, uint64_t at, uint64_t bytes) {
        int64_t moved = uffd_move(region->uffd, region->scan_stage, region->address + at, bytes);

        /* It is more than one mapping, as the program has protected a part. */
        return moved == -EINVAL ? uffd_move(region->uffd, region->scan_stage, region->address + at, SMALL_BYTES) : moved;
}

/* What has other rights than the stage cannot be moved, and stays: it might get them back, and be written to, before it is dropped. */
static int stay(const struct nodeos_region *region, uint64_t at) {
        struct look look = { .end = at / SMALL_BYTES + 1 };

        return is_in_memory(region, &look, at / SMALL_BYTES) ? -EBUSY : 0;
}

/* Moves pages out and writes them. What fails goes back. */
int scan_evict(struct nodeos_region *region, uint64_t first, uint64_t count, uint32_t *ret_gone) {
        uint64_t end = (first + count) * region->page_bytes, most = region->window_pages * region->page_bytes;
        int error = 0;

        lock_take(&region->scan_lock);
        for (uint64_t at = first * region->page_bytes; at < end && !error;) {
                int64_t moved = move_out(region, at, end - at < most ? end - at : most);

                *ret_gone = (uint32_t) (at / region->page_bytes - first);
                /* Else the program may have dropped the page. */
                if (moved > 0) {
                        error = store_write(region, region->scan_stage, (uint64_t) moved, at);
                        if (error)
                                memory_move(region, at, region->scan_stage, (uint64_t) moved, false);
                        madvise(region->scan_stage, (uint64_t) moved, MADV_DONTNEED);
                } else {
                        error = stay(region, at);
                }
                at += moved > 0 ? (uint64_t) moved : SMALL_BYTES;
        }
        lock_release(&region->scan_lock);
        return error;
}
