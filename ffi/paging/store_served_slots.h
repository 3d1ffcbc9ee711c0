/* Between the store_serve*.c files.
 *
 * Requests of a served store lie in slots. Who asks fills one and waits on its word; who serves takes it from there. The word holds
 * the slot's state and which request it is, and changes by compare-and-swap alone: nobody holds a lock that a thread in a signal
 * handler could want, and what comes too late does not meet the next request.
 *
 *      FREE -> FILLING -> QUEUED -> SERVED <-> COPYING -> DONE -> FREE
 *                            |         |         the server copies; who asked stays, so that its memory does
 *                            +---------+-> FAILED (stop) or FREE (time limit) */
#ifndef NODEOS_STORE_SERVED_SLOTS_H
#define NODEOS_STORE_SERVED_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "nodeos_paging.h"

#define SERVED_SLOTS 64u

struct slot {
        uint32_t word; /* state, and number of the request */
        uint32_t operation;
        uint64_t ticket, bytes, offset;
        void *buffer;
        int result;
} __attribute__((aligned(64)));

struct served {
        struct nodeos_store store;
        uint32_t refs;           /* the store, the number, and calls of it */
        uint32_t limit_ms;
        int stopped;             /* 0, or the error that all get */
        bool is_closed;
        uint32_t queued, freed;  /* counts that are waited on */
        uint32_t full;           /* how many wait for a slot */
        uint64_t tickets;
        struct slot slots[SERVED_SLOTS];
};

enum { FREE, FILLING, QUEUED, SERVED, COPYING, DONE, FAILED, STATES = 7 };

#define NEXT_REQUEST 8u

static inline uint32_t state_of(uint32_t word) {
        return word & STATES;
}

static inline uint32_t with_state(uint32_t word, uint32_t state) {
        return (word & ~(uint32_t) STATES) | state;
}

static inline bool change(struct slot *slot, uint32_t word, uint32_t state) {
        return __atomic_compare_exchange_n(&slot->word, &word, with_state(word, state), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline uint32_t word_of(struct slot *slot) {
        return __atomic_load_n(&slot->word, __ATOMIC_SEQ_CST);
}

static inline int stopped(struct served *served) {
        return __atomic_load_n(&served->stopped, __ATOMIC_SEQ_CST);
}

/* Gives a number. EMFILE: there is none. */
int served_enter(struct served *served, int32_t *ret_number);
/* What has a number, with a reference for the caller; or NULL. */
struct served *served_find(int32_t number);
/* The same, and takes the number from it: the reference is the number's. */
struct served *served_leave(int32_t number);
void served_unref(struct served *served);

#endif
