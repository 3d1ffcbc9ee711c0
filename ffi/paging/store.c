#include "nodeos_paging.h"

void nodeos_store_close(struct nodeos_store *store) {
        if (store)
                store->calls->close(store);
}
