/* Slots: memory that a fault works with, made beforehand, since a signal handler cannot ask for any. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "paging.h"

/* All slots may be held by stores that read from a region, and wait for who waits for a slot. */
#define PATIENCE_MS 20

/* A store's call faulted, and all slots may be held by those who wait for us. */
static struct slot *slot_map(void) {
        size_t head = (sizeof(struct slot) + SMALL_BYTES - 1) / SMALL_BYTES * SMALL_BYTES;
        char *memory = mmap(NULL, head + PAGE_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        struct slot *slot = (struct slot *) memory;

        if (memory == MAP_FAILED)
                return NULL;
        slot->bounce = memory + head;
        slot->temporary = true;
        return slot;
}

static void slot_unmap(struct slot *slot) {
        munmap(slot, (size_t) (slot->bounce - (char *) slot) + PAGE_BYTES_MAX);
}

static struct slot *take_free(struct nodeos_buffer *buffer) {
        struct slot *slot = buffer->slots;

        buffer->slots = slot->next;
        slot->victims_count = 0;
        return slot;
}

struct slot *slot_take(struct nodeos_buffer *buffer, uint32_t flags) {
        while (!buffer->slots) {
                if (flags & NESTED || !event_wait_for(&buffer->slot_freed, &buffer->lock, PATIENCE_MS))
                        return buffer->slots ? take_free(buffer) : slot_map();
        }
        return take_free(buffer);
}

static void shrink(struct nodeos_buffer *buffer, struct slot *slot) {
        madvise(slot->bounce, slot->touched, MADV_DONTNEED);
        buffer->overhead -= slot->touched / SMALL_BYTES;
        buffer->bounced -= slot->touched / SMALL_BYTES;
        slot->touched = 0;
}

/* Those whose bounces are paid for come first: who got one that is not, while the others have all that bounces may have, would go on
 * with short windows. */
void slot_give(struct nodeos_buffer *buffer, struct slot *slot) {
        struct slot **at = &buffer->slots;

        if (slot->temporary) {
                buffer->overhead -= slot->touched / SMALL_BYTES;
                slot_unmap(slot);
                return;
        }
        /* The limit has become smaller since it was taken. */
        if (slot->touched / SMALL_BYTES > buffer->limit / 8 && slot->touched / SMALL_BYTES > buffer->small_most)
                shrink(buffer, slot);
        while (*at && (*at)->touched > slot->touched)
                at = &(*at)->next;
        slot->next = *at;
        *at = slot;
        event_happens(&buffer->slot_freed);
}

void slots_shrink(struct nodeos_buffer *buffer) {
        for (struct slot *slot = buffer->slots; slot; slot = slot->next)
                shrink(buffer, slot);
}

uint64_t slot_limit(const struct nodeos_buffer *buffer, const struct slot *slot) {
        uint64_t most = buffer->limit / 8 * SMALL_BYTES, others = buffer->bounced * SMALL_BYTES - slot->touched;
        uint64_t limit = most > others ? most - others : 0;

        if (limit < slot->touched)
                limit = slot->touched;
        return limit < PAGE_BYTES_MAX ? limit : PAGE_BYTES_MAX;
}

void slot_charge(struct nodeos_buffer *buffer, struct slot *slot, uint64_t bytes) {
        uint64_t small;

        if (bytes <= slot->touched)
                return;
        small = (bytes - slot->touched) / SMALL_BYTES;
        slot->touched = bytes;
        buffer->overhead += small;
        if (!slot->temporary)
                buffer->bounced += small;
}
