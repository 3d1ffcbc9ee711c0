/* kill FILE PAGES: writes rounds of a number to pages of a file through a small buffer, for ever, and says which rounds are flushed:
 *         flushed N
 * Each page holds one number in all its words. Ends when it is killed. */
#define _GNU_SOURCE
#include "probe.h"

int main(int count, char **args) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct nodeos_store *store;
        struct nodeos_region *region;
        uint64_t pages;

        if (count < 4)
                return 2;
        mode = (uint32_t) atoi(args[3]);
        pages = strtoull(args[2], NULL, 0);
        EQUAL(nodeos_store_file(args[1], NODEOS_STORE_WRITE, 0, 0, &store), 0);
        region = map_store(buffer, store);
        for (uint64_t round = 1;; round++) {
                for (uint64_t i = 0; i < pages; i++) {
                        uint64_t page = i * 7919 % pages;
                        static uint64_t copy[WORDS];

                        /* At once, as far as eviction sees. */
                        for (unsigned j = 0; j < WORDS; j++)
                                copy[j] = round;
                        EQUAL(nodeos_region_write(region, copy, PAGE, page * PAGE), 0);
                }
                if (round % 3 == 0) {
                        EQUAL(nodeos_region_flush(region, 0, 0), 0);
                        printf("flushed %" PRIu64 "\n", round);
                        fflush(stdout);
                }
        }
}
