/* What a fault does: waits for who works on the page, reads it with some neighbours, or lets a first write through. */
#define _GNU_SOURCE
#include <errno.h>

#include "paging.h"
#include "uffd.h"

/* Pages at a constant distance, that will be asked for. */
static void fill_strides(struct nodeos_region *region, struct slot *slot, const struct window *window, uint32_t flags) {
        for (uint32_t i = 1; i <= window->strides; i++) {
                uint64_t page = window->first + (uint64_t) window->stride * i;

                if (page >= region->pages)
                        return;
                page_charge(region, page);
                if (state_of(region, page) != ABSENT)
                        continue;
                if (window_fill(region, slot, (struct window) { .first = page, .count = 1 }, page, false, flags | AHEAD))
                        return;
        }
}

void page_write(struct nodeos_region *region, uint64_t page) {
        struct nodeos_buffer *buffer = region->buffer;
        struct window window = window_plan(region, &region->writing, page, CLEAN, region->window_pages);

        for (uint64_t i = window.first; i < window.first + window.count; i++) {
                state_set(region, i, CHANGING);
                region->states[i] |= WAS_WRITTEN;
        }
        expect_learn(region, true);
        busy_begin(buffer);
        lock_release(&buffer->lock);
        uffd_protect(region->uffd, page_address(region, window.first), window.count * region->page_bytes, false);
        lock_take(&buffer->lock);
        pages_set(region, window.first, window.count, DIRTY);
        counts(region)->dirty_pages += window.count * region->small;
        counts(region)->first_writes++;
        busy_end(buffer);
}

/* A page that we count as present faulted: another thread brought it, or it was taken away behind our back, from the memory that
 * processes share, or by the program. What was written to it went with it. */
static int fill_again(struct nodeos_region *region, struct slot *slot, uint64_t page, uint32_t flags) {
        struct window window = { .first = page, .count = 1 };
        unsigned state = state_of(region, page);
        uint64_t left = 0;
        int error = 0;

        state_set(region, page, FILLING);
        slot_charge(region->buffer, slot, region->page_bytes);
        busy_begin(region->buffer);
        lock_release(&region->buffer->lock);
        if (region->memory != NODEOS_MEMORY_SHARED)
                left = count_in_memory(region, page);
        /* What is left of a larger page may be dirty. */
        if (left < region->small)
                error = pages_bring(region, slot, window, NULL, region->guarded || (region->writable && (!left || state == CLEAN)));
        lock_take(&region->buffer->lock);
        if (!left && state == DIRTY)
                counts(region)->dirty_pages -= region->small;
        if (error < 0 && !left) {
                counts(region)->resident_pages -= region->small;
                region->buffer->resident -= region->small;
                note_failed(region, page, error, flags);
        } else {
                if (error < 0) {
                        failure_note(region, page, error);
                        if (!is_scanned(region))
                                page_poison(region, page);
                }
                pages_set(region, page, 1, left ? state : CLEAN);
                /* Who made room meanwhile took it for one that is listed when it comes. */
                ring_push(region->buffer, region, page, 1);
        }
        busy_end(region->buffer);
        return error ? error : RETRY;
}

/* Whether the program has dropped a page that is written back: who writes it waits in the kernel for us then, or is this thread. The
 * lock is let go meanwhile. */
static bool is_dropped(struct nodeos_region *region, uint64_t page) {
        bool is_there;

        if (state_of(region, page) != WRITING_BACK || (region->mode != NODEOS_MODE_THREAD && !is_own_writeback(region, page)))
                return false;
        lock_release(&region->buffer->lock);
        is_there = count_in_memory(region, page) == region->small;
        lock_take(&region->buffer->lock);
        return !is_there && state_of(region, page) == WRITING_BACK;
}

/* As after any drop it is what the store has. Who writes it goes on, with that. */
static int rescue(struct nodeos_region *region, struct slot *slot, uint64_t page) {
        struct window window = { .first = page, .count = 1 };
        int error;

        region->rescues++;
        slot_charge(region->buffer, slot, region->page_bytes);
        busy_begin(region->buffer);
        lock_release(&region->buffer->lock);
        error = pages_bring(region, slot, window, NULL, region->guarded || region->writable);
        lock_take(&region->buffer->lock);
        if (error < 0) {
                failure_note(region, page, error);
                page_poison(region, page);
        }
        region->rescues--;
        event_happens(&region->rescued);
        busy_end(region->buffer);
        return error ? error : RETRY;
}

static int fill_absent(struct nodeos_region *region, struct slot *slot, uint64_t page, bool is_write, uint32_t flags) {
        struct window window = window_plan(region, &region->reading, page, ABSENT, window_most(region, slot, is_write));
        int error = window_fill(region, slot, window, page, is_write, flags);

        if (!error && window.strides)
                fill_strides(region, slot, &window, flags);
        return error;
}

/* As the page faults, the kernel has no mark there: it is what is left of one that the program unmapped a part of, say. */
static int refuse(const struct nodeos_region *region, uint64_t page) {
        page_poison(region, page);
        return failure_of(region, page);
}

int region_fault(struct nodeos_region *region, uint64_t page, bool is_write, uint32_t flags) {
        struct nodeos_buffer *buffer = region->buffer;
        struct slot *slot = NULL;
        int result = 0;

        flags |= is_nested() ? NESTED : 0;
        lock_take(&buffer->lock);
        page_charge(region, page);
        counts(region)->faults++;
        for (bool is_done = false; !is_done;) {
                bool is_asked = is_dropped(region, page);
                unsigned state = state_of(region, page);

                if (state >= BUSY && !is_asked) {
                        counts(region)->waits++;
                        page_wait(region, page);
                } else if (!slot && !(state == CLEAN && is_write && region->tracked)) {
                        slot = slot_take(buffer, flags);
                        is_done = !slot;
                } else {
                        is_done = true;
                        if (is_asked)
                                result = rescue(region, slot, page);
                        else if (state == POISONED)
                                result = refuse(region, page);
                        else if (state == ABSENT)
                                result = fill_absent(region, slot, page, is_write, flags);
                        else if (state == CLEAN && is_write && region->tracked)
                                page_write(region, page);
                        else
                                result = fill_again(region, slot, page, flags);
                }
        }
        if (slot)
                slot_give(buffer, slot);
        lock_release(&buffer->lock);
        return result;
}
