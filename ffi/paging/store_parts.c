/* Parts of files, one behind the other. All are looked at once, and opened again when they are needed: so many descriptors at a time
 * as store_descriptors.h says. */
#include <errno.h>
#include <stdlib.h>

#include "store_named.h"

struct part {
        uint64_t start; /* in the store */
        uint64_t bytes;
        uint64_t file, file_offset;
};

struct parts_store {
        struct nodeos_store store;
        struct named_files named;
        uint32_t count;
        struct part parts[];
};

static struct part *part_at(struct parts_store *all, uint64_t offset) {
        uint32_t low = 0, high = all->count;

        while (high - low > 1) {
                uint32_t middle = low + (high - low) / 2;

                if (all->parts[middle].start <= offset)
                        low = middle;
                else
                        high = middle;
        }
        return &all->parts[low];
}

static int transfer(struct parts_store *all, char *buffer, uint64_t bytes, uint64_t offset, bool is_write) {
        int error = is_within(&all->store, bytes, offset) ? 0 : -EINVAL;

        for (struct part *part = part_at(all, offset); bytes && error == 0; part++) {
                uint64_t from = offset - part->start;
                uint64_t piece = min_u64(bytes, part->bytes - from);

                if (is_write)
                        error = files_write(&all->named.files, part->file, buffer, piece, part->file_offset + from);
                else
                        error = files_read(&all->named.files, part->file, buffer, piece, part->file_offset + from);
                buffer += piece;
                bytes -= piece;
                offset += piece;
        }
        return error;
}

static int read_parts(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        return transfer((struct parts_store *) store, buffer, bytes, offset, false);
}

static int write_parts(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        return transfer((struct parts_store *) store, (char *) (uintptr_t) buffer, bytes, offset, true);
}

static int sync_parts(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        struct parts_store *all = (struct parts_store *) store;
        struct part *last;
        int error = 0;

        if (offset >= store->bytes)
                return bytes || offset > store->bytes ? -EINVAL : 0;
        last = part_at(all, bytes && bytes < store->bytes - offset ? offset + bytes - 1 : store->bytes - 1);
        for (struct part *part = part_at(all, offset); part <= last; part++) {
                int its = files_sync(&all->named.files, part->file, 1);

                error = error < 0 ? error : its;
        }
        return error;
}

static void close_parts(struct nodeos_store *store) {
        named_end(&((struct parts_store *) store)->named);
        free(store);
}

static const struct nodeos_store_calls reads = { .read = read_parts, .close = close_parts };
static const struct nodeos_store_calls writes = { .read = read_parts, .write = write_parts, .sync = sync_parts, .close = close_parts };

static int look(struct parts_store *all, const struct nodeos_store_part *given, uint32_t count, uint32_t flags) {
        int error = named_begin(&all->named, count, flags);

        for (uint32_t i = 0; i < count && error == 0; i++) {
                struct part *part = &all->parts[i];

                error = named_add(&all->named, given[i].path, given[i].file_offset, given[i].bytes, &part->file, &part->bytes);
                if (error == 0 && part->bytes > INT64_MAX - all->store.bytes)
                        error = -EINVAL;
                part->file_offset = given[i].file_offset;
                part->start = all->store.bytes;
                all->store.bytes += part->bytes;
        }
        return error < 0 ? error : named_ready(&all->named);
}

int nodeos_store_parts(const struct nodeos_store_part *parts, uint32_t count, uint32_t flags, struct nodeos_store **ret) {
        struct parts_store *all;
        int error;

        if (!parts || count == 0 || !ret || !medium_flags_ok(flags))
                return -EINVAL;
        all = calloc(1, sizeof(*all) + count * sizeof(all->parts[0]));
        if (!all)
                return -ENOMEM;
        all->count = count;
        all->store = (struct nodeos_store) {
                .calls = flags & NODEOS_STORE_WRITE ? &writes : &reads,
                .block_bytes = 1,
                .flags = (flags & NODEOS_STORE_WRITE) | NODEOS_STORE_SIGNAL_SAFE,
                .plain_fd = -1,
        };
        error = look(all, parts, count, flags);
        if (error < 0)
                close_parts(&all->store);
        else
                *ret = &all->store;
        return error;
}
