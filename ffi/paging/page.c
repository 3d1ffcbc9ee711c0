/* States of pages: waiting for them, changing them, and why some failed. The lock is held in all of this. */
#define _GNU_SOURCE
#include <errno.h>

#include "paging.h"

static struct event *event_of(struct nodeos_region *region, uint64_t page) {
        return &region->events[page / 16 % EVENTS];
}

void page_wait(struct nodeos_region *region, uint64_t page) {
        event_wait(event_of(region, page), &region->buffer->lock);
}

void pages_set(struct nodeos_region *region, uint64_t first, uint64_t count, unsigned state) {
        for (uint64_t page = first; page < first + count; page++)
                state_set(region, page, state);
        for (uint64_t page = first / 16 * 16, looked = 0; count && page < first + count && looked < EVENTS; page += 16, looked++)
                event_happens(event_of(region, page));
}

void page_charge(struct nodeos_region *region, uint64_t page) {
        uint64_t chunk = page / SMALL_BYTES;

        if (is_charged(region, page))
                return;
        region->charged[chunk / 64] |= UINT64_C(1) << chunk % 64;
        region->buffer->overhead++;
}

void failure_note(struct nodeos_region *region, uint64_t page, int error) {
        failure_forget(region, page);
        /* The oldest makes room: of a store that fails at everything, the latest pages are asked about. */
        region->failures[region->failures_count++ % FAILURES] = (struct failure) { page, error };
}

int failure_of(const struct nodeos_region *region, uint64_t page) {
        for (uint32_t i = 0; i < FAILURES; i++)
                if (region->failures[i].error && region->failures[i].page == page)
                        return region->failures[i].error;
        return is_charged(region, page) && state_of(region, page) == POISONED ? -EIO : 0;
}

void failure_forget(struct nodeos_region *region, uint64_t page) {
        for (uint32_t i = 0; i < FAILURES; i++)
                if (region->failures[i].page == page)
                        region->failures[i].error = 0;
}
