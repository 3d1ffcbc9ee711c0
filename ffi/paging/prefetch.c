/* Reading ahead without waiting: one thread for all regions, and a short list of what to read. What does not fit is forgotten: it
 * is advice. */
#define _GNU_SOURCE
#include <errno.h>

#include "paging.h"

#define WISHES 64
#define PIECE_PAGES 64

struct wish {
        struct nodeos_region *region;
        uint64_t first, end;
};

static struct lock list_lock;
static struct wish wishes[WISHES];
static uint32_t wishes_first, wishes_count;
static struct event wished;
static bool has_thread;

/* As far as the buffer holds it, and until the region goes. */
static void fulfil(struct wish wish) {
        struct nodeos_region *region = wish.region;
        struct nodeos_buffer *buffer = region->buffer;

        for (uint64_t page = wish.first; page < wish.end; page += PIECE_PAGES) {
                struct slot *slot;
                int error = -ESRCH;

                atomic_fetch_add(&region->faulting, 1);
                lock_take(&buffer->lock);
                if (!atomic_load(&region->closing)) {
                        slot = slot_take(buffer, 0);
                        error = range_fill(region, slot, page, page + PIECE_PAGES < wish.end ? page + PIECE_PAGES : wish.end, false, 0);
                        slot_give(buffer, slot);
                }
                lock_release(&buffer->lock);
                atomic_fetch_sub(&region->faulting, 1);
                if (error)
                        break;
        }
        region_release(region);
}

static void *run(void *argument) {
        (void) argument;
        pthread_setname_np(pthread_self(), "nodeos-ahead");
        lock_take(&list_lock);
        for (;;) {
                struct wish wish;

                while (!wishes_count)
                        event_wait(&wished, &list_lock);
                wish = wishes[wishes_first];
                wishes_first = (wishes_first + 1) % WISHES;
                wishes_count--;
                lock_release(&list_lock);
                if (wish.region)
                        fulfil(wish);
                lock_take(&list_lock);
        }
        return NULL;
}

static int add(struct wish wish) {
        pthread_t thread;
        int error = 0;

        lock_take(&list_lock);
        if (!has_thread) {
                error = worker_start(&thread, run, NULL);
                if (!error)
                        pthread_detach(thread);
                has_thread = !error;
        }
        if (!error && wishes_count < WISHES) {
                atomic_fetch_add(&wish.region->users, 1);
                wishes[(wishes_first + wishes_count++) % WISHES] = wish;
                event_happens(&wished);
        }
        lock_release(&list_lock);
        return error;
}

void prefetch_forget(struct nodeos_region *region) {
        lock_take(&list_lock);
        for (uint32_t i = 0; i < wishes_count; i++) {
                struct wish *wish = &wishes[(wishes_first + i) % WISHES];

                if (wish->region == region) {
                        wish->region = NULL;
                        region_release(region);
                }
        }
        lock_release(&list_lock);
}

void prefetch_reset(void) {
        atomic_store(&list_lock.word, 0);
        wishes_count = 0;
        has_thread = false;
}

int nodeos_region_prefetch(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        struct wish wish = { .region = region };
        struct calm calm;
        uint64_t room;
        int error;

        if (offset >= region->bytes)
                return -EINVAL;
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_prefetch(region, offset, bytes);
        range_pages(region, offset, bytes, &wish.first, &wish.end);
        error = calm_begin(&calm, region);
        if (error)
                return error;
        /* More would evict what it read first. */
        lock_take(&region->buffer->lock);
        room = buffer_available(region->buffer) / region->small;
        lock_release(&region->buffer->lock);
        if (wish.end - wish.first > room)
                wish.end = wish.first + room;
        error = add(wish);
        calm_end(&calm);
        return error;
}
