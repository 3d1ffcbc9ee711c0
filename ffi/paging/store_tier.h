/* Compressed pages in one piece of memory; between the store*.c files. Nothing here waits, or asks for memory; the caller has a lock.
 *
 * Blobs lie in a ring in the order in which they came. A newer one of the same page makes the older DEAD. What is needed for new ones
 * is taken from the tail, so that memory has no gaps: a tier either drops what lies there, or moves it to the head. Positions are
 * bytes since the beginning of time. A table of chains finds the blob of a page. */
#ifndef NODEOS_STORE_TIER_H
#define NODEOS_STORE_TIER_H

#include <stdbool.h>
#include <stdint.h>

enum blob_state { BLOB_DEAD, BLOB_CLEAN, BLOB_DIRTY };

struct blob {
        uint64_t page;
        uint32_t next;  /* in its chain: where it lies, in units, + 1 */
        uint16_t bytes; /* of `data`; of one that only fills the ring up to its end: 0 */
        uint8_t state;
        uint8_t is_filler;
        char data[];
};

#define TIER_UNIT UINT64_C(64)
#define TIER_BYTES_MIN (UINT64_C(64) << 10)
#define TIER_BYTES_MAX (UINT64_C(128) << 30)

struct tier {
        void *memory;
        uint64_t memory_bytes;
        uint32_t *chains;
        uint64_t chain_mask;
        char *ring;
        uint64_t ring_bytes;
        uint64_t head, tail;
        uint64_t live_bytes; /* of blobs that are not dead */
};

/* bytes: of all that the tier has, TIER_BYTES_MIN to TIER_BYTES_MAX. */
int tier_begin(struct tier *tier, uint64_t bytes);
void tier_end(struct tier *tier);

struct blob *tier_find(const struct tier *tier, uint64_t page);
/* The blob at a position, which moves behind it; NULL at the head. */
struct blob *tier_next(const struct tier *tier, uint64_t *position);

bool tier_has_room(const struct tier *tier, uint32_t bytes);
/* Puts a blob at the head, in the place of an older one of its page. There is room. */
void tier_put(struct tier *tier, uint64_t page, const void *data, uint32_t bytes, enum blob_state state);

/* Drops from the tail on what is not dirty, until there is room. Returns false if there is none because of a dirty one. */
bool tier_drop(struct tier *tier, uint32_t bytes);
/* Moves from the tail to the head what is not dead, until there is room. Returns false if too much of it is not dead. */
bool tier_compact(struct tier *tier, uint32_t bytes);

#endif
