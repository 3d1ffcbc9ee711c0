/* Who serves: threads of the program, by the number of their server. */
#define _GNU_SOURCE
#include <string.h>

#include "store_served.h"
#include "store_served_slots.h"
#include "store_wait.h"

/* The oldest request that nobody has, with its number. What was read is of one request, for the word is the same afterwards. */
static bool take_oldest(struct served *served, struct nodeos_served_request *ret) {
        for (;;) {
                struct slot *oldest = NULL;
                uint64_t ticket = UINT64_MAX;
                uint32_t word = 0;

                for (struct slot *slot = served->slots; slot < served->slots + SERVED_SLOTS; slot++) {
                        uint32_t seen = word_of(slot);
                        uint64_t its = __atomic_load_n(&slot->ticket, __ATOMIC_RELAXED);

                        if (state_of(seen) == QUEUED && its < ticket)
                                oldest = slot, ticket = its, word = seen;
                }
                if (!oldest)
                        return false;
                *ret = (struct nodeos_served_request) {
                        .id = (uint64_t) (word / NEXT_REQUEST) * SERVED_SLOTS + (uint64_t) (oldest - served->slots),
                        .offset = __atomic_load_n(&oldest->offset, __ATOMIC_RELAXED),
                        .bytes = __atomic_load_n(&oldest->bytes, __ATOMIC_RELAXED),
                        .operation = __atomic_load_n(&oldest->operation, __ATOMIC_RELAXED),
                };
                if (change(oldest, word, SERVED))
                        return true;
        }
}

static int next(struct served *served, int32_t wait_ms, struct nodeos_served_request *ret) {
        int64_t deadline = wait_ms < 0 ? FOREVER : now_ns() + (int64_t) wait_ms * 1000000;
        bool in_time = true;

        for (;;) {
                uint32_t seen = __atomic_load_n(&served->queued, __ATOMIC_SEQ_CST);

                if (stopped(served))
                        return stopped(served);
                if (take_oldest(served, ret))
                        return 0;
                if (__atomic_load_n(&served->is_closed, __ATOMIC_SEQ_CST))
                        return -ESHUTDOWN;
                if (!in_time)
                        return -ETIMEDOUT;
                in_time = wait_ms != 0 && wait_while(&served->queued, seen, deadline);
        }
}

int32_t nodeos_served_next(int32_t server, int32_t wait_ms, struct nodeos_served_request *ret) {
        struct served *served = served_find(server);
        int error;

        if (!served)
                return -EBADF;
        error = ret ? next(served, wait_ms, ret) : -EINVAL;
        served_unref(served);
        return error;
}

/* Holds the memory of who asked. NULL: who asked has gone. */
static struct slot *hold(struct served *served, uint64_t id, uint32_t *ret_word) {
        struct slot *slot = &served->slots[id % SERVED_SLOTS];

        if (id / SERVED_SLOTS > UINT32_MAX / NEXT_REQUEST)
                return NULL;
        *ret_word = (uint32_t) (id / SERVED_SLOTS) * NEXT_REQUEST + COPYING;
        return change(slot, with_state(*ret_word, SERVED), COPYING) ? slot : NULL;
}

static void let_go(struct served *served, struct slot *slot, uint32_t word, uint32_t state) {
        __atomic_store_n(&slot->word, with_state(word, state), __ATOMIC_SEQ_CST);
        // A stop meanwhile left the request to us.
        if (state == SERVED && stopped(served))
                change(slot, with_state(word, SERVED), FAILED);
        wake(&slot->word, 1);
}

static int take(struct served *served, uint64_t id, void *buffer, uint64_t bytes) {
        uint32_t word;
        struct slot *slot = hold(served, id, &word);
        bool is_right;

        if (!slot)
                return -ESTALE;
        is_right = slot->operation == NODEOS_SERVED_WRITE && bytes == slot->bytes && buffer;
        if (is_right)
                memcpy(buffer, slot->buffer, bytes);
        let_go(served, slot, word, SERVED);
        return is_right ? 0 : -EINVAL;
}

int32_t nodeos_served_take(int32_t server, uint64_t id, void *buffer, uint64_t bytes) {
        struct served *served = served_find(server);
        int error;

        if (!served)
                return -EBADF;
        error = take(served, id, buffer, bytes);
        served_unref(served);
        return error;
}

static bool is_answer(const struct slot *slot, int32_t error, const void *data, uint64_t bytes) {
        if (error < -4095 || error > 0)
                return false;
        if (slot->operation == NODEOS_SERVED_READ && error == 0)
                return bytes <= slot->bytes && (data || bytes == 0);
        return bytes == 0;
}

static int answer(struct served *served, uint64_t id, int32_t error, const void *data, uint64_t bytes) {
        uint32_t word;
        struct slot *slot = hold(served, id, &word);

        if (!slot)
                return -ESTALE;
        if (!is_answer(slot, error, data, bytes)) {
                let_go(served, slot, word, SERVED);
                return -EINVAL;
        }
        slot->result = error;
        if (slot->operation == NODEOS_SERVED_READ && error == 0) {
                slot->result = bytes == slot->bytes ? 0 : -ENODATA;
                if (bytes)
                        memcpy(slot->buffer, data, bytes);
        }
        let_go(served, slot, word, DONE);
        return 0;
}

int32_t nodeos_served_answer(int32_t server, uint64_t id, int32_t error, const void *data, uint64_t bytes) {
        struct served *served = served_find(server);
        int result;

        if (!served)
                return -EBADF;
        result = answer(served, id, error, data, bytes);
        served_unref(served);
        return result;
}

static void stop(struct served *served, int32_t error) {
        int none = 0;

        if (!__atomic_compare_exchange_n(&served->stopped, &none, error, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                return;
        for (struct slot *slot = served->slots; slot < served->slots + SERVED_SLOTS; slot++) {
                uint32_t word = word_of(slot);

                while ((state_of(word) == QUEUED || state_of(word) == SERVED) && !change(slot, word, FAILED))
                        word = word_of(slot);
                wake(&slot->word, 1);
        }
        __atomic_fetch_add(&served->queued, 1, __ATOMIC_SEQ_CST);
        wake(&served->queued, INT_MAX);
        __atomic_fetch_add(&served->freed, 1, __ATOMIC_SEQ_CST);
        wake(&served->freed, INT_MAX);
}

int32_t nodeos_served_stop(int32_t server, int32_t error) {
        struct served *served = served_find(server);

        if (!served)
                return -EBADF;
        if (error >= -4095 && error < 0)
                stop(served, error);
        served_unref(served);
        return error >= -4095 && error < 0 ? 0 : -EINVAL;
}

int32_t nodeos_served_limit(int32_t server, uint32_t limit_ms) {
        struct served *served = served_find(server);

        if (!served)
                return -EBADF;
        __atomic_store_n(&served->limit_ms, limit_ms, __ATOMIC_RELAXED);
        served_unref(served);
        return 0;
}

int32_t nodeos_served_release(int32_t server) {
        struct served *served = served_leave(server);

        if (!served)
                return -EBADF;
        stop(served, -ECANCELED);
        served_unref(served);
        return 0;
}
