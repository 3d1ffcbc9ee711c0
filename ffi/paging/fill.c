/* Brings pages: room, a read of the store, and into the region. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "paging.h"
#include "uffd.h"

/* Of a signal handler too, hence no call that may allocate. */
static __thread __attribute__((tls_model("initial-exec"))) int nesting;

bool is_nested(void) {
        return nesting > 0;
}

void nest(int by) {
        nesting += by;
}

int store_read(struct nodeos_region *region, void *to, uint64_t bytes, uint64_t offset) {
        uint64_t there = offset < region->store->bytes ? region->store->bytes - offset : 0;
        int error = 0;

        if (there > bytes)
                there = bytes;
        nest(1);
        while (there && (error = region->store->calls->read(region->store, to, there, offset)) == -EINTR)
                ;
        nest(-1);
        if (!error)
                memset((char *) to + there, 0, bytes - there);
        return error;
}

/* Threads that read faults want to know how long the store takes. */
static int store_read_timed(struct nodeos_region *region, void *to, uint64_t bytes, uint64_t offset) {
        struct timespec before, after;
        int64_t us;
        int error;

        if (region->mode != NODEOS_MODE_THREAD)
                return store_read(region, to, bytes, offset);
        clock_gettime(CLOCK_MONOTONIC, &before);
        error = store_read(region, to, bytes, offset);
        clock_gettime(CLOCK_MONOTONIC, &after);
        us = (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000;
        /* A page of a long window takes its part. */
        us = us * (int64_t) SMALL_BYTES / (int64_t) bytes;
        atomic_store_explicit(&region->read_us, (uint32_t) ((3 * (int64_t) region->read_us + us) / 4), memory_order_relaxed);
        return error;
}

uint64_t window_most(const struct nodeos_region *region, const struct slot *slot, bool is_dirty) {
        uint64_t most = region->window_pages, bytes = slot_limit(region->buffer, slot);

        if (stage_is_free(region, is_dirty) && is_nearly_full(region->buffer))
                bytes = PAGE_BYTES_MAX;
        if (most > region->buffer->windows / region->small)
                most = region->buffer->windows / region->small;
        if (most > bytes / region->page_bytes)
                most = bytes / region->page_bytes;
        return most ? most : 1;
}

/* Absent pages are ours from here on. */
static void claim(struct nodeos_region *region, struct window window) {
        for (uint64_t page = window.first; page < window.first + window.count; page++) {
                page_charge(region, page);
                state_set(region, page, FILLING);
        }
}

/* A call of the kernel's is for one mapping: what the program has made several, by mprotect, is copied in parts. */
int memory_fill(struct nodeos_region *region, uint64_t offset, const char *from, uint64_t bytes, bool protect) {
        bool wakes = region->mode == NODEOS_MODE_THREAD;
        int error = uffd_copy(region->uffd, region->address + offset, from, bytes, protect, wakes);

        if (error != -ENOENT)
                return error;
        for (uint64_t at = 0; at < bytes; at += SMALL_BYTES)
                if (uffd_copy(region->uffd, region->address + offset + at, from + at, SMALL_BYTES, protect, wakes) == 0)
                        error = 0;
        return error;
}

/* Reads and maps; without the lock. */
int pages_bring(struct nodeos_region *region, struct slot *slot, struct window window, char *stage, bool protect) {
        uint64_t bytes = window.count * region->page_bytes;
        int error;

        if (region->memory == NODEOS_MEMORY_SHARED)
                return shared_bring(region, slot, window);
        error = store_read_timed(region, stage ? stage : slot->bounce, bytes, window.first * region->page_bytes);
        if (error)
                return error;
        if (slot->hash)
                expect_hash(slot->bounce, slot->hash);
        if (stage)
                return gone(memory_move(region, window.first * region->page_bytes, stage, bytes, protect));
        return gone(memory_fill(region, window.first * region->page_bytes, slot->bounce, bytes, protect));
}

static void note_filled(struct nodeos_region *region, struct window window, bool is_dirty, bool is_ahead) {
        struct nodeos_region_statistics *statistics = counts(region);
        uint64_t small = window.count * region->small;

        is_dirty = is_dirty && region->tracked;
        for (uint64_t page = window.first; is_dirty && page < window.first + window.count; page++)
                region->states[page] |= region->states[page] & EXPECTED ? 0 : WAS_WRITTEN;
        statistics->reads++;
        statistics->read_pages += small;
        statistics->ahead_pages += small - (is_ahead ? 0 : region->small);
        statistics->resident_pages += small;
        table_note(region);
        statistics->dirty_pages += is_dirty ? small : 0;
        pages_set(region, window.first, window.count, is_dirty ? DIRTY : CLEAN);
        ring_push(region->buffer, region, window.first, window.count);
}

void page_poison(const struct nodeos_region *region, uint64_t page) {
        if (region->mode != NODEOS_MODE_THREAD || !region->poisons)
                return;
        /* Of pages that are scanned the kernel has marks of another kind, which it does not replace. */
        if (is_scanned(region) && !(region->states[page] & LOST))
                madvise(page_address(region, page), region->page_bytes, MADV_DONTNEED);
        /* Of a larger page the program may have unmapped a part. */
        for (uint64_t at = 0; at < region->page_bytes; at += SMALL_BYTES)
                uffd_poison(region->uffd, page_address(region, page) + at, SMALL_BYTES);
}

void note_failed(struct nodeos_region *region, uint64_t page, int error, uint32_t flags) {
        failure_note(region, page, error);
        counts(region)->errors++;
        if (!(flags & AHEAD))
                page_poison(region, page);
        pages_set(region, page, 1, flags & AHEAD ? ABSENT : POISONED);
}

/* Reads a window whose pages are claimed, and whose room is not. */
static int fill(struct nodeos_region *region, struct slot *slot, struct window window, bool is_dirty, uint32_t flags) {
        struct nodeos_buffer *buffer = region->buffer;
        uint64_t small = window.count * region->small;
        struct hash hash;
        char *stage;
        int error;

        if (!is_dirty && expect_begin(region, window)) {
                slot->hash = &hash;
                is_dirty = true;
        }
        stage_take(region, slot, window, is_dirty);
        if (!slot->stage)
                slot_charge(buffer, slot, window.count * region->page_bytes);
        error = room_take(buffer, slot, small, region->small, flags);
        if (error) {
                slot->hash = NULL;
                stage_give(region, slot);
                return error;
        }
        stage = stage_source(region, slot, window.count * region->page_bytes);
        if (!stage && window.count > 1 && window.count * region->page_bytes > slot_limit(buffer, slot)) {
                /* The victims could not be moved, and the bounce is too short. */
                buffer->resident -= small;
                stage_give(region, slot);
                return -EAGAIN;
        }
        if (!stage)
                slot_charge(buffer, slot, window.count * region->page_bytes);
        busy_begin(buffer);
        lock_release(&buffer->lock);
        error = pages_bring(region, slot, window, stage, region->guarded || (!is_dirty && region->writable));
        /* Of what the kernel broke off, nothing may stay that we count as absent. */
        if (error < 0)
                madvise(page_address(region, window.first), window.count * region->page_bytes, MADV_DONTNEED);
        lock_take(&buffer->lock);
        if (slot->hash && !error)
                expect_note(region, window.first, &hash);
        slot->hash = NULL;
        /* What was staged is in place now, and counted. */
        slot->staged = error || !stage ? slot->staged : 0;
        if (error)
                buffer->resident -= small - slot->staged / SMALL_BYTES;
        else
                note_filled(region, window, is_dirty, flags & AHEAD);
        stage_give(region, slot);
        busy_end(buffer);
        return error;
}

int window_fill(struct nodeos_region *region, struct slot *slot, struct window window, uint64_t wanted, bool is_write, uint32_t flags) {
        bool is_dirty = is_write && region->writable;
        int error;

        claim(region, window);
        error = fill(region, slot, window, is_dirty, flags);
        if (error && window.count > 1) {
                /* It may be a neighbour's fault: pages that nobody asked for are asked for no more. */
                pages_set(region, window.first, wanted - window.first, ABSENT);
                pages_set(region, wanted + 1, window.first + window.count - wanted - 1, ABSENT);
                window = (struct window) { .first = wanted, .count = 1 };
                error = fill(region, slot, window, is_dirty, flags);
        }
        if (error == GONE)
                pages_set(region, wanted, 1, ABSENT);
        else if (error)
                note_failed(region, wanted, error, flags);
        return error;
}
