/* The order of eviction: a ring of extents, first in, first out; and room for pages, made by eviction. */
#define _GNU_SOURCE
#include <errno.h>

#include "paging.h"

#define PATIENCE_MS 100
#define WAITS_MAX 20
#define ROUNDS_MAX 64  /* that a signal handler leaves to an evictor before it gives up */

static bool is_live(const struct nodeos_region *region, uint64_t page) {
        unsigned state = state_of(region, page);

        return state != ABSENT && state != POISONED;
}

static void unlist(struct nodeos_region *region, uint64_t first, uint64_t end) {
        while (first < end)
                region->states[first++] &= (uint8_t) ~LISTED;
}

/* Drops the oldest extent, or what of it is absent; what is not goes to the end. */
static void rotate(struct nodeos_buffer *buffer) {
        struct extent extent = buffer->ring[buffer->tail++ & (buffer->capacity - 1)];
        uint64_t first = extent.first, end = extent.first + extent.count;

        if (!extent.region)
                return;
        while (first < end && !is_live(extent.region, first))
                first++;
        while (end > first && !is_live(extent.region, end - 1))
                end--;
        unlist(extent.region, extent.first, first);
        unlist(extent.region, end, extent.first + extent.count);
        extent.first = first;
        extent.count = (uint32_t) (end - first) & 0xffffff;
        if (first < end)
                buffer->ring[buffer->head++ & (buffer->capacity - 1)] = extent;
}

static void append(struct nodeos_buffer *buffer, struct nodeos_region *region, uint64_t first, uint64_t count) {
        struct extent *last = &buffer->ring[(buffer->head - 1) & (buffer->capacity - 1)];
        uint64_t most = buffer->windows / region->small < region->window_pages ? buffer->windows / region->small : region->window_pages;

        for (uint64_t page = first; page < first + count; page++)
                region->states[page] |= LISTED;
        if (buffer->head != buffer->tail && last->region == region && last->first + last->count == first && last->count + count <= most) {
                last->count = (uint32_t) (last->count + count) & 0xffffff;
                return;
        }
        /* Each page is in one extent at most, so that some are of absent pages where there are as many as the ring holds. */
        for (uint64_t i = 0; buffer->head - buffer->tail == buffer->capacity && i < buffer->capacity; i++)
                rotate(buffer);
        if (buffer->head - buffer->tail < buffer->capacity)
                buffer->ring[buffer->head++ & (buffer->capacity - 1)] = (struct extent) { region, first, (uint32_t) count & 0xffffff };
}

void ring_push(struct nodeos_buffer *buffer, struct nodeos_region *region, uint64_t first, uint64_t count) {
        uint64_t end = first + count;

        while (first < end) {
                uint64_t next = first;

                while (next < end && !(region->states[next] & LISTED))
                        next++;
                if (next > first)
                        append(buffer, region, first, next - first);
                for (first = next; first < end && region->states[first] & LISTED;)
                        first++;
        }
}

void ring_forget(struct nodeos_buffer *buffer, const struct nodeos_region *region) {
        for (uint64_t i = buffer->tail; i != buffer->head; i++)
                if (buffer->ring[i & (buffer->capacity - 1)].region == region)
                        buffer->ring[i & (buffer->capacity - 1)].region = NULL;
}

void busy_begin(struct nodeos_buffer *buffer) {
        buffer->busy++;
}

void busy_end(struct nodeos_buffer *buffer) {
        buffer->busy--;
        event_happens(&buffer->room);
}

/* How much to evict at once: a call of the kernel for many extents is cheaper for each. */
static uint64_t batch_of(const struct nodeos_buffer *buffer, uint64_t need) {
        uint64_t some = buffer_available(buffer) / 16;

        if (some > BATCH)
                some = BATCH;
        return need > some ? need : some;
}

int room_take(struct nodeos_buffer *buffer, struct slot *slot, uint64_t small, uint64_t least, uint32_t flags) {
        bool recycles = slot->stage && is_nearly_full(buffer);
        int error = 0, waits = 0;

        for (int rounds = 0;;) {
                uint64_t available = buffer_available(buffer), wanted = buffer->resident + small - slot->staged / SMALL_BYTES, need;

                if (wanted <= available && !recycles)
                        break;
                need = wanted > available ? batch_of(buffer, wanted - available) : small;
                recycles = false;
                victims_choose(buffer, slot, slot->stage && need < small ? small : need, flags);
                if (slot->victims_count && victims_evict(buffer, slot, &error) > 0)
                        continue;
                if (buffer->resident + small - slot->staged / SMALL_BYTES <= available)
                        continue;
                if (flags & NESTED)
                        break;
                if (slot->skipped && rounds++ < ROUNDS_MAX) {
                        buffer->evictor_asked = true;
                        event_happens(&buffer->evictor_wanted);
                } else if (buffer->busy == 0)
                        return error ? error : -ENOMEM;
                /* All room may be that of stores that read from a region, and wait for who waits for room: one page is not kept. */
                if (event_wait_for(&buffer->room, &buffer->lock, PATIENCE_MS) || buffer->evicting)
                        waits = 0;
                else if (waits++ > WAITS_MAX && small > least)
                        return -EAGAIN;
                else if (waits > WAITS_MAX)
                        break;
        }
        buffer->resident += small - slot->staged / SMALL_BYTES;
        if (buffer->evictors && buffer->resident * 100 > buffer_available(buffer) * buffer->high_percent)
                event_happens(&buffer->evictor_wanted);
        return 0;
}
