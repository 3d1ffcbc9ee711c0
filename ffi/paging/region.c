/* Regions: made and ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "paging.h"

#define THREADS 2

static void pause_for(long nanoseconds) {
        struct timespec time = { 0, nanoseconds };

        nanosleep(&time, NULL);
}

static void discard(struct nodeos_region *region) {
        table_free(region);
        region_unmap_memory(region);
        if (region->shared_fd >= 0)
                close(region->shared_fd);
        if (region->pagemap_fd >= 0)
                close(region->pagemap_fd);
        if (region->pins)
                munmap(region->pins, pins_bytes(region));
        nodeos_store_close(region->store);
        free(region);
}

static void buffer_leave(struct nodeos_region *region) {
        struct nodeos_buffer *buffer = region->buffer;

        lock_take(&buffer->lock);
        ring_forget(buffer, region);
        expect_forget(buffer, region);
        buffer->resident -= region->table->statistics.resident_pages;
        buffer->overhead -= 1 + region->pins_overhead;
        for (uint64_t page = 0; page < region->pages; page += SMALL_BYTES)
                buffer->overhead -= is_charged(region, page);
        buffer->regions--;
        if (!buffer->regions)
                buffer->small_most = 0;
        event_happens(&buffer->room);
        lock_release(&buffer->lock);
}

/* Nobody evicts its pages from here on: its addresses may soon be somebody else's. Who does it now may list some again. */
static void end_eviction(struct nodeos_region *region) {
        struct nodeos_buffer *buffer = region->buffer;

        lock_take(&buffer->lock);
        ring_forget(buffer, region);
        for (uint64_t page = 0; (page = skip_untouched(region, page, region->pages)) < region->pages; page++)
                while (state_of(region, page) >= BUSY) {
                        page_wait(region, page);
                        ring_forget(buffer, region);
                        page = 0;
                }
        lock_release(&buffer->lock);
}

static int buffer_join(struct nodeos_region *region) {
        struct nodeos_buffer *buffer = region->buffer;
        bool needs_evictor = region->writable && !(region->store->flags & NODEOS_STORE_SIGNAL_SAFE);
        int error = 0;

        if (buffer->generation != region->generation)
                return -ESRCH;
        lock_take(&buffer->lock);
        if (buffer->limit / 16 < region->small) {
                lock_release(&buffer->lock);
                return -EINVAL;
        }
        buffer->regions++;
        buffer->overhead++;
        buffer->small_most = region->small > buffer->small_most ? region->small : buffer->small_most;
        table_note(region);
        needs_evictor = needs_evictor && !buffer->needs_evictor && !buffer->evictors;
        buffer->needs_evictor |= needs_evictor;
        lock_release(&buffer->lock);
        if (needs_evictor)
                error = evictors_start(buffer, 1);
        if (error) {
                buffer->needs_evictor = false;
                buffer_leave(region);
        }
        return error;
}

static int make(struct nodeos_region *region, const struct nodeos_region_options *options, bool has_buffer) {
        int error = region_choose(region, options, has_buffer);

        if (!error && region->mode == NODEOS_MODE_PLAIN) {
                error = plain_map(region, options->address);
                return error ? error : table_create(region);
        }
        if (!error && !has_buffer)
                region->buffer = buffer_default();
        if (!error && !region->buffer)
                error = -ENOMEM;
        if (!error)
                error = region_map_memory(region, options->address);
        if (!error && region->memory == NODEOS_MEMORY_SHARED)
                error = shared_map(region, options->shared_fd);
        if (!error && (region->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)) < 0)
                error = -errno;
        if (!error)
                error = table_create(region);
        if (!error)
                error = region_watch(region);
        if (!error && region->mode == NODEOS_MODE_SIGNAL)
                error = signal_install();
        return error;
}

static int enter(struct nodeos_region *region, const struct nodeos_region_options *options) {
        bool is_registered;
        int error = region->mode == NODEOS_MODE_PLAIN ? 0 : buffer_join(region);

        if (error)
                return error;
        error = registry_add(region);
        is_registered = !error;
        if (!error && region->mode == NODEOS_MODE_THREAD) {
                error = threads_start(region, options->threads ? options->threads : THREADS);
        } else if (!error && region->mode == NODEOS_MODE_SIGNAL && region->sees_events) {
                error = events_add(region);
        }
        if (error && is_registered)
                registry_remove(region);
        if (error && region->mode != NODEOS_MODE_PLAIN)
                buffer_leave(region);
        return error;
}

int nodeos_region_map(struct nodeos_buffer *buffer, struct nodeos_store *store, const struct nodeos_region_options *options,
                      struct nodeos_region **ret) {
        static const struct nodeos_region_options defaults = { .size = sizeof defaults, .shared_fd = -1 };
        struct nodeos_region *region = calloc(1, sizeof *region);
        struct calm calm;
        int error;

        if (!region) {
                nodeos_store_close(store);
                return -ENOMEM;
        }
        options = options ? options : &defaults;
        region->store = store;
        region->uffd = region->table_fd = region->shared_fd = region->pagemap_fd = -1;
        region->buffer = buffer;
        region->generation = process_generation();
        calm_begin(&calm, NULL);
        error = options->size == sizeof *options ? make(region, options, buffer) : -EINVAL;
        if (!error)
                error = enter(region, options);
        if (error)
                discard(region);
        calm_end(&calm);
        if (!error)
                *ret = region;
        return error;
}

/* New faults wait from here on; those that are being answered end. */
static void close_faults(struct nodeos_region *region) {
        atomic_store(&region->closing, 1);
        for (int i = 0; atomic_load(&region->faulting); i++)
                i < 100 ? (void) sched_yield() : pause_for(50000);
}

void region_wait_closed(struct nodeos_region *region) {
        while (!atomic_load(&region->closed))
                pause_for(100000);
}

static int write_all(struct nodeos_region *region) {
        int error, before;

        lock_take(&region->buffer->lock);
        before = region->error;
        error = range_flush(region, 0, region->pages);
        lock_release(&region->buffer->lock);
        return error ? error : before;
}

int nodeos_region_unmap(struct nodeos_region *region) {
        bool is_plain = region->mode == NODEOS_MODE_PLAIN;
        struct calm calm;
        int error = calm_begin(&calm, region);

        if (error)
                return error;
        close_faults(region);
        if (!is_plain) {
                prefetch_forget(region);
                events_remove(region);
                error = write_all(region);
                end_eviction(region);
                threads_stop(region);
        }
        region_unmap_memory(region);
        registry_remove(region);
        atomic_store(&region->closed, 1);
        /* Those who evict for others may still hold it. */
        for (int i = 0; atomic_load(&region->users); i++)
                i < 100 ? (void) sched_yield() : pause_for(50000);
        if (!is_plain)
                buffer_leave(region);
        discard(region);
        calm_end(&calm);
        return error;
}

void *nodeos_region_address(const struct nodeos_region *region) {
        return region->address;
}

uint64_t nodeos_region_bytes(const struct nodeos_region *region) {
        return region->bytes;
}

int nodeos_region_shared_fd(const struct nodeos_region *region) {
        return region->shared_fd;
}

void nodeos_region_statistics(const struct nodeos_region *region, struct nodeos_region_statistics *ret) {
        *ret = (struct nodeos_region_statistics) { .resident_pages = 0 };
        if (region->generation != process_generation())
                return;
        if (region->mode == NODEOS_MODE_PLAIN) {
                ret->resident_pages = plain_resident(region);
                return;
        }
        lock_take(&region->buffer->lock);
        *ret = region->table->statistics;
        lock_release(&region->buffer->lock);
}
