/* What a program reads and writes is what the store holds. */
#define _GNU_SOURCE
#include "probe.h"

static char path[256];

static int new_file(uint64_t bytes) {
        uint64_t page[WORDS];
        int fd;

        snprintf(path, sizeof path, "%s/nodeos-probe-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        fd = mkstemp(path);
        CHECK(fd >= 0);
        for (uint64_t i = 0; i * PAGE < bytes; i++) {
                uint64_t some = bytes - i * PAGE < PAGE ? bytes - i * PAGE : PAGE;

                for (unsigned j = 0; j < WORDS; j++)
                        page[j] = value_of(i, j);
                EQUAL(write(fd, page, some), some);
        }
        return fd;
}

static void offset_of_the_store(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_store *store;
        struct nodeos_region *region;
        int fd = new_file(16 * PAGE);

        EQUAL(nodeos_store_file(path, 0, 4 * PAGE, 0, &store), 0);
        unlink(path);
        region = map_store(buffer, store);
        EQUAL(nodeos_region_bytes(region), 12 * PAGE);
        for (uint64_t i = 0; i < 12; i++)
                EQUAL(words_of(region)[i * WORDS + 3], value_of(i + 4, 3));
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        close(fd);
}

/* Behind the end of the store are zeroes, and what is written there goes nowhere. */
static void tail(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_store *store;
        struct nodeos_region *region;
        int fd = new_file(5 * PAGE + 104);
        uint64_t page[WORDS];

        EQUAL(nodeos_store_file(path, NODEOS_STORE_WRITE, 0, 0, &store), 0);
        unlink(path);
        region = map_store(buffer, store);
        EQUAL(nodeos_region_bytes(region), 5 * PAGE + 104);
        for (int round = 0; round < 2; round++) {
                for (unsigned j = 0; j < WORDS; j++)
                        EQUAL(words_of(region)[5 * WORDS + j], j < 13 ? value_of(5, j) : 0);
                EQUAL(nodeos_region_evict(region, 0, 0), 0);
        }
        words_of(region)[5 * WORDS + 12] = 7;
        words_of(region)[5 * WORDS + 13] = 8;
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(lseek(fd, 0, SEEK_END), 5 * PAGE + 104);
        EQUAL(pread(fd, page, 104, 5 * PAGE), 104);
        EQUAL(page[12], 7);
        EQUAL(page[11], value_of(5, 11));
        EQUAL(nodeos_buffer_close(buffer), 0);
        close(fd);
}

/* A region larger than its store. */
static void larger_than_the_store(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(4, WRITE_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;

        options.bytes = 9 * PAGE + 1;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        EQUAL(words_of(region)[3 * WORDS], value_of(3, 0));
        EQUAL(words_of(region)[4 * WORDS], 0);
        words_of(region)[8 * WORDS] = 5;
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(words_of(region)[8 * WORDS], 0);
        EQUAL(nodeos_region_unmap(region), 0);
}

static void touch_all(struct nodeos_region *region, uint64_t pages, unsigned round) {
        for (uint64_t i = 0; i < pages; i++) {
                uint64_t page = (i * 167 + round) % pages;

                EQUAL(words_of(region)[page * WORDS + 5], round ? page + round - 1 : value_of(page, 5));
                EQUAL(words_of(region)[page * WORDS + 6], value_of(page, 6));
                words_of(region)[page * WORDS + 5] = page + round;
        }
}

/* The smallest buffer, and a file sixteen times as large. */
static void sixteen_pages(void) {
        struct nodeos_buffer_options too_small = { .size = sizeof too_small, .bytes = 15 * PAGE };
        struct nodeos_buffer *buffer = new_buffer(16), *none;
        struct memory *memory = memory_store(256, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);

        EQUAL(nodeos_buffer_create(&too_small, &none), -EINVAL);
        for (unsigned round = 0; round < 4; round++)
                touch_all(region, 256, round);
        CHECK(statistics_of(region).resident_pages <= 16);
        EQUAL(nodeos_buffer_close(buffer), -EBUSY);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        CHECK(memory->is_closed);
        for (uint64_t page = 0; page < 256; page++)
                EQUAL(memory->words[page * WORDS + 5], page + 3);
}

/* Granules that are no power of two, and large ones. */
static void page_sizes(void) {
        static const uint64_t sizes[] = { 3 * PAGE, 16 * PAGE, 512 * PAGE };

        for (unsigned i = 0; i < 3; i++) {
                struct nodeos_buffer *buffer = new_buffer(40 * sizes[i] / PAGE);
                uint64_t pages = 100 * sizes[i] / PAGE + 1;
                struct memory *memory = memory_store(pages, WRITE_SAFE);
                struct nodeos_region_options options = new_options();
                struct nodeos_region *region;

                options.page_bytes = sizes[i];
                EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
                for (unsigned round = 0; round < 2; round++)
                        for (uint64_t page = 0; page < pages; page += 1 + sizes[i] / PAGE / 3) {
                                EQUAL(words_of(region)[page * WORDS + 5], round ? page : value_of(page, 5));
                                words_of(region)[page * WORDS + 5] = page;
                        }
                EQUAL(nodeos_region_unmap(region), 0);
                EQUAL(nodeos_buffer_close(buffer), 0);
                for (uint64_t page = 0; page < pages; page += 1 + sizes[i] / PAGE / 3)
                        EQUAL(memory->words[page * WORDS + 5], page);
                EQUAL(memory->words[(pages - 1) * WORDS + 6], value_of(pages - 1, 6));
                free(memory->words);
                free(memory);
        }
}

static void wrong_options(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        struct memory *memory = memory_store(4, 0);

        options.page_bytes = 5000;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EINVAL);
        CHECK(memory->is_closed);
        options.page_bytes = 8 * PAGE; /* fewer than 16 of them in the buffer */
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EINVAL);
        options = new_options();
        options.size = 8;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EINVAL);
        options = new_options();
        options.mode = NODEOS_MODE_SIGNAL; /* the store is not safe for it */
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EINVAL);
        options.mode = NODEOS_MODE_PLAIN; /* it is no file */
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EOPNOTSUPP);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Maps exactly the addresses that are asked for, where they are free. */
static void fixed_address(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region, *second;
        struct memory *memory = memory_store(8, WRITE_SAFE);
        char *room = mmap(NULL, 10 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        munmap(room + PAGE, 8 * PAGE);
        options.address = room + PAGE;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        CHECK(nodeos_region_address(region) == room + PAGE);
        EQUAL(words_of(region)[7 * WORDS], value_of(7, 0));
        CHECK(nodeos_region_at(room) == NULL);
        CHECK(nodeos_region_at(room + PAGE) == region);
        CHECK(nodeos_region_at(room + 9 * PAGE - 1) == region);
        CHECK(nodeos_region_at(room + 9 * PAGE) == NULL);
        EQUAL(nodeos_region_map(buffer, &memory_store(8, WRITE_SAFE)->base, &options, &second), -EEXIST);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Mapping again and again leaks neither addresses nor descriptors. */
static void many_times(void) {
        long before = 0;
        int fd_before = 0;

        for (int i = 0; i < 200; i++) {
                struct nodeos_buffer *buffer = new_buffer(64);
                struct memory *memory = memory_store(64, WRITE_SAFE);
                struct nodeos_region *region = map_store(buffer, &memory->base);
                long size;
                int fd;

                for (uint64_t page = 0; page < 64; page++)
                        words_of(region)[page * WORDS] = page;
                EQUAL(nodeos_region_unmap(region), 0);
                EQUAL(nodeos_buffer_close(buffer), 0);
                EQUAL(memory->words[63 * WORDS], 63);
                free(memory->words);
                free(memory);
                fd = open("/proc/self/statm", O_RDONLY);
                if (fd >= 0) {
                        char text[64] = "";

                        CHECK(read(fd, text, sizeof text - 1) > 0);
                        size = atol(text);
                        close(fd);
                        if (i == 20)
                                before = size, fd_before = fd;
                        CHECK(i < 20 || size <= before + 64);
                        CHECK(i < 20 || fd == fd_before);
                }
        }
}

static void hundred_regions(void) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct nodeos_region *regions[100];
        struct memory *memories[100];

        for (int i = 0; i < 100; i++) {
                memories[i] = memory_store(32, WRITE_SAFE);
                regions[i] = map_store(buffer, &memories[i]->base);
        }
        for (unsigned round = 0; round < 3; round++)
                for (int i = 0; i < 100; i++)
                        touch_all(regions[i], 32, round);
        for (int i = 0; i < 100; i++)
                EQUAL(nodeos_region_unmap(regions[(i * 37) % 100]), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        for (int i = 0; i < 100; i++)
                for (uint64_t page = 0; page < 32; page++)
                        EQUAL(memories[i]->words[page * WORDS + 5], page + 2);
}

/* Streams are read ahead, forwards, backwards and in strides; random touches are not. */
static void windows(void) {
        struct nodeos_buffer *buffer = new_buffer(4096);
        struct memory *memory = memory_store(16384, NODEOS_STORE_SIGNAL_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);
        uint64_t before;

        for (uint64_t page = 0; page < 2048; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        CHECK(statistics_of(region).faults < 40);
        before = statistics_of(region).faults;
        for (uint64_t page = 8191; page >= 6144; page--)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        CHECK(statistics_of(region).faults - before < 40);
        before = statistics_of(region).faults;
        for (uint64_t page = 10000; page < 16000; page += 60)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        CHECK(statistics_of(region).faults - before < 60);
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(statistics_of(region).resident_pages, 0);
        before = statistics_of(region).read_pages;
        for (uint64_t i = 0; i < 500; i++)
                EQUAL(words_of(region)[i * 7919 % 16384 * WORDS], value_of(i * 7919 % 16384, 0));
        CHECK(statistics_of(region).read_pages - before < 600);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void pins(void) {
        struct nodeos_buffer *buffer = new_buffer(128);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);

        EQUAL(words_of(region)[2 * WORDS], value_of(2, 0));
        EQUAL(nodeos_region_pin(region, 0, 8 * PAGE), 0); /* one of them is there */
        EQUAL(nodeos_region_pin(region, 4 * PAGE, PAGE), 0);
        EQUAL(statistics_of(region).pinned_pages, 8);
        words_of(region)[3 * WORDS] = 33;
        for (uint64_t page = 8; page < 512; page++)
                words_of(region)[page * WORDS] = page;
        EQUAL(memory->words[3 * WORDS], value_of(3, 0)); /* eviction leaves it alone */
        EQUAL(nodeos_region_evict(region, 0, 8 * PAGE), 0);
        CHECK(statistics_of(region).resident_pages >= 8);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(memory->words[3 * WORDS], 33);
        EQUAL(memory->syncs, 1);
        EQUAL(nodeos_region_pin(region, 0, 128 * PAGE), -ENOMEM);
        EQUAL(statistics_of(region).pinned_pages, 8);
        EQUAL(nodeos_region_unpin(region, 0, 16 * PAGE), -EINVAL);
        EQUAL(nodeos_region_unpin(region, 0, 8 * PAGE), 0);
        EQUAL(statistics_of(region).pinned_pages, 1);
        words_of(region)[4 * WORDS] = 44;
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(memory->words[4 * WORDS], 44);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* For system calls in mode signal. */
static void system_calls(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(16, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);
        int pipes[2];
        uint64_t word;

        EQUAL(pipe(pipes), 0);
        if (mode == NODEOS_MODE_SIGNAL) {
                EQUAL(write(pipes[1], (char *) nodeos_region_address(region) + PAGE, 8), -1);
                EQUAL(errno, EFAULT);
                EQUAL(nodeos_region_populate(region, PAGE + 17, 1), 0);
        }
        EQUAL(write(pipes[1], (char *) nodeos_region_address(region) + PAGE, 8), 8);
        EQUAL(read(pipes[0], &word, 8), 8);
        EQUAL(word, value_of(1, 0));
        EQUAL(nodeos_region_prefetch(region, 0, 0), 0);
        for (int i = 0; i < 2000 && statistics_of(region).resident_pages < 16; i++)
                nanosleep(&(struct timespec) { 0, 1000000 }, NULL);
        EQUAL(statistics_of(region).resident_pages, 16);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void without_faults(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(128, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);
        static uint64_t copy[128 * WORDS];

        EQUAL(nodeos_region_read(region, copy, 100 * PAGE, 12), 0);
        CHECK(!memcmp(copy, (char *) memory->words + 12, 100 * PAGE));
        for (unsigned i = 0; i < 50 * WORDS; i++)
                copy[i] = i;
        EQUAL(nodeos_region_write(region, copy, 50 * PAGE + 1, 3 * PAGE + 5), 0);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        CHECK(!memcmp(copy, (char *) memory->words + 3 * PAGE + 5, 50 * PAGE));
        EQUAL(memory->words[54 * WORDS], value_of(54, 0));
        EQUAL(nodeos_region_read(region, copy, 2, 128 * PAGE - 1), -EINVAL);
        memory->read_error[100] = EIO;
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(nodeos_region_read(region, copy, 8, 100 * PAGE), -EIO); /* and no signal */
        EQUAL(nodeos_region_read(region, copy, 8, 99 * PAGE), 0);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void resize(void) {
        struct nodeos_buffer *buffer = new_buffer(1024);
        struct memory *memory = memory_store(2048, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);

        for (uint64_t page = 0; page < 2048; page++)
                words_of(region)[page * WORDS] = page;
        CHECK(statistics_of(region).resident_pages > 600);
        EQUAL(nodeos_buffer_resize(buffer, 512 * PAGE), 0);
        CHECK(statistics_of(region).resident_pages <= 512);
        EQUAL(nodeos_region_pin(region, 0, 200 * PAGE), 0);
        EQUAL(nodeos_buffer_resize(buffer, 128 * PAGE), -ENOMEM);
        EQUAL(nodeos_buffer_resize(buffer, 15 * PAGE), -EINVAL);
        EQUAL(nodeos_buffer_resize(buffer, 4096 * PAGE), 0);
        for (uint64_t page = 0; page < 2048; page++)
                EQUAL(words_of(region)[page * WORDS], page);
        CHECK(statistics_of(region).resident_pages > 1700);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Threads keep the buffer between its watermarks. */
static void evictors(void) {
        struct nodeos_buffer_options options = {
                .size = sizeof options, .bytes = 1024 * PAGE, .low_percent = 40, .high_percent = 60, .evictors = 2,
        };
        struct memory *memory = memory_store(4096, WRITE_SAFE);
        struct nodeos_buffer *buffer;
        struct nodeos_region *region;
        uint64_t resident = 1024;

        EQUAL(nodeos_buffer_create(&options, &buffer), 0);
        region = map_store(buffer, &memory->base);
        for (uint64_t page = 0; page < 4096; page++)
                words_of(region)[page * WORDS] = page;
        for (int i = 0; i < 2000 && resident > 700; i++) {
                nanosleep(&(struct timespec) { 0, 1000000 }, NULL);
                resident = statistics_of(region).resident_pages;
        }
        CHECK(resident <= 700);
        for (uint64_t page = 0; page < 4096; page++)
                EQUAL(words_of(region)[page * WORDS], page);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        options.low_percent = 70;
        EQUAL(nodeos_buffer_create(&options, &buffer), -EINVAL);
}

/* Without what writing needs; run with NODEOS_PAGING_WITHOUT=wp. */
static void lacking_protection(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;

        EQUAL(nodeos_region_map(buffer, &memory_store(8, WRITE_SAFE)->base, &options, &region), -EOPNOTSUPP);
        region = map_store(buffer, &memory_store(8, NODEOS_STORE_SIGNAL_SAFE)->base);
        EQUAL(words_of(region)[5 * WORDS], value_of(5, 0));
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Without either way to user faults; run with NODEOS_PAGING_WITHOUT=device,syscall. */
static void lacking_all(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        struct memory *memory = memory_store(8, WRITE_SAFE);

        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EPERM);
        CHECK(memory->is_closed);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Memory and tracking that the kernel lacks are refused where they are asked for. */
static void lacking_kinds(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;

        options.memory = NODEOS_MEMORY_MOVE;
        EQUAL(nodeos_region_map(buffer, &memory_store(8, WRITE_SAFE)->base, &options, &region), -EOPNOTSUPP);
        options.memory = NODEOS_MEMORY_AUTO;
        options.tracking = NODEOS_TRACKING_SCAN;
        EQUAL(nodeos_region_map(buffer, &memory_store(8, WRITE_SAFE)->base, &options, &region), -EOPNOTSUPP);
        options.tracking = NODEOS_TRACKING_AUTO;
        options.memory = NODEOS_MEMORY_SHARED;
        EQUAL(nodeos_region_map(buffer, &memory_store(8, NODEOS_STORE_SIGNAL_SAFE)->base, &options, &region), -EOPNOTSUPP);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* The kernel notes writes, and flush writes those pages alone. */
static void scanned(void) {
        struct nodeos_buffer *buffer = new_buffer(1024);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;

        options.tracking = NODEOS_TRACKING_SCAN;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        for (uint64_t page = 0; page < 512; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(statistics_of(region).written_pages, 0);
        for (uint64_t page = 0; page < 512; page += 10)
                words_of(region)[page * WORDS] = page;
        EQUAL(statistics_of(region).first_writes, 0);
        memory->write_error[20] = EIO;
        EQUAL(nodeos_region_flush(region, 0, 0), -EIO);
        memory->write_error[20] = 0;
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(statistics_of(region).written_pages, 52);
        for (uint64_t page = 0; page < 512; page += 10)
                EQUAL(memory->words[page * WORDS], page);
        words_of(region)[3] = 5;
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(memory->words[3], 5);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* The kernel maps the file itself where nothing else is asked. */
static void plain(void) {
        struct nodeos_region_options options = { .size = sizeof options, .shared_fd = -1 };
        struct nodeos_store *store;
        struct nodeos_region *region;
        int fd = new_file(64 * PAGE);
        uint64_t word = 5;

        EQUAL(nodeos_store_file(path, NODEOS_STORE_WRITE, 0, 0, &store), 0);
        unlink(path);
        EQUAL(nodeos_region_map(NULL, store, &options, &region), 0);
        for (uint64_t page = 0; page < 64; page++)
                EQUAL(words_of(region)[page * WORDS + 1], value_of(page, 1));
        EQUAL(statistics_of(region).faults, 0);
        words_of(region)[9] = 99;
        EQUAL(nodeos_region_write(region, &word, 8, PAGE), 0);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(pread(fd, &word, 8, 72), 8);
        EQUAL(word, 99);
        EQUAL(pread(fd, &word, 8, PAGE), 8);
        EQUAL(word, 5);
        EQUAL(nodeos_region_pin(region, 0, PAGE), 0);
        EQUAL(nodeos_region_unpin(region, 0, PAGE), 0);
        EQUAL(nodeos_region_populate(region, 0, 0), 0);
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        EQUAL(ftruncate(fd, PAGE), 0);
        EQUAL(nodeos_region_read(region, &word, 8, 2 * PAGE), -EIO);
        EQUAL(nodeos_region_unmap(region), 0);
        close(fd);
}

int main(int count, char **args) {
        static const struct probe probes[] = {
                { "offset_of_the_store", offset_of_the_store },
                { "tail", tail },
                { "larger_than_the_store", larger_than_the_store },
                { "sixteen_pages", sixteen_pages },
                { "page_sizes", page_sizes },
                { "wrong_options", wrong_options },
                { "fixed_address", fixed_address },
                { "many_times", many_times },
                { "hundred_regions", hundred_regions },
                { "windows", windows },
                { "pins", pins },
                { "system_calls", system_calls },
                { "without_faults", without_faults },
                { "resize", resize },
                { "plain", plain },
                { "evictors", evictors },
                { "scanned", scanned },
                { "lacking_protection", lacking_protection },
                { "lacking_all", lacking_all },
                { "lacking_kinds", lacking_kinds },
                { NULL, NULL },
        };

        return run_probe(probes, count, args);
}
