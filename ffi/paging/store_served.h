/* A store whose pages come from another thread of this process: one that downloads, computes, or is written in another language.
 * Who touches a page waits (without spinning, also in a signal handler) until a server has answered for it.
 *
 *         error = nodeos_store_served_new(bytes, 4096, NODEOS_STORE_WRITE, 30000, &store, &server);
 *         ... one or more threads of their own:
 *         while ((error = nodeos_served_next(server, -1, &request)) == 0) {
 *                 switch (request.operation) {
 *                 case NODEOS_SERVED_READ:
 *                         nodeos_served_answer(server, request.id, 0, data, request.bytes);
 *                         break;
 *                 case NODEOS_SERVED_WRITE:
 *                         if (nodeos_served_take(server, request.id, data, request.bytes) == 0)
 *                                 nodeos_served_answer(server, request.id, keep(data), NULL, 0);
 *                         break;
 *                 case NODEOS_SERVED_SYNC:
 *                         nodeos_served_answer(server, request.id, 0, NULL, 0);
 *                 }
 *         }
 *         nodeos_served_release(server);
 *
 * The store goes to nodeos_region_map as any other. Store and server are apart: each ends when its owner ends it, in any order, and
 * the other then gets errors, never a wait without end. A thread that touches the region whose only server it is waits for itself:
 * until the time limit. Functions return 0 or -errno; a number that is no server's, or no more, is -EBADF. */
#ifndef NODEOS_STORE_SERVED_H
#define NODEOS_STORE_SERVED_H

#include "nodeos_paging.h"

#ifdef __cplusplus
extern "C" {
#endif

enum nodeos_served_operation { NODEOS_SERVED_READ = 1, NODEOS_SERVED_WRITE = 2, NODEOS_SERVED_SYNC = 3 };

/* No request is for more bytes: longer ranges are asked for in pieces. */
#define NODEOS_SERVED_BYTES_MAX (UINT64_C(1) << 20)

/* 32 bytes: id at 0, offset at 8, bytes at 16, operation at 24. */
struct nodeos_served_request {
        uint64_t id; /* less than 2^53; no other request of the server has it for a long time */
        uint64_t offset;
        uint64_t bytes; /* of a read or write, 1 to NODEOS_SERVED_BYTES_MAX; a sync is of the whole store and has 0 */
        uint32_t operation;
        uint32_t reserved;
};

/* Makes a store of so many bytes. block_bytes: requests begin and end at multiples of it (but at the store's end); a power of two,
 * 1 to 4096. flags: NODEOS_STORE_WRITE, NODEOS_STORE_SIGNAL_SAFE (it is in any case). limit_ms: who waits longer for one request
 * gets ETIMEDOUT; 0: waits for ever. EINVAL: one of these is wrong. EMFILE: 256 servers are there. */
NODEOS_PAGING_API int32_t nodeos_store_served_new(uint64_t bytes, uint32_t block_bytes, uint32_t flags, uint32_t limit_ms,
                                                  struct nodeos_store **ret_store, int32_t *ret_server);

/* Waits for a request, oldest first; each goes to one caller. wait_ms: 0 looks only, -1 waits for ever. ETIMEDOUT: there is none.
 * ESHUTDOWN: the store was closed, none will come. ECANCELED, or what stop was given: the server was stopped. */
NODEOS_PAGING_API int32_t nodeos_served_next(int32_t server, int32_t wait_ms, struct nodeos_served_request *ret);

/* Copies what a write request writes: all its bytes, as often as one likes before the answer. EINVAL: not that many, or no write.
 * ESTALE: who asked has gone (time limit, stop); there is nothing to answer. */
NODEOS_PAGING_API int32_t nodeos_served_take(int32_t server, uint64_t id, void *buffer, uint64_t bytes);

/* Ends a request. error: 0, or -errno (-4095 to -1) that the waiting thread's page fails with. data and bytes: of a read that
 * succeeded, all that was asked for (fewer: the read fails with ENODATA); otherwise NULL and 0. data is copied before this returns.
 * EINVAL: an error of other kind, or data where there is none to give: the request waits on. ESTALE: as above; a write that was
 * taken and then given up comes again later, so that a server which carries writes out in order is right. */
NODEOS_PAGING_API int32_t nodeos_served_answer(int32_t server, uint64_t id, int32_t error, const void *data, uint64_t bytes);

/* Fails all requests that wait, and all to come, with `error` (-4095 to -1; -ECANCELED of one that ends, -EIO of one that broke).
 * Who waits in nodeos_served_next gets it too. The first stop counts. */
NODEOS_PAGING_API int32_t nodeos_served_stop(int32_t server, int32_t error);

/* Sets the time limit of requests to come. */
NODEOS_PAGING_API int32_t nodeos_served_limit(int32_t server, uint32_t limit_ms);

/* Stops with ECANCELED, and gives the number free. */
NODEOS_PAGING_API int32_t nodeos_served_release(int32_t server);

#ifdef __cplusplus
}
#endif

#endif
