/* Stores by their numbers. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flat.h"

int32_t nodeos_flat_store(int error, struct nodeos_store *store) {
        int32_t r;

        if (error < 0)
                return error;
        r = nodeos_flat_put(NODEOS_FLAT_STORE, store);
        if (r < 0)
                nodeos_store_close(store);
        return r;
}

NODEOS_PAGING_API int32_t nodeos_paging_store_file(const char *path, uint32_t flags, uint64_t offset, uint64_t bytes) {
        struct nodeos_store *store = NULL;
        int r = nodeos_store_file(path, flags, offset, bytes, &store);

        return nodeos_flat_store(r, store);
}

NODEOS_PAGING_API int32_t nodeos_paging_store_sparse(const char *directory, uint32_t flags, uint64_t bytes, uint64_t granule) {
        struct nodeos_store *store = NULL;
        int r = nodeos_store_sparse(directory, flags, bytes, granule, &store);

        return nodeos_flat_store(r, store);
}

/* A path within a text whose last byte is NUL; NULL when it begins behind the text. */
static const char *path_at(const char *text, uint64_t size, uint64_t at) {
        return size > 0 && text[size - 1] == 0 && at < size ? text + at : NULL;
}

NODEOS_PAGING_API int32_t nodeos_paging_store_parts(const uint8_t *parts, uint32_t count, const char *text, uint64_t text_size,
                                                    uint32_t flags) {
        struct nodeos_store_part *wanted;
        struct nodeos_store *store = NULL;
        int r;

        wanted = calloc(count ? count : 1, sizeof(*wanted));
        if (!wanted)
                return -ENOMEM;
        for (uint32_t i = 0; i < count; i++) {
                struct nodeos_flat_part part;

                memcpy(&part, parts + i * sizeof(part), sizeof(part));
                wanted[i] = (struct nodeos_store_part) { path_at(text, text_size, part.path), part.file_offset, part.bytes };
                if (!wanted[i].path) {
                        free(wanted);
                        return -EINVAL;
                }
        }
        r = nodeos_store_parts(wanted, count, flags, &store);
        free(wanted);
        return nodeos_flat_store(r, store);
}

static double bits(uint64_t value) {
        double number;

        memcpy(&number, &value, sizeof(number));
        return number;
}

NODEOS_PAGING_API int32_t nodeos_paging_store_fits(const uint8_t *tiles, uint32_t count, const char *text, uint64_t text_size) {
        struct nodeos_store_tile *wanted;
        struct nodeos_store *store = NULL;
        int r;

        wanted = calloc(count ? count : 1, sizeof(*wanted));
        if (!wanted)
                return -ENOMEM;
        for (uint32_t i = 0; i < count; i++) {
                struct nodeos_flat_tile tile;
                struct nodeos_store_tile *to = wanted + i;

                memcpy(&tile, tiles + i * sizeof(tile), sizeof(tile));
                *to = (struct nodeos_store_tile) {
                        .path = tile.path == UINT64_MAX ? NULL : path_at(text, text_size, tile.path),
                        .file_offset = tile.file_offset,
                        .count = tile.count,
                        .bitpix = tile.bitpix,
                        .has_blank = tile.has_blank,
                        .blank = tile.blank,
                        .scale = bits(tile.scale),
                        .zero = bits(tile.zero),
                };
                if (tile.path != UINT64_MAX && !to->path) {
                        free(wanted);
                        return -EINVAL;
                }
        }
        r = nodeos_store_fits(wanted, count, &store);
        free(wanted);
        return nodeos_flat_store(r, store);
}

NODEOS_PAGING_API int32_t nodeos_paging_store_facts(int32_t handle, uint8_t *ret_facts) {
        const struct nodeos_store *store = nodeos_flat_get(NODEOS_FLAT_STORE, handle);
        struct nodeos_flat_facts facts;

        if (!store)
                return -EBADF;
        facts = (struct nodeos_flat_facts) { store->bytes, store->block_bytes, store->flags };
        memcpy(ret_facts, &facts, sizeof(facts));
        return 0;
}

NODEOS_PAGING_API int32_t nodeos_paging_store_close(int32_t handle) {
        struct nodeos_store *store = nodeos_flat_take(NODEOS_FLAT_STORE, handle);

        if (!store)
                return -EBADF;
        nodeos_store_close(store);
        return 0;
}
