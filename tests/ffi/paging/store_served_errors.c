/* What a served store does when its server is slow, wrong or gone. Usage: store_served_errors TEST */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store_kinds.h"

static struct nodeos_store *store;
static int32_t server;
static struct nodeos_served_request request;

static void begin(uint32_t limit_ms) {
        CHECK(nodeos_store_served_new(BYTES, 1, NODEOS_STORE_WRITE, limit_ms, &store, &server) == 0);
}

/* A thread that asks. */
struct asker {
        pthread_t thread;
        unsigned char *memory;
        uint64_t bytes, offset;
        uint32_t operation;
        int result;
};

static void *ask(void *argument) {
        struct asker *asker = argument;

        if (asker->operation == NODEOS_SERVED_READ)
                asker->result = store->calls->read(store, asker->memory, asker->bytes, asker->offset);
        else if (asker->operation == NODEOS_SERVED_WRITE)
                asker->result = store->calls->write(store, asker->memory, asker->bytes, asker->offset);
        else
                asker->result = store->calls->sync(store, asker->bytes, asker->offset);
        return NULL;
}

static void start(struct asker *asker, uint32_t operation, unsigned char *memory, uint64_t bytes, uint64_t offset) {
        *asker = (struct asker) { .memory = memory, .bytes = bytes, .offset = offset, .operation = operation, .result = 1 };
        CHECK(pthread_create(&asker->thread, NULL, ask, asker) == 0);
}

static int result_of(struct asker *asker) {
        pthread_join(asker->thread, NULL);
        return asker->result;
}

static void next(uint32_t operation, uint64_t bytes, uint64_t offset) {
        CHECK(nodeos_served_next(server, 20000, &request) == 0);
        CHECK(request.operation == operation && request.bytes == bytes && request.offset == offset, "%u %lu %lu", request.operation,
              request.bytes, request.offset);
        CHECK(request.id < UINT64_C(1) << 53);
}

/* An answer is all, or an error, and what is neither is refused while the request waits on. */
static void answers(void) {
        unsigned char memory[100] = { 0 }, taken[100];
        struct asker asker;

        begin(0);
        start(&asker, NODEOS_SERVED_READ, memory, 100, 5);
        next(NODEOS_SERVED_READ, 100, 5);
        CHECK(nodeos_served_answer(server, request.id, 5, NULL, 0) == -EINVAL);
        CHECK(nodeos_served_answer(server, request.id, -5000, NULL, 0) == -EINVAL);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 101) == -EINVAL);
        CHECK(nodeos_served_answer(server, request.id, 0, NULL, 100) == -EINVAL);
        CHECK(nodeos_served_answer(server, request.id, -EIO, served_memory, 100) == -EINVAL);
        CHECK(nodeos_served_take(server, request.id, taken, 100) == -EINVAL);
        CHECK(nodeos_served_answer(server, request.id + 64, 0, served_memory, 100) == -ESTALE);
        CHECK(nodeos_served_answer(server, UINT64_MAX, 0, served_memory, 100) == -ESTALE);
        CHECK(nodeos_served_answer(server, request.id, -EREMOTEIO, NULL, 0) == 0);
        CHECK(result_of(&asker) == -EREMOTEIO);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 100) == -ESTALE);

        start(&asker, NODEOS_SERVED_READ, memory, 100, 0);
        next(NODEOS_SERVED_READ, 100, 0);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 99) == 0);
        CHECK(result_of(&asker) == -ENODATA);

        start(&asker, NODEOS_SERVED_WRITE, memory, 100, BYTES - 100);
        next(NODEOS_SERVED_WRITE, 100, BYTES - 100);
        CHECK(nodeos_served_take(server, request.id, taken, 99) == -EINVAL);
        CHECK(nodeos_served_take(server, request.id, taken, 100) == 0);
        CHECK(nodeos_served_take(server, request.id, taken, 100) == 0);
        CHECK(nodeos_served_answer(server, request.id, 0, taken, 100) == -EINVAL);
        CHECK(nodeos_served_answer(server, request.id, -ENOSPC, NULL, 0) == 0);
        CHECK(result_of(&asker) == -ENOSPC);

        start(&asker, NODEOS_SERVED_SYNC, NULL, 0, 0);
        next(NODEOS_SERVED_SYNC, 0, 0);
        CHECK(nodeos_served_answer(server, request.id, 0, NULL, 0) == 0);
        CHECK(result_of(&asker) == 0);
        nodeos_store_close(store);
        CHECK(nodeos_served_release(server) == 0);
}

/* Long ranges come in pieces, in order. */
static void pieces(void) {
        static unsigned char from[BYTES];
        struct asker asker;

        for (uint64_t i = 0; i < BYTES; i++)
                from[i] = (unsigned char) (i * i >> 5);
        begin(0);
        start(&asker, NODEOS_SERVED_WRITE, from, BYTES, 0);
        for (uint64_t at = 0; at < BYTES; at += NODEOS_SERVED_BYTES_MAX) {
                next(NODEOS_SERVED_WRITE, BYTES - at < NODEOS_SERVED_BYTES_MAX ? BYTES - at : NODEOS_SERVED_BYTES_MAX, at);
                CHECK(nodeos_served_take(server, request.id, served_memory + at, request.bytes) == 0);
                CHECK(nodeos_served_answer(server, request.id, 0, NULL, 0) == 0);
        }
        CHECK(result_of(&asker) == 0);
        CHECK(memcmp(served_memory, from, BYTES) == 0);
        nodeos_store_close(store);
        CHECK(nodeos_served_next(server, -1, &request) == -ESHUTDOWN);
        CHECK(nodeos_served_release(server) == 0);
}

/* Nobody serves, or too late. What comes too late touches nobody's memory. */
static void time_limit(void) {
        unsigned char memory[100];
        struct asker asker;

        begin(30);
        memset(memory, 1, sizeof(memory));
        CHECK(store->calls->read(store, memory, 100, 0) == -ETIMEDOUT);
        CHECK(nodeos_served_next(server, 0, &request) == -ETIMEDOUT);
        CHECK(nodeos_served_next(server, 20, &request) == -ETIMEDOUT);
        start(&asker, NODEOS_SERVED_READ, memory, 100, 0);
        next(NODEOS_SERVED_READ, 100, 0);
        CHECK(result_of(&asker) == -ETIMEDOUT);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 100) == -ESTALE);
        CHECK(memory[0] == 1 && memory[99] == 1);
        CHECK(nodeos_served_limit(server, 0) == 0);
        start(&asker, NODEOS_SERVED_READ, memory, 100, 0);
        usleep(60000);
        next(NODEOS_SERVED_READ, 100, 0);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 100) == 0);
        CHECK(result_of(&asker) == 0);
        nodeos_store_close(store);
        CHECK(nodeos_served_release(server) == 0);
}

enum { ASKERS = 100 };

/* More wait than there are slots, and each is told. */
static void stopped_with(int error, bool by_release) {
        static unsigned char memory[ASKERS][100];
        struct asker askers[ASKERS];

        begin(0);
        for (unsigned i = 0; i < ASKERS; i++)
                start(&askers[i], NODEOS_SERVED_READ, memory[i], 100, i);
        for (unsigned i = 0; i < 10; i++)
                CHECK(nodeos_served_next(server, -1, &request) == 0);
        CHECK(nodeos_served_stop(server, 0) == -EINVAL && nodeos_served_stop(server, EIO) == -EINVAL);
        CHECK((by_release ? nodeos_served_release(server) : nodeos_served_stop(server, error)) == 0);
        for (unsigned i = 0; i < ASKERS; i++)
                CHECK(result_of(&askers[i]) == error, "%d", askers[i].result);
        CHECK(store->calls->read(store, memory[0], 100, 0) == error);
        CHECK(store->calls->sync(store, 0, 0) == error);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 100) == (by_release ? -EBADF : -ESTALE));
        CHECK(nodeos_served_next(server, -1, &request) == (by_release ? -EBADF : error));
        CHECK(by_release || nodeos_served_stop(server, -ENOMEM) == 0);
        CHECK(store->calls->sync(store, 0, 0) == error, "the first stop counts");
        CHECK(by_release || nodeos_served_release(server) == 0);
        nodeos_store_close(store);
}

static void stopped(void) {
        stopped_with(-EIO, false);
        stopped_with(-ECANCELED, true);
}

/* The only server ends in the middle of a request; another takes over. */
static void *serve_once(void *unused) {
        (void) unused;
        CHECK(nodeos_served_next(server, -1, &request) == 0);
        return NULL;
}

static void replaced(void) {
        unsigned char memory[100];
        struct asker asker;
        pthread_t first;

        begin(0);
        CHECK(pthread_create(&first, NULL, serve_once, NULL) == 0);
        start(&asker, NODEOS_SERVED_READ, memory, 100, 0);
        pthread_join(first, NULL);
        CHECK(nodeos_served_answer(server, request.id, 0, served_memory, 100) == 0);
        CHECK(result_of(&asker) == 0);
        nodeos_store_close(store);
        CHECK(nodeos_served_release(server) == 0);
}

/* A stop between any two steps of who asks and who serves leaves nobody waiting. */
static void *take_often(void *unused) {
        static unsigned char taken[64 * 1024];

        (void) unused;
        if (nodeos_served_next(server, -1, &request) == 0)
                while (nodeos_served_take(server, request.id, taken, sizeof(taken)) == 0)
                        continue;
        return NULL;
}

static void stop_at_any_time(void) {
        static unsigned char memory[64 * 1024];
        uint64_t random = 5;

        for (unsigned i = 0; i < 1000; i++) {
                struct asker asker;
                pthread_t taker;

                begin(0);
                CHECK(pthread_create(&taker, NULL, take_often, NULL) == 0);
                start(&asker, NODEOS_SERVED_WRITE, memory, sizeof(memory), 0);
                for (volatile uint64_t spin = next_random(&random) % 200000; spin; spin--)
                        continue;
                CHECK(nodeos_served_stop(server, -EIO) == 0);
                CHECK(result_of(&asker) == -EIO);
                pthread_join(taker, NULL);
                nodeos_store_close(store);
                CHECK(nodeos_served_release(server) == 0);
        }
}

static void *read_often(void *number) {
        unsigned char memory[64];

        for (unsigned i = 0; i < 300; i++) {
                uint64_t offset = ((uintptr_t) number * 300 + i) * 8;

                CHECK(store->calls->read(store, memory, sizeof(memory), offset) == 0);
                CHECK(memcmp(memory, served_memory + offset, sizeof(memory)) == 0);
        }
        return NULL;
}

/* One server for many, then many for many. */
static void many(void) {
        pthread_t threads[ASKERS], servers[3];

        for (uint64_t i = 0; i < BYTES; i++)
                served_memory[i] = (unsigned char) (i * 31 >> 3);
        for (unsigned count = 1; count <= 3; count += 2) {
                begin(60000);
                for (unsigned i = 0; i < ASKERS; i++)
                        CHECK(pthread_create(&threads[i], NULL, read_often, (void *) (uintptr_t) i) == 0);
                for (unsigned i = 0; i < count; i++)
                        CHECK(pthread_create(&servers[i], NULL, serve_until_closed, (void *) (intptr_t) server) == 0);
                for (unsigned i = 0; i < ASKERS; i++)
                        pthread_join(threads[i], NULL);
                nodeos_store_close(store);
                for (unsigned i = 0; i < count; i++)
                        pthread_join(servers[i], NULL);
                CHECK(nodeos_served_release(server) == 0);
        }
}

static void refuse(void) {
        struct nodeos_store *stores[257];
        int32_t servers[257];
        unsigned count = 0;

        CHECK(nodeos_store_served_new(0, 1, 0, 0, &store, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(UINT64_C(1) << 63, 1, 0, 0, &store, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(BYTES, 0, 0, 0, &store, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(BYTES, 3, 0, 0, &store, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(BYTES, 8192, 0, 0, &store, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(BYTES, 1, NODEOS_STORE_DIRECT, 0, &store, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(BYTES, 1, 0, 0, NULL, &server) == -EINVAL);
        CHECK(nodeos_store_served_new(BYTES, 1, 0, 0, &store, NULL) == -EINVAL);
        while (count < 257 && nodeos_store_served_new(BYTES, 512, 0, 0, &stores[count], &servers[count]) == 0)
                count++;
        CHECK(count == 256 && !stores[0]->calls->write);
        CHECK(nodeos_store_served_new(BYTES, 512, 0, 0, &store, &server) == -EMFILE);
        CHECK(nodeos_served_next(servers[7], 0, NULL) == -EINVAL);
        for (unsigned i = 0; i < count; i++) {
                nodeos_store_close(stores[i]);
                CHECK(nodeos_served_release(servers[i]) == 0);
        }
        begin(0);
        for (unsigned i = 0; i < count; i++)
                CHECK(nodeos_served_limit(servers[i], 0) == -EBADF, "a number is not used again at once");
        CHECK(nodeos_served_next(-1, 0, &request) == -EBADF);
        CHECK(nodeos_served_next(0, 0, &request) == -EBADF);
        CHECK(nodeos_served_take(servers[0], 0, NULL, 0) == -EBADF);
        CHECK(nodeos_served_answer(servers[0], 0, 0, NULL, 0) == -EBADF);
        CHECK(nodeos_served_stop(servers[0], -EIO) == -EBADF);
        CHECK(nodeos_served_release(servers[0]) == -EBADF);
        CHECK(nodeos_served_release(server) == 0);
        nodeos_store_close(store);
}

static const struct {
        const char *name;
        void (*run)(void);
} tests[] = {
        { "answers", answers },   { "pieces", pieces }, { "time-limit", time_limit }, { "stopped", stopped },
        { "replaced", replaced }, { "many", many },     { "refuse", refuse },         { "stop-at-any-time", stop_at_any_time },
};

int main(int argc, char **argv) {
        // Who waits for ever fails too.
        alarm(60);
        CHECK(argc == 2, "usage: store_served_errors TEST");
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                if (strcmp(tests[i].name, argv[1]) == 0) {
                        tests[i].run();
                        return 0;
                }
        CHECK(false, "no such test");
}
