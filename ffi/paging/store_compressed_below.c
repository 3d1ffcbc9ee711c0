/* What a compressed tier writes to the store below; everything with below_lock. */
#define _GNU_SOURCE
#include "store_compressed.h"

#include <errno.h>

enum { BATCH = BOUNCE_BYTES / ZSTD_PAGE, STEPS = 4096 };

struct batch {
        struct blob *blobs[BATCH];
        uint32_t count;
};

/* Takes a blob into a batch if it is to be written and its page follows. Returns false if the batch ends before it. */
static bool gather(struct batch *batch, struct blob *blob, uint64_t first, uint64_t last) {
        if (blob->state != BLOB_DIRTY || blob->page < first || blob->page > last)
                return true;
        if (batch->count == BATCH || (batch->count && blob->page != batch->blobs[0]->page + batch->count))
                return false;
        batch->blobs[batch->count++] = blob;
        return true;
}

/* Fills a batch with what is between *position and the end, and moves behind it. */
static void gather_from(struct compressed_store *all, uint64_t *position, uint64_t end, uint64_t first, uint64_t last,
                        struct batch *batch) {
        batch->count = 0;
        if (*position < all->tier.tail)
                *position = all->tier.tail;
        for (unsigned steps = 0; *position < end && steps < STEPS; steps++) {
                uint64_t behind = *position;

                if (!gather(batch, tier_next(&all->tier, &behind), first, last))
                        return;
                *position = behind;
        }
}

static int write_batch(struct compressed_store *all, const struct batch *batch) {
        uint64_t first = batch->count ? batch->blobs[0]->page : 0, bytes = 0;
        char *bounce = batch->count ? bounce_take() : NULL;
        int error = 0;

        if (!batch->count || !bounce)
                return batch->count ? -ENOMEM : 0;
        for (uint32_t i = 0; i < batch->count && error == 0; i++) {
                error = zstd_unpack(&all->zstd.writer, batch->blobs[i]->data, batch->blobs[i]->bytes, bounce + i * PAGE);
                bytes += compressed_bytes(all, first + i);
        }
        if (error == 0)
                error = all->below->calls->write(all->below, bounce, bytes, first * PAGE);
        bounce_give(bounce);
        if (error < 0)
                return error;
        lock_take(&all->lock);
        for (uint32_t i = 0; i < batch->count; i++)
                if (batch->blobs[i]->state == BLOB_DIRTY)
                        batch->blobs[i]->state = BLOB_CLEAN;
        lock_give(&all->lock);
        return 0;
}

int compressed_drain(struct compressed_store *all, uint32_t bytes) {
        struct batch batch = { .count = 0 };
        int error;

        lock_take(&all->below_lock);
        lock_take(&all->lock);
        if (!tier_drop(&all->tier, bytes)) {
                uint64_t position = all->tier.tail;

                gather_from(all, &position, all->tier.head, 0, UINT64_MAX, &batch);
                all->is_pinned = true;
        }
        lock_give(&all->lock);
        error = write_batch(all, &batch);
        lock_take(&all->lock);
        all->is_pinned = false;
        lock_give(&all->lock);
        lock_give(&all->below_lock);
        return error;
}

int compressed_flush(struct compressed_store *all, uint64_t first, uint64_t last) {
        uint64_t position = 0, end;
        int first_error = 0;

        lock_take(&all->lock);
        end = all->tier.head;
        lock_give(&all->lock);
        while (position < end) {
                struct batch batch;
                int error;

                lock_take(&all->below_lock);
                lock_take(&all->lock);
                gather_from(all, &position, end, first, last, &batch);
                all->is_pinned = true;
                lock_give(&all->lock);
                error = write_batch(all, &batch);
                lock_take(&all->lock);
                all->is_pinned = false;
                lock_give(&all->lock);
                lock_give(&all->below_lock);
                if (first_error == 0)
                        first_error = error;
        }
        return first_error;
}

