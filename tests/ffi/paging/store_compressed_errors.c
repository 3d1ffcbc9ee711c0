/* What a compressed tier does when it is full, or the store below fails. Usage: store_compressed_errors TEST */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_kinds.h"

#define PAGES 256u

/* A store of one's own, that fails when it is told to. */
static struct below {
        struct nodeos_store store;
        unsigned char memory[PAGES * PAGE];
        int read_error, write_error, sync_error;
        unsigned reads, writes, syncs, closes;
} below;

static int read_below(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        (void) store;
        __atomic_fetch_add(&below.reads, 1, __ATOMIC_RELAXED);
        memcpy(buffer, below.memory + offset, bytes);
        return below.read_error;
}

static int write_below(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        (void) store;
        __atomic_fetch_add(&below.writes, 1, __ATOMIC_RELAXED);
        if (below.write_error == 0)
                memcpy(below.memory + offset, buffer, bytes);
        return below.write_error;
}

static int sync_below(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        (void) store, (void) bytes, (void) offset;
        below.syncs++;
        return below.sync_error;
}

static void close_below(struct nodeos_store *store) {
        (void) store;
        below.closes++;
}

static struct nodeos_store *make_below(uint32_t flags) {
        static const struct nodeos_store_calls calls = { read_below, write_below, sync_below, close_below };

        memset(&below, 0, sizeof(below));
        below.store = (struct nodeos_store) { .calls = &calls, .bytes = PAGES * PAGE, .block_bytes = 512, .flags = flags, .plain_fd = -1 };
        return &below.store;
}

static struct nodeos_store *store;

/* Bytes that do not get fewer. */
static void fill(unsigned char *page, uint64_t seed) {
        uint64_t random = seed * 0x9e3779b97f4a7c15 + 1;

        for (uint64_t i = 0; i < PAGE; i++)
                page[i] = (unsigned char) (next_random(&random) >> 11);
}

static int write_page(uint64_t page, uint64_t seed) {
        unsigned char bytes[PAGE];

        fill(bytes, seed);
        return store->calls->write(store, bytes, PAGE, page * PAGE);
}

static bool has_page(uint64_t page, uint64_t seed) {
        unsigned char bytes[PAGE], wanted[PAGE];

        fill(wanted, seed);
        return store->calls->read(store, bytes, PAGE, page * PAGE) == 0 && memcmp(bytes, wanted, PAGE) == 0;
}

static void refuse(void) {
        const uint32_t flags = NODEOS_STORE_WRITE | NODEOS_STORE_SIGNAL_SAFE;

        CHECK(nodeos_store_compressed(make_below(flags), 0, 1000, 1, &store) == -EINVAL && below.closes == 1);
        CHECK(nodeos_store_compressed(make_below(flags), 5, 1 << 20, 1, &store) == -EINVAL && below.closes == 1);
        CHECK(nodeos_store_compressed(make_below(flags), 0, 1 << 20, 1000, &store) == -EINVAL && below.closes == 1);
        CHECK(nodeos_store_compressed(make_below(flags), 0, 1 << 20, 1, NULL) == -EINVAL && below.closes == 1);
        CHECK(nodeos_store_compressed(NULL, 0, 1 << 20, 1, &store) == -EINVAL);
        CHECK(nodeos_store_compressed(NULL, UINT64_MAX, 1 << 20, 1, &store) == -EINVAL);
        CHECK(nodeos_store_compressed(make_below(0), PAGES * PAGE, 1 << 20, 1, &store) == 0);
        CHECK(!store->calls->write && store->flags == 0 && store->block_bytes == PAGE);
        nodeos_store_close(store);
        CHECK(below.closes == 1 && below.syncs == 0);
        CHECK(nodeos_store_compressed(make_below(flags), 0, 1 << 20, -3, &store) == 0 && store->flags == flags);
        nodeos_store_close(store);
        CHECK(below.closes == 1);
}

/* Memory alone: when there is no more, what is there stays, and can be written anew when it gets smaller. */
static void full(void) {
        unsigned char zeroes[PAGE] = { 0 };
        uint64_t count = 0;

        CHECK(nodeos_store_compressed(NULL, PAGES * PAGE, 256 << 10, 1, &store) == 0);
        while (write_page(count, count) == 0)
                count++;
        CHECK(count > 48 && count < 64, "%lu", count);
        CHECK(write_page(count, count) == -ENOSPC);
        for (uint64_t i = 0; i < count; i++)
                CHECK(has_page(i, i), "%lu", i);
        for (uint64_t i = 0; i < count; i += 2)
                CHECK(store->calls->write(store, zeroes, PAGE, i * PAGE) == 0);
        for (uint64_t i = 0; i < count / 2 - 6; i++)
                CHECK(write_page(100 + i, 100 + i) == 0, "%lu", i);
        for (uint64_t i = 1; i < count; i += 2)
                CHECK(has_page(i, i), "%lu", i);
        for (uint64_t i = 0; i < count / 2 - 6; i++)
                CHECK(has_page(100 + i, 100 + i), "%lu", i);
        CHECK(store->calls->sync(store, store->bytes, 0) == 0);
        nodeos_store_close(store);
}

/* What cannot be written below stays, and is written when that is possible. */
static void failing_writes(void) {
        uint64_t count = 0;

        CHECK(nodeos_store_compressed(make_below(NODEOS_STORE_WRITE), 0, 256 << 10, 1, &store) == 0);
        below.write_error = -EIO;
        while (write_page(count, count) == 0)
                count++;
        CHECK(count > 48 && count < 64 && below.writes > 0, "%lu", count);
        CHECK(write_page(200, 200) == -EIO);
        CHECK(store->calls->sync(store, store->bytes, 0) == -EIO && below.syncs == 0);
        for (uint64_t i = 0; i < count; i++)
                CHECK(has_page(i, i), "%lu", i);
        below.write_error = 0;
        CHECK(write_page(200, 200) == 0 && has_page(200, 200));
        below.sync_error = -EDQUOT;
        CHECK(store->calls->sync(store, store->bytes, 0) == -EDQUOT && below.syncs == 1);
        below.sync_error = 0;
        below.writes = 0;
        CHECK(store->calls->sync(store, store->bytes, 0) == 0 && below.writes == 0, "all is written already");
        for (uint64_t i = 0; i < count; i++) {
                unsigned char wanted[PAGE];

                fill(wanted, i);
                CHECK(memcmp(below.memory + i * PAGE, wanted, PAGE) == 0, "%lu", i);
        }
        CHECK(store->calls->sync(store, PAGE, PAGES * PAGE) == -EINVAL);
        nodeos_store_close(store);
        CHECK(below.closes == 1);
}

/* Pages stay after they were read, so that the store below is not asked again, and neighbours are written at once. */
static void keeps(void) {
        unsigned char memory[64 * PAGE];

        CHECK(nodeos_store_compressed(make_below(NODEOS_STORE_WRITE), 0, 1 << 20, 1, &store) == 0);
        below.read_error = -EREMOTEIO;
        CHECK(store->calls->read(store, memory, 64 * PAGE, 0) == -EREMOTEIO);
        below.read_error = 0;
        below.reads = 0;
        CHECK(store->calls->read(store, memory, 64 * PAGE, 0) == 0 && below.reads == 1);
        CHECK(store->calls->read(store, memory, 64 * PAGE, 0) == 0 && below.reads == 1);
        for (uint64_t i = 0; i < 32; i++)
                CHECK(write_page(i, i + 1) == 0);
        CHECK(below.writes == 0 && below.reads == 1);
        CHECK(store->calls->sync(store, 8 * PAGE, 8 * PAGE) == 0 && below.writes == 1);
        CHECK(store->calls->sync(store, store->bytes, 0) == 0 && below.writes == 3, "%u", below.writes);
        CHECK(write_page(3, 4) == 0);
        nodeos_store_close(store);
        CHECK(below.writes == 4, "what is left is written at the end");
}

/* Under a library that cannot unpack any more (fake_zstd.c), or one that is too old. */
static void broken(void) {
        unsigned char memory[PAGE] = { 1 };
        int error = nodeos_store_compressed(NULL, PAGES * PAGE, 1 << 20, 1, &store);

        if (getenv("FAKE_ZSTD_OLD")) {
                CHECK(error == -EOPNOTSUPP, "%d", error);
                return;
        }
        CHECK(error == 0);
        CHECK(store->calls->write(store, memory, PAGE, 0) == 0 && write_page(1, 1) == 0);
        CHECK(store->calls->read(store, memory, PAGE, 0) == 0);
        setenv("FAKE_ZSTD_BROKEN", "1", 1);
        CHECK(store->calls->read(store, memory, PAGE, 0) == -EIO);
        CHECK(store->calls->read(store, memory, PAGE, 2 * PAGE) == 0, "others live");
        nodeos_store_close(store);
}

static const struct {
        const char *name;
        void (*run)(void);
} tests[] = {
        { "refuse", refuse }, { "full", full }, { "failing-writes", failing_writes }, { "keeps", keeps }, { "broken", broken },
};

int main(int argc, char **argv) {
        CHECK(argc == 2, "usage: store_compressed_errors TEST");
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                if (strcmp(tests[i].name, argv[1]) == 0) {
                        tests[i].run();
                        return 0;
                }
        CHECK(false, "no such test");
}
