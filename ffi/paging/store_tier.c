#define _GNU_SOURCE
#include "store_tier.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "store_zstd.h"

#define SPAN_MAX ((sizeof(struct blob) + ZSTD_PAGE + TIER_UNIT - 1) & ~(TIER_UNIT - 1))

static uint64_t span_for(uint32_t bytes) {
        return (sizeof(struct blob) + bytes + TIER_UNIT - 1) & ~(TIER_UNIT - 1);
}

static struct blob *at(const struct tier *tier, uint64_t position) {
        return (struct blob *) (tier->ring + position % tier->ring_bytes);
}

/* Up to the ring's end. */
static uint64_t left_at(const struct tier *tier, uint64_t position) {
        return tier->ring_bytes - position % tier->ring_bytes;
}

static uint64_t span_at(const struct tier *tier, uint64_t position) {
        const struct blob *blob = at(tier, position);

        return blob->is_filler ? left_at(tier, position) : span_for(blob->bytes);
}

int tier_begin(struct tier *tier, uint64_t bytes) {
        uint64_t chains = 64;
        void *memory;

        if (bytes < TIER_BYTES_MIN || bytes > TIER_BYTES_MAX)
                return -EINVAL;
        while (chains * 2 * 4096 <= bytes)
                chains *= 2;
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        tier->memory = memory;
        tier->memory_bytes = bytes;
        tier->chains = memory;
        tier->chain_mask = chains - 1;
        tier->ring = (char *) memory + chains * sizeof(*tier->chains);
        tier->ring_bytes = (bytes - chains * sizeof(*tier->chains)) & ~(TIER_UNIT - 1);
        return 0;
}

void tier_end(struct tier *tier) {
        if (tier->memory)
                munmap(tier->memory, tier->memory_bytes);
}

static uint32_t *chain_of(const struct tier *tier, uint64_t page) {
        return &tier->chains[(page * UINT64_C(0x9e3779b97f4a7c15) >> 32) & tier->chain_mask];
}

static struct blob *from_link(const struct tier *tier, uint32_t link) {
        return (struct blob *) (tier->ring + (link - 1) * TIER_UNIT);
}

struct blob *tier_find(const struct tier *tier, uint64_t page) {
        for (uint32_t link = *chain_of(tier, page); link; link = from_link(tier, link)->next)
                if (from_link(tier, link)->page == page)
                        return from_link(tier, link);
        return NULL;
}

struct blob *tier_next(const struct tier *tier, uint64_t *position) {
        struct blob *blob = at(tier, *position);

        if (*position >= tier->head)
                return NULL;
        *position += span_at(tier, *position);
        return blob;
}

static void kill_blob(struct tier *tier, struct blob *blob) {
        uint32_t *link = chain_of(tier, blob->page);

        while (from_link(tier, *link) != blob)
                link = &from_link(tier, *link)->next;
        *link = blob->next;
        blob->state = BLOB_DEAD;
        tier->live_bytes -= span_for(blob->bytes);
}

/* Bytes that a blob takes at the head, with what it leaves at the ring's end. */
static uint64_t takes(const struct tier *tier, uint64_t span) {
        uint64_t left = left_at(tier, tier->head);

        return left < span ? left + span : span;
}

static uint64_t free_bytes(const struct tier *tier) {
        return tier->ring_bytes - (tier->head - tier->tail);
}

/* Behind it there is room to move one, with what it may leave at the ring's end. */
bool tier_has_room(const struct tier *tier, uint32_t bytes) {
        return free_bytes(tier) >= takes(tier, span_for(bytes)) + 2 * SPAN_MAX;
}

static struct blob *append(struct tier *tier, uint64_t page, uint32_t bytes, enum blob_state state) {
        uint64_t span = span_for(bytes);
        uint32_t *chain = chain_of(tier, page);
        struct blob *blob;

        if (left_at(tier, tier->head) < span) {
                *at(tier, tier->head) = (struct blob) { .state = BLOB_DEAD, .is_filler = 1 };
                tier->head += left_at(tier, tier->head);
        }
        blob = at(tier, tier->head);
        *blob = (struct blob) { .page = page, .next = *chain, .bytes = (uint16_t) bytes, .state = state };
        *chain = (uint32_t) (tier->head % tier->ring_bytes / TIER_UNIT) + 1;
        tier->head += span;
        tier->live_bytes += span;
        return blob;
}

void tier_put(struct tier *tier, uint64_t page, const void *data, uint32_t bytes, enum blob_state state) {
        struct blob *old = tier_find(tier, page);

        if (old)
                kill_blob(tier, old);
        memcpy(append(tier, page, bytes, state)->data, data, bytes);
}

bool tier_drop(struct tier *tier, uint32_t bytes) {
        while (!tier_has_room(tier, bytes)) {
                struct blob *blob = at(tier, tier->tail);

                if (blob->state == BLOB_DIRTY)
                        return false;
                if (blob->state == BLOB_CLEAN)
                        kill_blob(tier, blob);
                tier->tail += span_at(tier, tier->tail);
        }
        return true;
}

static void move_tail(struct tier *tier, struct blob *blob) {
        uint64_t page = blob->page;
        uint32_t bytes = blob->bytes;
        enum blob_state state = blob->state;
        struct blob *moved;

        kill_blob(tier, blob);
        moved = append(tier, page, bytes, state);
        memcpy(moved->data, blob->data, bytes);
}

bool tier_compact(struct tier *tier, uint32_t bytes) {
        // Moving much for little takes long: a part of the ring stays free.
        if (tier->live_bytes + span_for(bytes) > tier->ring_bytes - tier->ring_bytes / 32 - 4 * SPAN_MAX)
                return false;
        while (!tier_has_room(tier, bytes)) {
                struct blob *blob = at(tier, tier->tail);
                uint64_t span = span_at(tier, tier->tail);

                if (blob->state != BLOB_DEAD)
                        move_tail(tier, blob);
                tier->tail += span;
        }
        return true;
}
