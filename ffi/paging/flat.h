/* Paging for callers without pointers: integers, and buffers of the caller's. Objects are small integers, of a table for each kind. */
#ifndef NODEOS_PAGING_FLAT_H
#define NODEOS_PAGING_FLAT_H

#include "nodeos_paging.h"

enum nodeos_flat_kind { NODEOS_FLAT_BUFFER, NODEOS_FLAT_STORE, NODEOS_FLAT_REGION, NODEOS_FLAT_KINDS };

/* Gives an object a number, 0 or more. EMFILE: all are taken. */
int32_t nodeos_flat_put(enum nodeos_flat_kind kind, void *object);
/* The object of a number, or NULL. */
void *nodeos_flat_get(enum nodeos_flat_kind kind, int32_t handle);
/* The same, and the number is free again. Who takes first has it; the others get NULL. */
void *nodeos_flat_take(enum nodeos_flat_kind kind, int32_t handle);

/* What is given a number, or ended by its store's own close. */
int32_t nodeos_flat_store(int error, struct nodeos_store *store);

/* A part of a store that is made of several; paths lie in a text of the caller's, each ended by NUL. */
struct nodeos_flat_part {
        uint64_t path; /* where in the text it begins */
        uint64_t file_offset;
        uint64_t bytes;
};

/* A tile of FITS; `scale` and `zero` are the bits of doubles. */
struct nodeos_flat_tile {
        uint64_t path; /* UINT64_MAX: missing */
        uint64_t file_offset;
        uint64_t count;
        int32_t bitpix;
        int32_t has_blank;
        int64_t blank;
        uint64_t scale;
        uint64_t zero;
};

/* What a store is. */
struct nodeos_flat_facts {
        uint64_t bytes;
        uint32_t block_bytes;
        uint32_t flags;
};

#endif
