/* Buffers: memory that regions share, and its limit. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "paging.h"

static void *map_zeroes(uint64_t bytes) {
        void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED)
                return NULL;
        madvise(memory, bytes, MADV_NOHUGEPAGE);
        return memory;
}

static uint64_t small_of(uint64_t bytes) {
        return (bytes + SMALL_BYTES - 1) / SMALL_BYTES;
}

static uint64_t ring_capacity(uint64_t pages) {
        uint64_t capacity = 64;

        while (capacity < pages)
                capacity *= 2;
        return capacity;
}

static void set_limit(struct nodeos_buffer *buffer, uint64_t bytes) {
        buffer->limit = bytes / SMALL_BYTES;
        buffer->windows = PAGE_BYTES_MAX / SMALL_BYTES;
        if (buffer->windows > buffer->limit / 16)
                buffer->windows = (uint32_t) (buffer->limit / 16);
}

static void free_memory(struct nodeos_buffer *buffer) {
        if (buffer->bounces)
                munmap(buffer->bounces, (buffer->slots_count + UINT64_C(1)) * PAGE_BYTES_MAX);
        if (buffer->slots_all)
                munmap(buffer->slots_all, buffer->slots_count * sizeof *buffer->slots_all);
        if (buffer->ring)
                munmap(buffer->ring, buffer->capacity * sizeof *buffer->ring);
        if (buffer->expected)
                munmap(buffer->expected, buffer->expected_count * sizeof *buffer->expected);
        free(buffer->evictor_threads);
        free(buffer);
}

static int make_memory(struct nodeos_buffer *buffer) {
        uint64_t slots = buffer->limit / 64;

        buffer->slots_count = slots < 2 ? 2 : slots > SLOTS_MAX ? SLOTS_MAX : (uint32_t) slots;
        buffer->slots_all = map_zeroes(buffer->slots_count * sizeof *buffer->slots_all);
        buffer->bounces = map_zeroes((buffer->slots_count + UINT64_C(1)) * PAGE_BYTES_MAX);
        buffer->capacity = ring_capacity(buffer->limit);
        buffer->ring = map_zeroes(buffer->capacity * sizeof *buffer->ring);
        /* With more places than pages hardly any finds all of its own taken. */
        buffer->expected_count = 2 * buffer->capacity;
        buffer->expected = map_zeroes(buffer->expected_count * sizeof *buffer->expected);
        if (!buffer->slots_all || !buffer->bounces || !buffer->ring || !buffer->expected)
                return -ENOMEM;
        expect_prepare();
        for (uint32_t i = 0; i < buffer->slots_count; i++) {
                /* Bounces begin at huge pages' boundaries. */
                uintptr_t base = ((uintptr_t) buffer->bounces + HUGE_BYTES - 1) & ~(uintptr_t) (HUGE_BYTES - 1);

                buffer->slots_all[i].bounce = (char *) base + i * PAGE_BYTES_MAX;
                buffer->slots_all[i].next = buffer->slots;
                buffer->slots = &buffer->slots_all[i];
        }
        buffer->overhead = small_of(buffer->slots_count * sizeof *buffer->slots_all) + small_of(buffer->capacity * sizeof *buffer->ring);
        return 0;
}

int nodeos_buffer_create(const struct nodeos_buffer_options *options, struct nodeos_buffer **ret) {
        uint32_t low = options->low_percent ? options->low_percent : 90;
        uint32_t high = options->high_percent ? options->high_percent : 100;
        struct nodeos_buffer *buffer;
        int error;

        if (options->size != sizeof *options || options->bytes / SMALL_BYTES < 16 || low > high || high > 100)
                return -EINVAL;
        buffer = calloc(1, sizeof *buffer);
        if (!buffer)
                return -ENOMEM;
        buffer->generation = process_generation();
        buffer->low_percent = low;
        buffer->high_percent = high;
        set_limit(buffer, options->bytes);
        error = make_memory(buffer);
        if (!error)
                error = evictors_start(buffer, options->evictors);
        if (error) {
                free_memory(buffer);
                return error;
        }
        *ret = buffer;
        return 0;
}

int nodeos_buffer_close(struct nodeos_buffer *buffer) {
        uint32_t regions;

        if (buffer->generation != process_generation())
                return -ESRCH;
        lock_take(&buffer->lock);
        regions = buffer->regions;
        lock_release(&buffer->lock);
        if (regions)
                return -EBUSY;
        evictors_stop(buffer);
        free_memory(buffer);
        return 0;
}

/* More entries, in the same order. The lock is held. */
static int ring_grow(struct nodeos_buffer *buffer, uint64_t pages) {
        uint64_t capacity = ring_capacity(pages), count = buffer->head - buffer->tail;
        struct extent *ring;

        if (capacity <= buffer->capacity)
                return 0;
        ring = map_zeroes(capacity * sizeof *ring);
        if (!ring)
                return -ENOMEM;
        for (uint64_t i = 0; i < count; i++)
                ring[i] = buffer->ring[(buffer->tail + i) & (buffer->capacity - 1)];
        munmap(buffer->ring, buffer->capacity * sizeof *ring);
        buffer->overhead += small_of((capacity - buffer->capacity) * sizeof *ring);
        buffer->ring = ring;
        buffer->capacity = capacity;
        buffer->tail = 0;
        buffer->head = count;
        return 0;
}

int nodeos_buffer_resize(struct nodeos_buffer *buffer, uint64_t bytes) {
        uint64_t before = buffer->limit * SMALL_BYTES;
        struct calm calm;
        struct slot *slot;
        int error = 0;

        if (bytes / SMALL_BYTES < 16)
                return -EINVAL;
        if (buffer->generation != process_generation())
                return -ESRCH;
        calm_begin(&calm, NULL);
        lock_take(&buffer->lock);
        slots_shrink(buffer);
        slot = slot_take(buffer, 0);
        error = bytes / SMALL_BYTES / 16 < buffer->small_most ? -EINVAL : ring_grow(buffer, bytes / SMALL_BYTES);
        if (!error) {
                set_limit(buffer, bytes);
                error = may_be_pinned(buffer, buffer->pinned) ? room_take(buffer, slot, 0, 0, 0) : -ENOMEM;
                if (error)
                        set_limit(buffer, before);
        }
        slot_give(buffer, slot);
        lock_release(&buffer->lock);
        calm_end(&calm);
        return error;
}

static struct nodeos_buffer *shared;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

/* NODEOS_UMAP_BUFSIZE counts pages of NODEOS_UMAP_PAGESIZE, as UMap's variables do. */
static void make_shared(void) {
        struct nodeos_buffer_options options = { .size = sizeof options };
        const char *count = getenv("NODEOS_UMAP_BUFSIZE"), *page = getenv("NODEOS_UMAP_PAGESIZE");

        if (count)
                options.bytes = strtoull(count, NULL, 0) * (page ? strtoull(page, NULL, 0) : SMALL_BYTES);
        else
                options.bytes = (uint64_t) sysconf(_SC_AVPHYS_PAGES) * SMALL_BYTES / 10 * 9;
        if (nodeos_buffer_create(&options, &shared) < 0)
                shared = NULL;
}

struct nodeos_buffer *buffer_default(void) {
        pthread_once(&shared_once, make_shared);
        return shared;
}

void buffer_reset(void) {
        static const pthread_once_t again = PTHREAD_ONCE_INIT;

        shared_once = again;
        shared = NULL;
}
