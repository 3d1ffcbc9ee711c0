/* Which ways a region takes, of what is asked and what the kernel has. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

#define WINDOW_PAGES 256

static bool can_move(void) {
        uint64_t needed = FEATURE_MOVE | UFFD_FEATURE_PAGEFAULT_FLAG_WP;

        return (uffd_features() & needed) == needed;
}

static int choose_sizes(struct nodeos_region *region, const struct nodeos_region_options *options) {
        uint64_t bytes = options->bytes ? options->bytes : region->store->bytes;

        region->page_bytes = options->page_bytes ? options->page_bytes : SMALL_BYTES;
        region->small = (uint32_t) (region->page_bytes / SMALL_BYTES);
        if (region->page_bytes % SMALL_BYTES || region->page_bytes > PAGE_BYTES_MAX || !region->small || !bytes || bytes > UINT64_MAX / 4)
                return -EINVAL;
        if (sysconf(_SC_PAGESIZE) != (long) SMALL_BYTES)
                return -EOPNOTSUPP;
        region->bytes = bytes;
        region->pages = (bytes + region->page_bytes - 1) / region->page_bytes;
        region->window_pages = options->window_pages ? options->window_pages : WINDOW_PAGES / region->small;
        if (region->window_pages == 0)
                region->window_pages = 1;
        if (region->window_pages > PAGE_BYTES_MAX / region->page_bytes)
                region->window_pages = (uint32_t) (PAGE_BYTES_MAX / region->page_bytes);
        return 0;
}

/* A plain mapping is faster than all that we can do: where nothing is asked that it cannot. */
static bool wants_plain(const struct nodeos_region *region, const struct nodeos_region_options *options, bool has_buffer) {
        return !has_buffer && options->memory == NODEOS_MEMORY_AUTO && options->tracking == NODEOS_TRACKING_AUTO && !options->page_bytes &&
               plain_can(region->store, region->bytes);
}

static int choose_mode(struct nodeos_region *region, const struct nodeos_region_options *options, bool has_buffer) {
        bool is_safe = region->store->flags & NODEOS_STORE_SIGNAL_SAFE;

        region->mode = options->mode;
        if (region->mode == NODEOS_MODE_AUTO && wants_plain(region, options, has_buffer))
                region->mode = NODEOS_MODE_PLAIN;
        else if (region->mode == NODEOS_MODE_AUTO)
                region->mode = is_safe ? NODEOS_MODE_SIGNAL : NODEOS_MODE_THREAD;
        if (region->mode == NODEOS_MODE_PLAIN)
                return plain_can(region->store, region->bytes) && region->small == 1 ? 0 : -EOPNOTSUPP;
        return region->mode == NODEOS_MODE_SIGNAL && !is_safe ? -EINVAL : 0;
}

static int choose_memory(struct nodeos_region *region, const struct nodeos_region_options *options) {
        uint64_t features = uffd_features(), scanning = FEATURE_SCAN | FEATURE_WP_ASYNC | FEATURE_MOVE;

        if (!features)
                return -EPERM;
        region->memory = options->memory;
        if (region->memory == NODEOS_MEMORY_AUTO)
                region->memory = can_move() ? NODEOS_MEMORY_MOVE : NODEOS_MEMORY_COPY;
        if (region->memory == NODEOS_MEMORY_MOVE && !can_move())
                return -EOPNOTSUPP;
        if (region->memory == NODEOS_MEMORY_SHARED && !(features & FEATURE_MINOR_SHMEM))
                return -EOPNOTSUPP;
        if (region->memory == NODEOS_MEMORY_SHARED && region->writable)
                return -EINVAL;
        region->tracking = !region->writable ? NODEOS_TRACKING_NONE : options->tracking ? options->tracking : NODEOS_TRACKING_FAULT;
        /* What is evicted has to leave at one moment. */
        if (region->tracking == NODEOS_TRACKING_SCAN && (features & scanning) != scanning)
                return -EOPNOTSUPP;
        region->tracked = region->tracking == NODEOS_TRACKING_FAULT;
        region->foresees = region->tracked && options->tracking == NODEOS_TRACKING_AUTO;
        region->guarded = region->memory == NODEOS_MEMORY_MOVE && !region->writable;
        return 0;
}

int region_choose(struct nodeos_region *region, const struct nodeos_region_options *options, bool has_buffer) {
        const struct nodeos_store *store = region->store;
        int error;

        if (options->threads > THREADS_MAX || options->mode > NODEOS_MODE_PLAIN || options->memory > NODEOS_MEMORY_SHARED ||
            options->tracking > NODEOS_TRACKING_NONE)
                return -EINVAL;
        region->writable = store->calls->write && store->flags & NODEOS_STORE_WRITE && !options->read_only &&
                           options->tracking != NODEOS_TRACKING_NONE;
        error = choose_sizes(region, options);
        if (!error)
                error = choose_mode(region, options, has_buffer);
        if (!error && region->mode != NODEOS_MODE_PLAIN)
                error = choose_memory(region, options);
        return error;
}
