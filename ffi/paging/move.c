/* Recycling: pages of victims are moved out of the way, read over, and moved in elsewhere. That saves giving memory back, asking
 * for it again, and a copy. Worth it for windows; where clean pages need write-protection, moving leaves a moment without it, so
 * that only windows that come dirty, and those of regions that nobody may write, are moved. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "paging.h"
#include "uffd.h"

bool stage_is_free(const struct nodeos_region *region, bool is_dirty) {
        return region->memory == NODEOS_MEMORY_MOVE && region->window_pages * region->small >= MOVED_MIN &&
               region->stages_used != (1u << STAGES) - 1 && (!region->writable || is_dirty);
}

void stage_take(struct nodeos_region *region, struct slot *slot, struct window window, bool is_dirty) {
        slot->stage = NULL;
        slot->stage_wanted = slot->staged = 0;
        if (region->memory != NODEOS_MEMORY_MOVE || window.count * region->small < MOVED_MIN || window.count > region->window_pages ||
            (region->writable && !is_dirty))
                return;
        for (uint32_t i = 0; i < STAGES; i++)
                if (!(region->stages_used >> i & 1)) {
                        region->stages_used |= 1u << i;
                        slot->stage = region->stages + i * region->window_pages * region->page_bytes;
                        slot->stage_uffd = region->uffd;
                        slot->stage_wanted = window.count * region->page_bytes;
                        return;
                }
}

char *stage_source(struct nodeos_region *region, struct slot *slot, uint64_t bytes) {
        if (!slot->stage)
                return NULL;
        if (slot->staged == bytes)
                return slot->stage;
        if (slot->staged) {
                /* The kernel moved less than it should have: room that was taken, and is not used. */
                lock_release(&region->buffer->lock);
                madvise(slot->stage, slot->staged, MADV_DONTNEED);
                lock_take(&region->buffer->lock);
                slot->staged = 0;
        }
        /* New huge pages come into being where nothing is watched, by being touched. */
        return region->nursery ? slot->stage + (region->nursery - region->stages) : NULL;
}

int memory_move(struct nodeos_region *region, uint64_t offset, char *from, uint64_t bytes, bool protect) {
        char *to = region->address + offset;
        int64_t moved = uffd_move(region->uffd, to, from, bytes);
        int error = 0;

        if (moved < (int64_t) bytes) {
                /* Somebody else holds the page in the kernel, say: what is left is copied. */
                uint64_t done = moved > 0 ? (uint64_t) moved : 0;

                error = memory_fill(region, offset + done, from + done, bytes - done, protect);
                madvise(from + done, bytes - done, MADV_DONTNEED);
        }
        if (protect && moved > 0)
                uffd_protect(region->uffd, to, (uint64_t) moved, true);
        return error;
}

void stage_give(struct nodeos_region *region, struct slot *slot) {
        if (!slot->stage)
                return;
        if (slot->staged) {
                lock_release(&region->buffer->lock);
                madvise(slot->stage, slot->staged, MADV_DONTNEED);
                lock_take(&region->buffer->lock);
                region->buffer->resident -= slot->staged / SMALL_BYTES;
        }
        region->stages_used &= ~(1u << (uint64_t) (slot->stage - region->stages) / (region->window_pages * region->page_bytes));
        slot->stage = NULL;
        slot->staged = 0;
}

static bool is_movable(const struct victim *victim) {
        const struct nodeos_region *region = victim->region;

        if (victim->dirty && (is_scanned(region) || region->states[victim->first] & EXPECTED))
                return false;
        return region->memory == NODEOS_MEMORY_MOVE && victim->count * region->small >= MOVED_MIN / 4;
}

/* The first of its pages alone; the others are a victim of their own. False: there is no room for it. */
static bool split(struct slot *slot, uint32_t index, uint32_t count) {
        struct victim *victim = &slot->victims[index];

        if (slot->victims_count == BATCH)
                return false;
        for (uint32_t i = slot->victims_count++; i > index; i--)
                slot->victims[i] = slot->victims[i - 1];
        victim[1].first += count;
        victim[1].count -= count;
        victim->count = count;
        atomic_fetch_add(&victim->region->users, 1);
        return true;
}

/* Whole pages of a victim, and `most` bytes at most. Returns how many bytes; the victim has no other pages then. */
static uint64_t move_out(struct slot *slot, uint32_t index, char *to, uint64_t most) {
        struct victim *victim = &slot->victims[index];
        struct nodeos_region *region = victim->region;
        uint64_t bytes = victim->count * region->page_bytes, whole;
        int64_t moved = uffd_move(slot->stage_uffd, to, page_address(region, victim->first), bytes < most ? bytes : most);

        if (moved <= 0)
                return 0;
        whole = (uint64_t) moved / region->page_bytes;
        if (whole < victim->count && (whole == 0 || !split(slot, index, (uint32_t) whole)))
                whole = 0;
        /* A part of a larger page, or what had no room as a victim of its own. */
        if (whole * region->page_bytes < (uint64_t) moved)
                memory_move(region, (victim->first + whole) * region->page_bytes, to + whole * region->page_bytes,
                            (uint64_t) moved - whole * region->page_bytes, region->guarded || (region->tracked && !victim->dirty));
        return whole * region->page_bytes;
}

void victims_move(struct slot *slot) {
        uint64_t bytes = 0;

        if (!slot->stage || slot->staged)
                return;
        for (uint32_t i = 0; i < slot->victims_count; i++)
                bytes += is_movable(&slot->victims[i]) ? slot->victims[i].count * slot->victims[i].region->page_bytes : 0;
        if (bytes < slot->stage_wanted)
                return;
        for (uint32_t i = 0; i < slot->victims_count && slot->staged < slot->stage_wanted; i++) {
                char *to = slot->stage + slot->staged;
                uint64_t moved = is_movable(&slot->victims[i]) ? move_out(slot, i, to, slot->stage_wanted - slot->staged) : 0;

                slot->victims[i].moved = (uint32_t) (moved / SMALL_BYTES);
                slot->victims[i].stage = to;
                slot->staged += moved;
        }
}

void stage_spoil(struct slot *slot) {
        madvise(slot->stage, slot->staged, MADV_DONTNEED);
        slot->staged = 0;
        for (uint32_t i = 0; i < slot->victims_count; i++)
                slot->victims[i].moved = 0;
}
