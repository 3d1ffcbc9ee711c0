/* Pages that are written soon after they are read. Where pages that were read have lately been written, one that is read for an access
 * is mapped writable at once, which saves a second fault. Whether it was written then is told by its content: what it was when it came
 * is kept as a hash, and a page that is as it came is not written back, since its store may have changed meanwhile.
 *
 * The hash is NH of UMAC (RFC 4418) on words of 64 bits: two different pages have the same with a probability of 2^-64 at most, whatever
 * the program writes, as it does not depend on the key. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "paging.h"
#include "store_medium.h"

#define WORDS (SMALL_BYTES / sizeof(uint64_t))
#define CERTAIN 4096 /* in shares of pages that were written */
#define LIKELY (CERTAIN / 2)
#define PLACES 4

static uint64_t key[WORDS];
static bool has_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void) {
        size_t done = 0;

        while (done < sizeof key) {
                ssize_t n = getrandom((char *) key + done, sizeof key - done, 0);

                if (n < 0)
                        return;
                done += (size_t) n;
        }
        has_key = true;
}

void expect_prepare(void) {
        pthread_once(&key_once, make_key);
}

void expect_hash(const char *page, struct hash *ret) {
        __extension__ typedef unsigned __int128 wide;
        wide sums[2] = { 0, 0 };

        for (size_t i = 0; i < WORDS; i += 4) {
                uint64_t words[4];

                memcpy(words, page + i * sizeof *words, sizeof words);
                sums[0] += (wide) (words[0] + key[i]) * (words[1] + key[i + 1]);
                sums[1] += (wide) (words[2] + key[i + 2]) * (words[3] + key[i + 3]);
        }
        sums[0] += sums[1];
        *ret = (struct hash) { (uint64_t) sums[0], (uint64_t) (sums[0] >> 64) };
}

/* The places that a page's expectation may have. */
static struct expectation *places_of(const struct nodeos_region *region, uint64_t page) {
        const struct nodeos_buffer *buffer = region->buffer;
        uint64_t mixed = (page + (uintptr_t) region / 64) * UINT64_C(0x9E3779B97F4A7C15);

        return &buffer->expected[(mixed >> 32) % (buffer->expected_count / PLACES) * PLACES];
}

static struct expectation *find(const struct nodeos_region *region, uint64_t page) {
        struct expectation *place = places_of(region, page);

        while (place->region != region || place->page != page)
                place++;
        return place;
}

static struct expectation *find_free(const struct nodeos_region *region, uint64_t page) {
        struct expectation *places = places_of(region, page);

        for (struct expectation *place = places; place < places + PLACES; place++)
                if (!place->region || !(place->region->states[place->page] & EXPECTED))
                        return place;
        return NULL;
}

bool expect_begin(struct nodeos_region *region, struct window window) {
        struct nodeos_buffer *buffer = region->buffer;
        struct expectation *place;

        if (!region->foresees || region->expects < LIKELY || window.count > 1 || region->page_bytes != SMALL_BYTES || !has_key)
                return false;
        if (!buffer->expects) {
                buffer->expects = true;
                buffer->overhead += (buffer->expected_count * sizeof *buffer->expected + SMALL_BYTES - 1) / SMALL_BYTES;
        }
        place = find_free(region, window.first);
        if (!place)
                return false;
        place->region = region;
        place->page = window.first;
        region->states[window.first] |= EXPECTED;
        return true;
}

void expect_note(struct nodeos_region *region, uint64_t page, const struct hash *hash) {
        find(region, page)->hash = *hash;
}

bool expect_is_changed(const struct nodeos_region *region, uint64_t page) {
        const struct expectation *place;
        struct hash now;
        char *copy;
        bool is_copied;

        if (!(region->states[page] & EXPECTED))
                return true;
        copy = bounce_take();
        is_copied = copy && memory_copy(page_address(region, page), copy, SMALL_BYTES);
        if (is_copied)
                expect_hash(copy, &now);
        if (copy)
                bounce_give(copy);
        place = find(region, page);
        return !is_copied || now.low != place->hash.low || now.high != place->hash.high;
}

void expect_learn(struct nodeos_region *region, bool was_written) {
        if (was_written)
                region->expects += (CERTAIN - region->expects) / 16;
        else
                region->expects -= region->expects / 16;
}

void expect_forget(struct nodeos_buffer *buffer, const struct nodeos_region *region) {
        for (uint64_t i = 0; buffer->expects && i < buffer->expected_count; i++)
                if (buffer->expected[i].region == region)
                        buffer->expected[i].region = NULL;
}
