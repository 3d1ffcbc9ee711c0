/* Pages that are given for writing when they are read, since others were written after it. */
#define _GNU_SOURCE
#include <sys/auxv.h>

#include "probe.h"

enum { PAGES = 512, ROOM = 128 };

static uint64_t shuffled(uint64_t i) {
        return i * 149 % PAGES;
}

/* Reads and writes pages in no order that a window would follow, one time round the store. */
static void modify_all(struct nodeos_region *region, uint64_t round) {
        for (uint64_t i = 0; i < PAGES; i++) {
                volatile uint64_t *word = words_of(region) + shuffled(i) * WORDS + 7;

                EQUAL(*word, value_of(shuffled(i), 7) + round);
                *word = value_of(shuffled(i), 7) + round + 1;
        }
}

static struct nodeos_region *map_learned(struct nodeos_buffer *buffer, struct memory *memory) {
        struct nodeos_region *region = map_store(buffer, &memory->base);

        modify_all(region, 0);
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        return region;
}

static void unmap(struct nodeos_region *region, struct nodeos_buffer *buffer, struct memory *memory) {
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        free(memory->words);
        free(memory);
}

/* One fault for a page, not two, and all that was written arrives. */
static void one_fault(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct memory *memory = memory_store(PAGES, WRITE_SAFE);
        struct nodeos_region *region = map_learned(buffer, memory);
        uint64_t before = statistics_of(region).first_writes;

        for (uint64_t round = 1; round < 4; round++)
                modify_all(region, round);
        CHECK(statistics_of(region).first_writes - before < 3 * PAGES / 10);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(statistics_of(region).dirty_pages, 0);
        for (uint64_t page = 0; page < PAGES; page++) {
                EQUAL(memory->words[page * WORDS + 7], value_of(page, 7) + 4);
                EQUAL(memory->words[page * WORDS + 8], value_of(page, 8));
        }
        unmap(region, buffer, memory);
}

/* What was read and not written is not written back, also when the store has changed since. */
static void only_read(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct memory *memory = memory_store(PAGES, WRITE_SAFE);
        struct nodeos_region *region = map_learned(buffer, memory);
        int writes = memory->writes;

        for (uint64_t i = 0; i < 8; i++) {
                uint64_t page = shuffled(i);

                EQUAL(words_of(region)[page * WORDS + 7], value_of(page, 7) + 1);
                memory->words[page * WORDS + 7] = 1000 + page;
        }
        CHECK(statistics_of(region).dirty_pages > 0);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(memory->writes, writes);
        for (uint64_t i = 0; i < 8; i++)
                EQUAL(words_of(region)[shuffled(i) * WORDS + 7], 1000 + shuffled(i));
        unmap(region, buffer, memory);
}

/* So is one that nobody may read by then. */
static void out_of_reach(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct memory *memory = memory_store(PAGES, WRITE_SAFE);
        struct nodeos_region *region = map_learned(buffer, memory);
        int writes = memory->writes;
        char *page = (char *) words_of(region) + 9 * PAGE;

        EQUAL(*(volatile uint64_t *) page, value_of(9, 0));
        EQUAL(statistics_of(region).dirty_pages, 1);
        EQUAL(mprotect(page, PAGE, PROT_NONE), 0);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(memory->writes, writes);
        EQUAL(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
        EQUAL(*(volatile uint64_t *) page, value_of(9, 0));
        unmap(region, buffer, memory);
}

/* Threads of Rust, Deno's among them, have 8 KiB for handlers, of which the kernel takes nearly half for registers. */
enum { HANDLER = 2048 };

static void *modify_on_small_stack(void *region) {
        size_t bytes = getauxval(AT_MINSIGSTKSZ) + HANDLER, pages = (bytes + PAGE - 1) / PAGE + 1;
        char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        stack_t stack = { .ss_sp = memory + PAGE, .ss_size = bytes };

        CHECK(memory != MAP_FAILED);
        EQUAL(mprotect(memory, PAGE, PROT_NONE), 0);
        EQUAL(sigaltstack(&stack, NULL), 0);
        for (uint64_t i = 0; i < 3 * PAGES; i++)
                *(words_of(region) + shuffled(i % PAGES) * WORDS + 7) += 1;
        stack.ss_flags = SS_DISABLE;
        EQUAL(sigaltstack(&stack, NULL), 0);
        EQUAL(munmap(memory, pages * PAGE), 0);
        return NULL;
}

static void small_stack(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct nodeos_store *store;
        struct nodeos_region *region;
        pthread_t thread;
        int fd = memfd_create("store", MFD_CLOEXEC);
        char path[64];

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        EQUAL(ftruncate(fd, PAGES * PAGE), 0);
        EQUAL(nodeos_store_file(path, NODEOS_STORE_WRITE, 0, 0, &store), 0);
        region = map_store(buffer, store);
        EQUAL(pthread_create(&thread, NULL, modify_on_small_stack, region), 0);
        EQUAL(pthread_join(thread, NULL), 0);
        EQUAL(words_of(region)[9 * WORDS + 7], 3);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        close(fd);
}

/* Content that was there before, and comes back after something else was stored, is a change. */
static void back_again(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct memory *memory = memory_store(PAGES, WRITE_SAFE);
        struct nodeos_region *region = map_learned(buffer, memory);
        volatile uint64_t *word = words_of(region) + 5 * WORDS + 7;
        uint64_t first = *word;

        for (int round = 0; round < 4; round++) {
                *word = 3;
                EQUAL(nodeos_region_flush(region, 5 * PAGE, PAGE), 0);
                EQUAL(memory->words[5 * WORDS + 7], 3);
                *word = first;
                if (round % 2)
                        EQUAL(nodeos_region_evict(region, 5 * PAGE, PAGE), 0);
                EQUAL(nodeos_region_flush(region, 5 * PAGE, PAGE), 0);
                EQUAL(memory->words[5 * WORDS + 7], first);
                EQUAL(*word, first);
        }
        unmap(region, buffer, memory);
}

/* A page that could not be written is still a change afterwards. */
static void failed_once(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct memory *memory = memory_store(PAGES, WRITE_SAFE);
        struct nodeos_region *region = map_learned(buffer, memory);
        volatile uint64_t *word = words_of(region) + 9 * WORDS + 7;

        EQUAL(*word, value_of(9, 7) + 1);
        *word = 4;
        memory->write_error[9] = ENOSPC;
        EQUAL(nodeos_region_flush(region, 0, 0), -ENOSPC);
        EQUAL(*word, 4);
        memory->write_error[9] = 0;
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(memory->words[9 * WORDS + 7], 4);
        unmap(region, buffer, memory);
}

/* Who goes over to reading alone gets clean pages again. */
static void given_up(void) {
        struct nodeos_buffer *buffer = new_buffer(ROOM);
        struct memory *memory = memory_store(PAGES, WRITE_SAFE);
        struct nodeos_region *region = map_learned(buffer, memory);
        int writes;

        for (int round = 0; round < 2; round++)
                for (uint64_t i = 0; i < PAGES; i++)
                        EQUAL(words_of(region)[shuffled(i) * WORDS + 7], value_of(shuffled(i), 7) + 1);
        writes = memory->writes;
        EQUAL(statistics_of(region).dirty_pages, 0);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(memory->writes, writes);
        unmap(region, buffer, memory);
}

int main(int count, char **args) {
        static const struct probe probes[] = {
                { "one_fault", one_fault },
                { "only_read", only_read },
                { "out_of_reach", out_of_reach },
                { "small_stack", small_stack },
                { "back_again", back_again },
                { "failed_once", failed_once },
                { "given_up", given_up },
                { NULL, NULL },
        };

        return run_probe(probes, count, args);
}
