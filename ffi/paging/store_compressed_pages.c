/* Pages of a compressed tier. */
#define _GNU_SOURCE
#include "store_compressed.h"

#include <errno.h>
#include <string.h>

/* Room for a blob, with the lock, which may be given away meanwhile. */
static int make_room(struct compressed_store *all, uint32_t bytes) {
        while (!tier_has_room(&all->tier, bytes)) {
                int error;

                if (!all->below) {
                        if (!tier_compact(&all->tier, bytes))
                                return -ENOSPC;
                        continue;
                }
                if (!all->is_pinned && tier_drop(&all->tier, bytes))
                        continue;
                lock_give(&all->lock);
                error = compressed_drain(all, bytes);
                lock_take(&all->lock);
                if (error < 0)
                        return error;
        }
        return 0;
}

int compressed_keep(struct compressed_store *all, uint64_t page, const char *from, enum blob_state state) {
        struct zstd_work *work = zstd_take(&all->zstd);
        uint32_t bytes;
        int error;

        memcpy(work->plain, from, compressed_bytes(all, page));
        memset(work->plain + compressed_bytes(all, page), 0, PAGE - compressed_bytes(all, page));
        bytes = zstd_pack(&all->zstd, work);
        lock_take(&all->lock);
        error = make_room(all, bytes);
        if (error == 0 && (state == BLOB_DIRTY || !tier_find(&all->tier, page)))
                tier_put(&all->tier, page, work->packed, bytes, state);
        lock_give(&all->lock);
        zstd_give(&all->zstd, work);
        return error;
}

/* Gives a page from the tier. Returns whether it was there, or -EIO. */
static int look_up(struct compressed_store *all, struct zstd_work *work, uint64_t page, char *to) {
        const struct blob *blob;
        uint32_t bytes = 0;
        int error;

        lock_take(&all->lock);
        blob = tier_find(&all->tier, page);
        if (blob) {
                bytes = blob->bytes;
                memcpy(work->packed, blob->data, bytes);
        }
        lock_give(&all->lock);
        if (!blob)
                return false;
        error = zstd_unpack(work, work->packed, bytes, work->plain);
        if (error < 0)
                return error;
        memcpy(to, work->plain, compressed_bytes(all, page));
        return true;
}

/* Reads pages that were not in the tier, which keeps them if it can. */
static int read_below(struct compressed_store *all, char *to, uint64_t first, uint64_t end) {
        uint64_t bytes = (end - first - 1) * PAGE + compressed_bytes(all, end - 1);
        int error;

        if (!all->below) {
                memset(to, 0, bytes);
                return 0;
        }
        error = all->below->calls->read(all->below, to, bytes, first * PAGE);
        for (uint64_t page = first; page < end && error == 0; page++)
                if (compressed_keep(all, page, to + (page - first) * PAGE, BLOB_CLEAN) < 0)
                        break;
        return error;
}

/* How many pages from `first` on are in the tier, or are not; those that are, are given. -EIO. */
static int64_t read_run(struct compressed_store *all, char *to, uint64_t first, uint64_t end, bool *ret_there) {
        struct zstd_work *work = zstd_take(&all->zstd);
        uint64_t page = first;
        int found = look_up(all, work, page, to);

        *ret_there = found > 0;
        while (found == *ret_there && ++page < end)
                found = look_up(all, work, page, to + (page - first) * PAGE);
        zstd_give(&all->zstd, work);
        return found < 0 ? found : (int64_t) (page - first);
}

int compressed_read(struct compressed_store *all, char *to, uint64_t first, uint64_t end) {
        int error = 0;

        while (first < end && error == 0) {
                bool there;
                int64_t count = read_run(all, to, first, end, &there);

                if (count < 0)
                        return (int) count;
                if (!there)
                        error = read_below(all, to, first, first + (uint64_t) count);
                to += (uint64_t) count * PAGE;
                first += (uint64_t) count;
        }
        return error;
}
