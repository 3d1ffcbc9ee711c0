/* The compressed tier by its number. */
#include <errno.h>

#include "flat.h"

/* below -1: none. The number of `below` is gone in any case. */
NODEOS_PAGING_API int32_t nodeos_paging_store_compressed(int32_t below_handle, uint64_t bytes, uint64_t tier_bytes, int32_t level) {
        struct nodeos_store *below = nodeos_flat_take(NODEOS_FLAT_STORE, below_handle);
        struct nodeos_store *store = NULL;
        int r;

        if (below_handle >= 0 && !below)
                return -EBADF;
        r = nodeos_store_compressed(below, bytes, tier_bytes, level, &store);
        return nodeos_flat_store(r, store);
}
