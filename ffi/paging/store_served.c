/* Who asks a served store: any thread, in signal handlers too. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "store_medium.h"
#include "store_served.h"
#include "store_served_slots.h"
#include "store_wait.h"

static int64_t deadline_of(uint32_t limit_ms) {
        return limit_ms ? now_ns() + (int64_t) limit_ms * 1000000 : FOREVER;
}

static struct slot *find_free(struct served *served) {
        for (struct slot *slot = served->slots; slot < served->slots + SERVED_SLOTS; slot++) {
                uint32_t word = word_of(slot);

                if (state_of(word) == FREE && change(slot, word, FILLING))
                        return slot;
        }
        return NULL;
}

/* A free slot, or NULL with an error. */
static struct slot *take_slot(struct served *served, int64_t deadline, int *ret_error) {
        struct slot *slot = find_free(served);
        bool in_time = true;

        if (slot)
                return slot;
        __atomic_fetch_add(&served->full, 1, __ATOMIC_SEQ_CST);
        do {
                uint32_t seen = __atomic_load_n(&served->freed, __ATOMIC_SEQ_CST);

                *ret_error = stopped(served);
                if (*ret_error == 0 && !in_time)
                        *ret_error = -ETIMEDOUT;
                slot = *ret_error == 0 ? find_free(served) : NULL;
                if (!slot && *ret_error == 0)
                        in_time = wait_while(&served->freed, seen, deadline);
        } while (!slot && *ret_error == 0);
        __atomic_fetch_sub(&served->full, 1, __ATOMIC_SEQ_CST);
        return slot;
}

static void give_slot(struct served *served, struct slot *slot) {
        __atomic_store_n(&slot->word, with_state(word_of(slot), FREE) + NEXT_REQUEST, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&served->freed, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&served->full, __ATOMIC_SEQ_CST))
                wake(&served->freed, 1);
}

/* Waits for the answer. Returns it, or why there is none. */
static int await(struct served *served, struct slot *slot, int64_t deadline) {
        for (;;) {
                uint32_t word = word_of(slot), state = state_of(word);
                bool in_time;

                if (state == DONE)
                        return slot->result;
                if (state == FAILED)
                        return stopped(served);
                in_time = wait_while(&slot->word, word, state == COPYING ? FOREVER : deadline);
                if (!in_time && state != COPYING && change(slot, word, FILLING))
                        return -ETIMEDOUT;
        }
}

static int ask(struct served *served, uint32_t operation, void *buffer, uint64_t bytes, uint64_t offset) {
        int64_t deadline = deadline_of(__atomic_load_n(&served->limit_ms, __ATOMIC_RELAXED));
        int error = stopped(served);
        struct slot *slot = error == 0 ? take_slot(served, deadline, &error) : NULL;
        uint32_t word;

        if (!slot)
                return error;
        __atomic_store_n(&slot->ticket, __atomic_fetch_add(&served->tickets, 1, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
        __atomic_store_n(&slot->operation, operation, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->bytes, bytes, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->offset, offset, __ATOMIC_RELAXED);
        slot->buffer = buffer;
        word = with_state(word_of(slot), QUEUED);
        __atomic_store_n(&slot->word, word, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&served->queued, 1, __ATOMIC_SEQ_CST);
        wake(&served->queued, 1);
        // A stop before it was queued did not see it.
        if (stopped(served) && change(slot, word, FAILED))
                error = stopped(served);
        else
                error = await(served, slot, deadline);
        give_slot(served, slot);
        return error;
}

static int ask_all(struct nodeos_store *store, uint32_t operation, void *buffer, uint64_t bytes, uint64_t offset) {
        struct served *served = (struct served *) store;
        int error = is_within(store, bytes, offset) ? 0 : -EINVAL;

        for (uint64_t at = 0; at < bytes && error == 0; at += NODEOS_SERVED_BYTES_MAX)
                error = ask(served, operation, (char *) buffer + at, min_u64(bytes - at, NODEOS_SERVED_BYTES_MAX), offset + at);
        return error;
}

static int read_served(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        return ask_all(store, NODEOS_SERVED_READ, buffer, bytes, offset);
}

static int write_served(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        return ask_all(store, NODEOS_SERVED_WRITE, (void *) (uintptr_t) buffer, bytes, offset);
}

static int sync_served(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        (void) bytes, (void) offset;
        return ask((struct served *) store, NODEOS_SERVED_SYNC, NULL, 0, 0);
}

static void close_served(struct nodeos_store *store) {
        struct served *served = (struct served *) store;

        __atomic_store_n(&served->is_closed, true, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&served->queued, 1, __ATOMIC_SEQ_CST);
        wake(&served->queued, INT_MAX);
        served_unref(served);
}

static const struct nodeos_store_calls reads = { .read = read_served, .close = close_served };
static const struct nodeos_store_calls writes = {
        .read = read_served, .write = write_served, .sync = sync_served, .close = close_served,
};

int32_t nodeos_store_served_new(uint64_t bytes, uint32_t block_bytes, uint32_t flags, uint32_t limit_ms, struct nodeos_store **ret_store,
                                int32_t *ret_server) {
        struct served *served;
        int error;

        if (!ret_store || !ret_server || bytes == 0 || bytes > INT64_MAX || block_bytes == 0 || block_bytes > 4096 ||
            block_bytes & (block_bytes - 1) || flags & ~(uint32_t) (NODEOS_STORE_WRITE | NODEOS_STORE_SIGNAL_SAFE))
                return -EINVAL;
        served = aligned_alloc(64, sizeof(*served));
        if (!served)
                return -ENOMEM;
        memset(served, 0, sizeof(*served));
        served->store = (struct nodeos_store) {
                .calls = flags & NODEOS_STORE_WRITE ? &writes : &reads,
                .bytes = bytes,
                .block_bytes = block_bytes,
                .flags = (flags & NODEOS_STORE_WRITE) | NODEOS_STORE_SIGNAL_SAFE,
                .plain_fd = -1,
        };
        served->refs = 2;
        served->limit_ms = limit_ms;
        error = served_enter(served, ret_server);
        if (error < 0)
                free(served);
        else
                *ret_store = &served->store;
        return error;
}
