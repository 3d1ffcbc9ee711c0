/* Stores that other threads serve: the store gets a number of ours, its server has one of its own. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#include "flat.h"
#include "store_served.h"

/* See nodeos_store_served_new. Returns the number of the store. */
NODEOS_PAGING_API int32_t nodeos_paging_store_served(uint64_t bytes, uint32_t block_bytes, uint32_t flags, uint32_t limit_ms,
                                                     int32_t *ret_server) {
        struct nodeos_store *store = NULL;
        int32_t r = nodeos_store_served_new(bytes, block_bytes, flags, limit_ms, &store, ret_server);

        r = nodeos_flat_store(r, store);
        if (r < 0 && store)
                nodeos_served_release(*ret_server);
        return r;
}

static pthread_key_t served_here;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Who waits for a thread that has ended would wait until the time limit. */
static void thread_ends(void *server) {
        nodeos_served_stop((int32_t) ((intptr_t) server - 1), -EIO);
}

static void make_key(void) {
        pthread_key_create(&served_here, thread_ends);
}

/* This thread answers for a server: when it ends, all requests fail with EIO. -1: it does not any more. */
NODEOS_PAGING_API int32_t nodeos_paging_serve_here(int32_t server) {
        pthread_once(&once, make_key);
        return -pthread_setspecific(served_here, server < 0 ? NULL : (void *) ((intptr_t) server + 1));
}
