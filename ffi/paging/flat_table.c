/* Numbers of objects, and proofs of layouts. */
#include <errno.h>
#include <stdatomic.h>

#include "flat.h"
#include "paging.h"
#include "store_served.h"

#define HANDLES 65536

/* Empty slots cost nothing: the kernel gives a page of this when it is first written. */
static _Atomic(void *) slots[NODEOS_FLAT_KINDS][HANDLES];
/* Where the next search begins, so that a number that was just given back is not somebody else's at once. */
static atomic_uint next_slot[NODEOS_FLAT_KINDS];

int32_t nodeos_flat_put(enum nodeos_flat_kind kind, void *object) {
        unsigned from = atomic_load(&next_slot[kind]);

        for (unsigned i = 0; i < HANDLES; i++) {
                unsigned slot = (from + i) % HANDLES;
                void *empty = NULL;

                if (!atomic_compare_exchange_strong(&slots[kind][slot], &empty, object))
                        continue;
                atomic_store(&next_slot[kind], slot + 1);
                return (int32_t) slot;
        }
        return -EMFILE;
}

void *nodeos_flat_get(enum nodeos_flat_kind kind, int32_t handle) {
        if (handle < 0 || handle >= HANDLES)
                return NULL;
        return atomic_load(&slots[kind][handle]);
}

void *nodeos_flat_take(enum nodeos_flat_kind kind, int32_t handle) {
        if (handle < 0 || handle >= HANDLES)
                return NULL;
        return atomic_exchange(&slots[kind][handle], NULL);
}

#define FIELD(type, field) ((int32_t) offsetof(struct type, field))

static const int32_t buffer_fields[] = {
        sizeof(struct nodeos_buffer_options), FIELD(nodeos_buffer_options, size), FIELD(nodeos_buffer_options, low_percent),
        FIELD(nodeos_buffer_options, high_percent), FIELD(nodeos_buffer_options, evictors), FIELD(nodeos_buffer_options, bytes),
};

static const int32_t region_fields[] = {
        sizeof(struct nodeos_region_options), FIELD(nodeos_region_options, size), FIELD(nodeos_region_options, mode),
        FIELD(nodeos_region_options, memory), FIELD(nodeos_region_options, tracking), FIELD(nodeos_region_options, threads),
        FIELD(nodeos_region_options, window_pages), FIELD(nodeos_region_options, page_bytes),
        FIELD(nodeos_region_options, address), FIELD(nodeos_region_options, bytes), FIELD(nodeos_region_options, shared_fd),
        FIELD(nodeos_region_options, read_only),
};

#define COUNT(field) FIELD(nodeos_region_statistics, field)
static const int32_t statistics_fields[] = {
        sizeof(struct nodeos_region_statistics), COUNT(faults), COUNT(first_writes), COUNT(read_pages), COUNT(written_pages),
        COUNT(evicted_pages), COUNT(ahead_pages), COUNT(moved_pages), COUNT(reads), COUNT(writes), COUNT(waits), COUNT(errors),
        COUNT(resident_pages), COUNT(dirty_pages), COUNT(pinned_pages),
};

static const int32_t part_fields[] = {
        sizeof(struct nodeos_flat_part), FIELD(nodeos_flat_part, path), FIELD(nodeos_flat_part, file_offset),
        FIELD(nodeos_flat_part, bytes),
};

static const int32_t tile_fields[] = {
        sizeof(struct nodeos_flat_tile), FIELD(nodeos_flat_tile, path), FIELD(nodeos_flat_tile, file_offset),
        FIELD(nodeos_flat_tile, count), FIELD(nodeos_flat_tile, bitpix), FIELD(nodeos_flat_tile, has_blank),
        FIELD(nodeos_flat_tile, blank), FIELD(nodeos_flat_tile, scale), FIELD(nodeos_flat_tile, zero),
};

static const int32_t facts_fields[] = {
        sizeof(struct nodeos_flat_facts), FIELD(nodeos_flat_facts, bytes), FIELD(nodeos_flat_facts, block_bytes),
        FIELD(nodeos_flat_facts, flags),
};

static const int32_t request_fields[] = {
        sizeof(struct nodeos_served_request), FIELD(nodeos_served_request, id), FIELD(nodeos_served_request, offset),
        FIELD(nodeos_served_request, bytes), FIELD(nodeos_served_request, operation), FIELD(nodeos_served_request, reserved),
};

#define OF(field) FIELD(table, field)
static const int32_t table_fields[] = {
        sizeof(struct table), OF(magic), OF(version), OF(header_bytes), OF(address), OF(bytes), OF(page_bytes), OF(pages),
        OF(store_bytes), OF(mode), OF(memory), OF(tracking), OF(writable), OF(limit_bytes), OF(buffer_bytes),
        OF(statistics.faults), OF(statistics.first_writes), OF(statistics.read_pages), OF(statistics.written_pages),
        OF(statistics.evicted_pages), OF(statistics.ahead_pages), OF(statistics.moved_pages), OF(statistics.reads),
        OF(statistics.writes), OF(statistics.waits), OF(statistics.errors), OF(statistics.resident_pages),
        OF(statistics.dirty_pages), OF(statistics.pinned_pages), OF(name),
};

#define ROW(fields) { fields, sizeof(fields) / sizeof(*fields) }

static const struct {
        const int32_t *fields; /* the size of the structure, then the offset of each field */
        size_t count;
} layouts[] = { ROW(buffer_fields), ROW(region_fields), ROW(statistics_fields),
                ROW(part_fields),   ROW(tile_fields),   ROW(facts_fields),
                ROW(request_fields), ROW(table_fields) };

NODEOS_PAGING_API int32_t nodeos_paging_layout(int32_t type, int32_t field) {
        if (type < 0 || (size_t) type >= sizeof(layouts) / sizeof(*layouts))
                return -EINVAL;
        if (field < -1 || (int64_t) field + 1 >= (int64_t) layouts[type].count)
                return -EINVAL;
        return layouts[type].fields[field + 1];
}
