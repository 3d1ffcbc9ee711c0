/* Buffers and regions by their numbers. */
#include <errno.h>
#include <string.h>

#include "flat.h"

NODEOS_PAGING_API int32_t nodeos_paging_buffer_create(const uint8_t *options) {
        struct nodeos_buffer_options wanted;
        struct nodeos_buffer *buffer;
        int32_t r;

        memcpy(&wanted, options, sizeof(wanted));
        r = nodeos_buffer_create(&wanted, &buffer);
        if (r < 0)
                return r;
        r = nodeos_flat_put(NODEOS_FLAT_BUFFER, buffer);
        if (r < 0)
                nodeos_buffer_close(buffer);
        return r;
}

NODEOS_PAGING_API int32_t nodeos_paging_buffer_resize(int32_t handle, uint64_t bytes) {
        struct nodeos_buffer *buffer = nodeos_flat_get(NODEOS_FLAT_BUFFER, handle);

        return buffer ? nodeos_buffer_resize(buffer, bytes) : -EBADF;
}

/* EBUSY: regions use it; it keeps its number. */
NODEOS_PAGING_API int32_t nodeos_paging_buffer_close(int32_t handle) {
        struct nodeos_buffer *buffer = nodeos_flat_get(NODEOS_FLAT_BUFFER, handle);
        int32_t r;

        if (!buffer)
                return -EBADF;
        r = nodeos_buffer_close(buffer);
        if (r == 0)
                nodeos_flat_take(NODEOS_FLAT_BUFFER, handle);
        return r;
}

/* Maps a store, whose number is gone in any case, and says where and how many bytes. buffer -1: the one that all such share. */
NODEOS_PAGING_API int32_t nodeos_paging_map(int32_t buffer_handle, int32_t store_handle, const uint8_t *options, uint64_t *ret_place) {
        struct nodeos_store *store = nodeos_flat_take(NODEOS_FLAT_STORE, store_handle);
        struct nodeos_buffer *buffer = NULL;
        struct nodeos_region_options wanted;
        struct nodeos_region *region;
        int32_t r;

        if (!store)
                return -EBADF;
        if (buffer_handle >= 0 && !(buffer = nodeos_flat_get(NODEOS_FLAT_BUFFER, buffer_handle))) {
                nodeos_store_close(store);
                return -EBADF;
        }
        memcpy(&wanted, options, sizeof(wanted));
        r = nodeos_region_map(buffer, store, &wanted, &region);
        if (r < 0)
                return r;
        r = nodeos_flat_put(NODEOS_FLAT_REGION, region);
        if (r < 0) {
                nodeos_region_unmap(region);
                return r;
        }
        ret_place[0] = (uint64_t) (uintptr_t) nodeos_region_address(region);
        ret_place[1] = nodeos_region_bytes(region);
        return r;
}

NODEOS_PAGING_API int32_t nodeos_paging_unmap(int32_t handle) {
        struct nodeos_region *region = nodeos_flat_take(NODEOS_FLAT_REGION, handle);

        return region ? nodeos_region_unmap(region) : -EBADF;
}

/* Does one of these with a range of a region: flush, populate, prefetch, evict, pin, unpin, forgive. */
NODEOS_PAGING_API int32_t nodeos_paging_range(int32_t handle, int32_t action, uint64_t offset, uint64_t bytes) {
        static int (*const actions[])(struct nodeos_region *, uint64_t, uint64_t) = {
                nodeos_region_flush, nodeos_region_populate, nodeos_region_prefetch, nodeos_region_evict,
                nodeos_region_pin,   nodeos_region_unpin,    nodeos_region_forgive,
        };
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);

        if (!region)
                return -EBADF;
        if (action < 0 || (size_t) action >= sizeof(actions) / sizeof(*actions))
                return -EINVAL;
        return actions[action](region, offset, bytes);
}

NODEOS_PAGING_API int32_t nodeos_paging_read(int32_t handle, uint8_t *data, uint64_t bytes, uint64_t offset) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);

        return region ? nodeos_region_read(region, data, bytes, offset) : -EBADF;
}

NODEOS_PAGING_API int32_t nodeos_paging_write(int32_t handle, const uint8_t *data, uint64_t bytes, uint64_t offset) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);

        return region ? nodeos_region_write(region, data, bytes, offset) : -EBADF;
}

/* Copies `each` bytes from each of `count` offsets, one behind the other. Returns how many it copied before one failed, whose -errno
 * is in ret_error; else 0 is. */
NODEOS_PAGING_API int64_t nodeos_paging_gather(int32_t handle, const uint64_t *offsets, uint64_t count, uint32_t each, uint8_t *ret_data,
                                               int32_t *ret_error) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);

        *ret_error = region ? 0 : -EBADF;
        for (uint64_t i = 0; i < count && *ret_error == 0; i++) {
                *ret_error = nodeos_region_read(region, ret_data + i * each, each, offsets[i]);
                if (*ret_error < 0)
                        return (int64_t) i;
        }
        return *ret_error == 0 ? (int64_t) count : 0;
}

/* The error number of a page, positive; 0 when it did not fail. */
NODEOS_PAGING_API int32_t nodeos_paging_error(int32_t handle, uint64_t offset) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);

        return region ? nodeos_region_error(region, offset) : -EBADF;
}

NODEOS_PAGING_API int32_t nodeos_paging_statistics(int32_t handle, uint8_t *ret_statistics) {
        struct nodeos_region *region = nodeos_flat_get(NODEOS_FLAT_REGION, handle);
        struct nodeos_region_statistics statistics;

        if (!region)
                return -EBADF;
        nodeos_region_statistics(region, &statistics);
        memcpy(ret_statistics, &statistics, sizeof(statistics));
        return 0;
}
