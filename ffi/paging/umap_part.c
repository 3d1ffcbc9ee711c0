/* A part of another store: what begins behind an offset. */
#include <errno.h>
#include <stdlib.h>

#include "umap_internal.h"

struct behind {
        struct nodeos_store head;
        struct nodeos_store *store;
        uint64_t offset;
};

static int behind_read(struct nodeos_store *store, void *to, uint64_t bytes, uint64_t offset) {
        struct behind *behind = (struct behind *) store;

        return behind->store->calls->read(behind->store, to, bytes, behind->offset + offset);
}

static int behind_write(struct nodeos_store *store, const void *from, uint64_t bytes, uint64_t offset) {
        struct behind *behind = (struct behind *) store;

        return behind->store->calls->write(behind->store, from, bytes, behind->offset + offset);
}

static int behind_sync(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        struct behind *behind = (struct behind *) store;

        return behind->store->calls->sync ? behind->store->calls->sync(behind->store, bytes, behind->offset + offset) : 0;
}

static void behind_close(struct nodeos_store *store) {
        nodeos_store_close(((struct behind *) store)->store);
        free(store);
}

int umap_part_make(struct nodeos_store *store, uint64_t offset, struct nodeos_store **ret) {
        static const struct nodeos_store_calls calls = { behind_read, behind_write, behind_sync, behind_close };
        struct behind *behind;

        if (offset >= store->bytes)
                return -ENODATA;
        if (store->block_bytes > 1 && offset % store->block_bytes)
                return -EINVAL;
        behind = malloc(sizeof(*behind));
        if (!behind)
                return -ENOMEM;
        *behind = (struct behind) { *store, store, offset };
        behind->head.calls = &calls;
        behind->head.bytes -= offset;
        behind->head.plain_offset += offset;
        *ret = &behind->head;
        return 0;
}
