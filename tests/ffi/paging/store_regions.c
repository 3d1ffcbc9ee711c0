/* Every store under a region with a small buffer. Usage: store_regions KIND EMPTY-DIRECTORY signal|thread */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_kinds.h"

enum { THREADS = 3 };

static const struct kind *kind;
static const char *directory;
static unsigned char *model;
static uint64_t bytes;
static volatile unsigned char *range;

/* Bytes of a page are one thread's. */
static void *use(void *number) {
        uint64_t random = 4242 + (uintptr_t) number;

        for (unsigned i = 0; i < 1500; i++) {
                uint64_t page = next_random(&random) % ((bytes - 1) / PAGE / THREADS) * THREADS + (uintptr_t) number;
                uint64_t at = page * PAGE + next_random(&random) % PAGE;

                if (at >= bytes)
                        continue;
                if (kind->shows || next_random(&random) % 2)
                        CHECK(range[at] == model[at], "byte %lu: %u and %u", at, range[at], model[at]);
                else
                        range[at] = model[at] = (unsigned char) (next_random(&random) >> 17);
        }
        return NULL;
}

/* From the beginning to the end: windows. What is behind the end is zeroes. */
static void stream(void) {
        for (uint64_t at = 0; at < bytes; at++)
                CHECK(range[at] == model[at], "byte %lu: %u and %u", at, range[at], model[at]);
        for (uint64_t at = bytes; at % PAGE; at++)
                CHECK(range[at] == 0);
}

static void round_of(bool again, uint32_t mode) {
        struct nodeos_buffer_options buffer_options = { .size = sizeof(buffer_options), .bytes = 64 * PAGE };
        struct nodeos_region_options options = { .size = sizeof(options), .mode = mode, .shared_fd = -1, .read_only = kind->shows != NULL };
        struct nodeos_buffer *buffer;
        struct nodeos_store *store;
        struct nodeos_region *region;
        pthread_t threads[THREADS];
        int error;

        CHECK(nodeos_buffer_create(&buffer_options, &buffer) == 0);
        error = kind->open(directory, again, &store);
        CHECK(error == 0, "%s", strerror(-error));
        bytes = store->bytes;
        if (!model) {
                model = calloc(1, bytes);
                if (kind->shows)
                        memcpy(model, kind->shows(), bytes);
        }
        error = nodeos_region_map(buffer, store, &options, &region);
        CHECK(error == 0, "%s", strerror(-error));
        range = nodeos_region_address(region);
        stream();
        for (uintptr_t i = 0; i < THREADS; i++)
                CHECK(pthread_create(&threads[i], NULL, use, (void *) i) == 0);
        for (uintptr_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        CHECK(nodeos_region_flush(region, 0, 0) == 0);
        stream();
        use(0);
        CHECK(nodeos_region_unmap(region) == 0);
        CHECK(nodeos_buffer_close(buffer) == 0);
        if (strcmp(kind->name, "served") == 0)
                pthread_join(server_thread, NULL);
}

int main(int argc, char **argv) {
        uint32_t mode;

        // Who waits for ever fails too.
        alarm(120);
        CHECK(argc == 4, "usage: store_regions KIND EMPTY-DIRECTORY signal|thread");
        mode = strcmp(argv[3], "thread") == 0 ? NODEOS_MODE_THREAD : NODEOS_MODE_SIGNAL;
        directory = argv[2];
        for (kind = kinds; kind->name && strcmp(kind->name, argv[1]) != 0; kind++)
                continue;
        CHECK(kind->name, "no such kind");
        round_of(false, mode);
        if (kind->survives || kind->shows)
                round_of(true, mode);
        return 0;
}
