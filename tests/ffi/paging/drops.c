/* Programs that drop pages (MADV_DONTNEED) while others write them back, and make room. Each thread has pages of its own, so that it
 * knows what they hold: what it wrote, unless it dropped it. */
#define _GNU_SOURCE
#include "probe.h"

#define PAGES 192ul
#define THREADS 4
#define ROUNDS 1500

enum way { FLUSHED, EVICTED, LEFT, WAYS };

static struct nodeos_region *region;
static uint64_t page_small; /* pages of 4 KiB in a page */
static enum way way;
static atomic_bool is_over;

static void *write_back(void *argument) {
        (void) argument;
        while (!is_over && way != LEFT)
                EQUAL(way == FLUSHED ? nodeos_region_flush(region, 0, 0) : nodeos_region_evict(region, 0, 0), 0);
        return NULL;
}

static void *write_and_drop(void *argument) {
        uint64_t me = (uintptr_t) argument, known[PAGES] = { 0 };
        volatile uint64_t *words = words_of(region);
        unsigned seed = (unsigned) me + 1;

        for (uint64_t round = 1; round <= ROUNDS; round++) {
                uint64_t mine = (uint64_t) rand_r(&seed) % (PAGES / page_small / THREADS) * THREADS + me;
                uint64_t page = mine * page_small + (uint64_t) rand_r(&seed) % page_small;
                volatile uint64_t *at = words + page * WORDS;

                if (known[page])
                        EQUAL(at[0], known[page]);
                for (unsigned word = 0; word < WORDS; word += 64)
                        at[word] = round;
                known[page] = round;
                if (round % 7 == 0) {
                        EQUAL(madvise((void *) (uintptr_t) at, PAGE, MADV_DONTNEED), 0);
                        known[page] = 0;
                        continue;
                }
                for (unsigned word = 0; word < WORDS; word += 64)
                        EQUAL(at[word], round);
        }
        return NULL;
}

/* None of the region's pages is forgotten by who makes room: those of another one take the place of all. */
static void crowd_out(struct nodeos_buffer *buffer, uint64_t limit_pages) {
        struct memory *memory = memory_store(2 * limit_pages, WRITE_SAFE);
        struct nodeos_region *other = map_store(buffer, &memory->base);

        for (uint64_t page = 0; page < 2 * limit_pages; page++)
                EQUAL(words_of(other)[page * WORDS], value_of(page, 0));
        EQUAL(statistics_of(region).resident_pages, 0);
        EQUAL(nodeos_region_unmap(other), 0);
        free(memory->words);
        free(memory);
}

static bool run(uint64_t limit_pages, uint32_t tracking, const char *path) {
        struct nodeos_buffer *buffer = new_buffer(limit_pages);
        struct nodeos_region_options options = new_options();
        struct nodeos_store *store;
        pthread_t writers[2], threads[THREADS];
        int error;

        options.page_bytes = page_small * PAGE;
        options.tracking = tracking;
        options.threads = mode == 2;
        EQUAL(nodeos_store_file(path, NODEOS_STORE_WRITE, 0, 0, &store), 0);
        error = nodeos_region_map(buffer, store, &options, &region);
        /* Before Linux 6.7 nothing can be scanned. */
        CHECK(!error || (error == -EOPNOTSUPP && tracking == NODEOS_TRACKING_SCAN));
        if (error)
                return false;
        is_over = false;
        for (int i = 0; i < 2; i++)
                EQUAL(pthread_create(&writers[i], NULL, write_back, NULL), 0);
        for (uintptr_t i = 0; i < THREADS; i++)
                EQUAL(pthread_create(&threads[i], NULL, write_and_drop, (void *) i), 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        is_over = true;
        for (int i = 0; i < 2; i++)
                pthread_join(writers[i], NULL);
        crowd_out(buffer, limit_pages);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        return true;
}

static void run_all(uint64_t small) {
        char path[] = "drops-XXXXXX";
        int fd = mkstemp(path);

        CHECK(fd >= 0);
        EQUAL(ftruncate(fd, PAGES * PAGE), 0);
        page_small = small;
        for (way = FLUSHED; way < WAYS; way++)
                for (uint32_t tracking = NODEOS_TRACKING_AUTO; tracking <= NODEOS_TRACKING_SCAN; tracking++)
                        if (run(96, tracking, path))
                                run(512, tracking, path);
        close(fd);
        unlink(path);
}

static void pages(void) {
        run_all(1);
}

static void larger_pages(void) {
        run_all(3);
}

int main(int count, char **args) {
        static const struct probe probes[] = {
                { "pages", pages },
                { "larger_pages", larger_pages },
                { NULL, NULL },
        };

        return run_probe(probes, count, args);
}
