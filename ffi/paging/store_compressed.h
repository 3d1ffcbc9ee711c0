/* Between the store_compressed*.c files.
 *
 * `lock` is for the tier, and short. `below_lock` is held while the store below is written to: one write at a time, so that an older
 * state of a page never comes after a newer, and the tail stays where it is. Who has it reads blobs without `lock`: nothing but the
 * state and the chain of a blob ever changes. Signals wait during a call, or a handler could want what its own thread holds. */
#ifndef NODEOS_STORE_COMPRESSED_H
#define NODEOS_STORE_COMPRESSED_H

#include "store_medium.h"
#include "store_tier.h"
#include "store_wait.h"
#include "store_zstd.h"

#define PAGE ((uint64_t) ZSTD_PAGE)

struct compressed_store {
        struct nodeos_store store;
        struct nodeos_store *below;
        struct zstd zstd;
        struct tier tier;
        uint32_t lock, below_lock;
        bool is_pinned; /* the tail stays where it is */
};

/* Bytes of a page: fewer of the last. */
static inline uint64_t compressed_bytes(const struct compressed_store *all, uint64_t page) {
        return min_u64(PAGE, all->store.bytes - page * PAGE);
}

/* store_compressed_below.c: makes room at the tail by writing what lies there, without `lock`. */
int compressed_drain(struct compressed_store *all, uint32_t bytes);
/* Writes what is dirty of some pages. All is tried; returns the first error. */
int compressed_flush(struct compressed_store *all, uint64_t first, uint64_t last);

/* store_compressed_pages.c: gives pages, of the tier or of the store below. */
int compressed_read(struct compressed_store *all, char *to, uint64_t first, uint64_t end);
/* Keeps a page; one that is clean unless there is one already. ENOSPC: there is no store below, and no room. */
int compressed_keep(struct compressed_store *all, uint64_t page, const char *from, enum blob_state state);

#endif
