/* Pages that stay: pins of programs, and short ones of reads and writes without a fault. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "paging.h"

#define PIECE_PAGES 16

uint64_t pins_bytes(const struct nodeos_region *region) {
        /* In words: two counts are one. */
        uint64_t counts = (region->pages + 1) / 2, bits = region->pages / SMALL_BYTES / 64 + 1;

        return (counts + bits) * sizeof(uint64_t);
}

/* The counts of pins, made at the first; no call that may lock in libc, as the lock is held. */
static int make_pins(struct nodeos_region *region) {
        void *memory;

        if (region->pins)
                return 0;
        memory = mmap(NULL, pins_bytes(region), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
                return -ENOMEM;
        madvise(memory, pins_bytes(region), MADV_NOHUGEPAGE);
        region->pins = memory;
        region->pins_charged = (uint64_t *) ((char *) memory + pins_bytes(region)) - (region->pages / SMALL_BYTES / 64 + 1);
        return 0;
}

static void charge(struct nodeos_region *region, uint64_t page) {
        uint64_t chunk = page / SMALL_BYTES, bit = UINT64_C(1) << chunk % 64;

        if (region->pins_charged[chunk / 64] & bit)
                return;
        region->pins_charged[chunk / 64] |= bit;
        region->pins_overhead += sizeof *region->pins;
        region->buffer->overhead += sizeof *region->pins;
}

static uint32_t pins_of(const struct nodeos_region *region, uint64_t page) {
        return region->pins[page] % HOLD;
}

static void add(struct nodeos_region *region, uint64_t first, uint64_t end, int by) {
        for (uint64_t page = first; page < end; page++) {
                charge(region, page);
                region->pins[page] += (uint32_t) by;
        }
}

static void count_pinned(struct nodeos_region *region, uint64_t pages, bool up) {
        uint64_t small = pages * region->small;

        region->buffer->pinned += up ? small : -small;
        counts(region)->pinned_pages += up ? small : -small;
}

static int pin(struct nodeos_region *region, struct slot *slot, uint64_t first, uint64_t end) {
        struct nodeos_buffer *buffer = region->buffer;
        uint64_t added = 0;
        int error = make_pins(region);

        if (error)
                return error;
        for (uint64_t page = first; page < end; page++) {
                if (pins_of(region, page) == HOLD - 1)
                        return -EOVERFLOW;
                added += pins_of(region, page) == 0;
        }
        if (!may_be_pinned(buffer, buffer->pinned + added * region->small))
                return -ENOMEM;
        add(region, first, end, 1);
        count_pinned(region, added, true);
        error = range_fill(region, slot, first, end, false, 0);
        if (error) {
                add(region, first, end, -1);
                added = 0;
                for (uint64_t page = first; page < end; page++)
                        added += pins_of(region, page) == 0;
                count_pinned(region, added, false);
        }
        return error;
}

int nodeos_region_pin(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        uint64_t first, end;
        struct calm calm;
        struct slot *slot;
        int error;

        if (offset >= region->bytes)
                return -EINVAL;
        range_pages(region, offset, bytes, &first, &end);
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_pin(region, offset, bytes, true);
        error = calm_begin(&calm, region);
        if (error)
                return error;
        lock_take(&region->buffer->lock);
        slot = slot_take(region->buffer, 0);
        error = pin(region, slot, first, end);
        slot_give(region->buffer, slot);
        lock_release(&region->buffer->lock);
        calm_end(&calm);
        return error == GONE ? -EFAULT : error;
}

int nodeos_region_unpin(struct nodeos_region *region, uint64_t offset, uint64_t bytes) {
        uint64_t first, end, freed = 0;
        struct calm calm;
        int error = 0;

        if (offset >= region->bytes)
                return -EINVAL;
        range_pages(region, offset, bytes, &first, &end);
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_pin(region, offset, bytes, false);
        error = calm_begin(&calm, region);
        if (error)
                return error;
        lock_take(&region->buffer->lock);
        for (uint64_t page = first; page < end && !error; page++)
                error = region->pins && pins_of(region, page) ? 0 : -EINVAL;
        if (!error) {
                add(region, first, end, -1);
                for (uint64_t page = first; page < end; page++)
                        freed += pins_of(region, page) == 0;
                count_pinned(region, freed, false);
                event_happens(&region->buffer->room);
        }
        lock_release(&region->buffer->lock);
        calm_end(&calm);
        return error;
}

/* Holds some pages, copies, lets them go. */
static int transfer(struct nodeos_region *region, char *buffer, uint64_t bytes, uint64_t offset, bool is_write) {
        uint64_t first = offset / region->page_bytes, end = (offset + bytes - 1) / region->page_bytes + 1;
        struct slot *slot;
        int error;

        lock_take(&region->buffer->lock);
        error = make_pins(region);
        if (!error) {
                slot = slot_take(region->buffer, 0);
                add(region, first, end, HOLD);
                error = range_fill(region, slot, first, end, is_write, 0);
                slot_give(region->buffer, slot);
                /* Others wait for what is held so briefly; we do not, where our own memory is a region's too. */
                busy_begin(region->buffer);
                lock_release(&region->buffer->lock);
                nest(1);
                if (!error && is_write)
                        memcpy(region->address + offset, buffer, bytes);
                else if (!error)
                        memcpy(buffer, region->address + offset, bytes);
                nest(-1);
                lock_take(&region->buffer->lock);
                add(region, first, end, -HOLD);
                busy_end(region->buffer);
        }
        lock_release(&region->buffer->lock);
        return error;
}

static int transfer_all(struct nodeos_region *region, char *buffer, uint64_t bytes, uint64_t offset, bool is_write) {
        struct calm calm;
        uint64_t piece;
        int error;

        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_transfer(region, buffer, bytes, offset, is_write);
        piece = region->buffer->windows / region->small;
        if (offset > region->bytes || bytes > region->bytes - offset)
                return -EINVAL;
        piece = (piece > PIECE_PAGES ? PIECE_PAGES : piece ? piece : 1) * region->page_bytes;
        error = calm_begin(&calm, region);
        if (error)
                return error;
        for (uint64_t done = 0, some; done < bytes && !error; done += some) {
                some = piece - (offset + done) % piece;
                some = some < bytes - done ? some : bytes - done;
                error = transfer(region, buffer + done, some, offset + done, is_write);
        }
        calm_end(&calm);
        return error == GONE ? -EFAULT : error;
}

int nodeos_region_read(struct nodeos_region *region, void *buffer, uint64_t bytes, uint64_t offset) {
        return transfer_all(region, buffer, bytes, offset, false);
}

int nodeos_region_write(struct nodeos_region *region, const void *buffer, uint64_t bytes, uint64_t offset) {
        if (!region->writable)
                return -EROFS;
        return transfer_all(region, (char *) (uintptr_t) buffer, bytes, offset, true);
}
