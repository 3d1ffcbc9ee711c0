/* Which pages go: the oldest, or those of a range. The lock is held in all of this. */
#define _GNU_SOURCE
#include "paging.h"

#define NEIGHBOURS 4 /* pages on each side of a dirty victim that go with it */

static bool add(struct slot *slot, struct nodeos_region *region, uint64_t page, bool dirty) {
        struct victim *last = slot->victims_count ? &slot->victims[slot->victims_count - 1] : NULL;

        if (last && last->region == region && last->first + last->count == page && last->dirty == dirty) {
                last->count++;
        } else {
                if (slot->victims_count == BATCH)
                        return false;
                slot->victims[slot->victims_count++] = (struct victim) { .region = region, .first = page, .count = 1, .dirty = dirty };
                atomic_fetch_add_explicit(&region->users, 1, memory_order_relaxed);
        }
        slot->victims_small += region->small;
        state_set(region, page, EVICTING);
        return true;
}

static bool may_go(const struct nodeos_region *region, uint64_t page) {
        unsigned state = state_of(region, page);

        return (state == CLEAN || state == DIRTY) && !is_pinned(region, page);
}

/* Takes the pages of an extent that may go, and lists those again that stay. */
static void take(struct nodeos_buffer *buffer, struct slot *slot, struct extent extent, uint32_t flags) {
        struct nodeos_region *region = extent.region;
        uint64_t end = extent.first + extent.count;
        bool may_write = !(flags & IN_SIGNAL) || region->store->flags & NODEOS_STORE_SIGNAL_SAFE;

        for (uint64_t page = extent.first; page < end; page++) {
                unsigned state = state_of(region, page);

                region->states[page] &= (uint8_t) ~LISTED;
                if (state == ABSENT || state == POISONED || state == FILLING || state == EVICTING)
                        continue;
                if ((state == DIRTY || (state == CLEAN && is_scanned(region))) && !may_write)
                        slot->skipped = true;
                else if (may_go(region, page) && add(slot, region, page, state == DIRTY || is_scanned(region)))
                        continue;
                ring_push(buffer, region, page, 1);
        }
}

/* A dirty neighbour of a victim, in one write with it: cheaper now than alone later. It goes, too, so that others stay longer, and
 * find neighbours. */
static void add_neighbour(struct slot *slot, struct nodeos_region *region, uint64_t page) {
        if (slot->victims_count == BATCH)
                return;
        slot->victims[slot->victims_count++] = (struct victim) {
                .region = region, .first = page, .count = 1, .dirty = true,
        };
        atomic_fetch_add_explicit(&region->users, 1, memory_order_relaxed);
        state_set(region, page, EVICTING);
}

static bool is_neighbour(const struct nodeos_region *region, uint64_t page) {
        return page < region->pages && is_charged(region, page) && state_of(region, page) == DIRTY && !is_pinned(region, page);
}

static void add_neighbours(struct slot *slot) {
        for (uint32_t i = 0, count = slot->victims_count; i < count; i++) {
                struct victim victim = slot->victims[i];
                uint64_t end = victim.first + victim.count;

                /* Windows of a stream have them in one write anyway. */
                if (!victim.dirty || is_scanned(victim.region) || victim.count >= MOVED_MIN)
                        continue;
                for (uint64_t page = end; page < end + NEIGHBOURS && is_neighbour(victim.region, page); page++)
                        add_neighbour(slot, victim.region, page);
                for (uint64_t page = victim.first; page-- && page + NEIGHBOURS >= victim.first && is_neighbour(victim.region, page);)
                        add_neighbour(slot, victim.region, page);
        }
}

/* The oldest extent, or as many of its first pages. */
static struct extent take_oldest(struct nodeos_buffer *buffer, uint64_t small) {
        struct extent *oldest = &buffer->ring[buffer->tail & (buffer->capacity - 1)], extent = *oldest;
        uint64_t pages = extent.region ? (small + extent.region->small - 1) / extent.region->small : 0;

        if (!extent.region || extent.count <= pages) {
                buffer->tail++;
                return extent;
        }
        extent.count = (uint32_t) pages & 0xffffff;
        oldest->first += pages;
        oldest->count -= (uint32_t) pages & 0xffffff;
        return extent;
}

void victims_choose(struct nodeos_buffer *buffer, struct slot *slot, uint64_t small, uint32_t flags) {
        uint64_t end = buffer->head;

        slot->victims_count = 0;
        slot->victims_small = 0;
        slot->skipped = false;
        /* What stays is listed behind the end, once round. */
        while (buffer->tail < end && slot->victims_count < BATCH / 2 && slot->victims_small < small) {
                struct extent extent = take_oldest(buffer, small - slot->victims_small);

                if (extent.region)
                        take(buffer, slot, extent, flags);
        }
        add_neighbours(slot);
}

uint64_t victims_of_range(struct nodeos_region *region, struct slot *slot, uint64_t first, uint64_t end) {
        uint64_t page = first;

        slot->victims_count = 0;
        slot->victims_small = 0;
        while (page < end && slot->victims_small < WRITE_BYTES_MAX / SMALL_BYTES) {
                unsigned state;

                if (!is_charged(region, page)) {
                        page = (page / SMALL_BYTES + 1) * SMALL_BYTES;
                        continue;
                }
                state = state_of(region, page);
                if (state >= BUSY) {
                        /* Who has pages never waits for others'. */
                        if (slot->victims_count)
                                break;
                        page_wait(region, page);
                        continue;
                }
                if (may_go(region, page) && !add(slot, region, page, state == DIRTY || is_scanned(region)))
                        break;
                page++;
        }
        return page < end ? page : end;
}
