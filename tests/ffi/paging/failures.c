/* Stores that fail, are slow or lie: the right page fails with the right reason, and others live. */
#define _GNU_SOURCE
#include <sys/utsname.h>

#include "probe.h"

/* A page that cannot be read is SIGBUS for who touches it, and nothing for its neighbours, window or not. */
static void read_errors(void) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct memory *memory = memory_store(128, WRITE_SAFE);
        struct nodeos_region *region;
        uint64_t word;

        catch_faults();
        region = map_store(buffer, &memory->base);
        memory->read_error[20] = EIO;
        memory->read_error[77] = ENODATA;
        for (int round = 0; round < 2; round++)
                for (uint64_t page = 0; page < 128; page++) {
                        bool fails = page == 20 || page == 77;

                        EQUAL(signal_of_read(&words_of(region)[page * WORDS + 2], &word), fails ? SIGBUS : 0);
                        if (fails)
                                CHECK(((uintptr_t) caught_address & ~4095ul) == (uintptr_t) &words_of(region)[page * WORDS]);
                        else
                                EQUAL(word, value_of(page, 2));
                }
        EQUAL(nodeos_region_error(region, 20 * PAGE), EIO);
        EQUAL(nodeos_region_error(region, 77 * PAGE + 5), ENODATA);
        EQUAL(nodeos_region_error(region, 21 * PAGE), 0);
        EQUAL(statistics_of(region).errors, 2);
        EQUAL(nodeos_region_populate(region, 16 * PAGE, 16 * PAGE), -EIO);
        memory->read_error[20] = 0;
        EQUAL(signal_of_read(&words_of(region)[20 * WORDS + 2], &word), SIGBUS);
        EQUAL(nodeos_region_forgive(region, 0, 0), 0);
        EQUAL(nodeos_region_error(region, 20 * PAGE), 0);
        EQUAL(signal_of_read(&words_of(region)[20 * WORDS + 2], &word), 0);
        EQUAL(word, value_of(20, 2));
        EQUAL(signal_of_write(&words_of(region)[77 * WORDS], 1), SIGBUS);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void truncated_file(void) {
        char path[256], page[PAGE];
        struct nodeos_buffer *buffer = new_buffer(64);
        struct nodeos_region *region;
        struct nodeos_store *store;
        uint64_t word;
        int fd;

        snprintf(path, sizeof path, "%s/nodeos-probe-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        fd = mkstemp(path);
        memset(page, 7, sizeof page);
        for (int i = 0; i < 32; i++)
                EQUAL(write(fd, page, PAGE), PAGE);
        catch_faults();
        EQUAL(nodeos_store_file(path, NODEOS_STORE_WRITE, 0, 0, &store), 0);
        unlink(path);
        region = map_store(buffer, store);
        EQUAL(ftruncate(fd, 16 * PAGE + 8), 0);
        EQUAL(signal_of_read(&words_of(region)[15 * WORDS], &word), 0);
        EQUAL(signal_of_read(&words_of(region)[16 * WORDS], &word), SIGBUS);
        EQUAL(nodeos_region_error(region, 16 * PAGE), ENODATA);
        EQUAL(signal_of_read(&words_of(region)[31 * WORDS], &word), SIGBUS);
        EQUAL(signal_of_read(&words_of(region)[0], &word), 0);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        close(fd);
}

/* What cannot be written stays, is told, and goes when it can. */
static void write_errors(void) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct memory *memory = memory_store(128, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);

        for (uint64_t page = 0; page < 128; page++)
                words_of(region)[page * WORDS] = page;
        memory->write_error[20] = ENOSPC;
        EQUAL(nodeos_region_flush(region, 0, 0), -ENOSPC);
        EQUAL(nodeos_region_error(region, 20 * PAGE), ENOSPC);
        EQUAL(nodeos_region_error(region, 19 * PAGE), 0);
        EQUAL(memory->words[19 * WORDS], 19);
        EQUAL(memory->words[20 * WORDS], value_of(20, 0));
        EQUAL(memory->words[127 * WORDS], 127);
        EQUAL(nodeos_region_evict(region, 20 * PAGE, PAGE), -ENOSPC);
        EQUAL(words_of(region)[20 * WORDS], 20);
        words_of(region)[20 * WORDS] = 21; /* still writable */
        EQUAL(statistics_of(region).dirty_pages, 1);
        memory->write_error[20] = 0;
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(memory->words[20 * WORDS], 21);
        EQUAL(statistics_of(region).dirty_pages, 0);
        words_of(region)[20 * WORDS] = 22;
        memory->write_error[20] = EIO;
        EQUAL(nodeos_region_unmap(region), -EIO);
        CHECK(memory->is_closed);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* A buffer full of what cannot be written: the next page fails, rather than the limit, and all data is kept. */
/* Linux 6.8. */
static bool can_move(void) {
        struct utsname names;
        int version = 0, level = 0;

        EQUAL(uname(&names), 0);
        EQUAL(sscanf(names.release, "%d.%d", &version, &level), 2);
        return version > 6 || (version == 6 && level >= 8);
}

/* A stream whose windows are moved out and written from there: what the store does not take comes back. */
static void moved_back(void) {
        struct nodeos_buffer *buffer = new_buffer(512);
        struct memory *memory = memory_store(1024, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);

        memory->write_error[100] = memory->write_error[400] = ENOSPC;
        for (uint64_t round = 1; round < 4; round++)
                for (uint64_t page = 0; page < 1024; page++)
                        words_of(region)[page * WORDS] = page + round;
        CHECK(statistics_of(region).moved_pages > 512 || !can_move());
        EQUAL(nodeos_region_flush(region, 0, 0), -ENOSPC);
        EQUAL(nodeos_region_error(region, 100 * PAGE), ENOSPC);
        EQUAL(memory->words[100 * WORDS], value_of(100, 0));
        EQUAL(words_of(region)[100 * WORDS], 103);
        EQUAL(words_of(region)[400 * WORDS], 403);
        memory->write_error[100] = memory->write_error[400] = 0;
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(nodeos_region_unmap(region), 0);
        for (uint64_t page = 0; page < 1024; page++) {
                EQUAL(memory->words[page * WORDS], page + 3);
                EQUAL(memory->words[page * WORDS + 511], value_of(page, 511));
        }
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void nothing_can_be_written(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct nodeos_region *region;
        uint64_t written = 0, word;

        catch_faults();
        region = map_store(buffer, &memory->base);
        for (int i = 0; i < 512; i++)
                memory->write_error[i] = EIO;
        while (written < 512 && signal_of_write(&words_of(region)[written * WORDS], written) == 0)
                written++;
        CHECK(written > 8 && written <= 64);
        EQUAL(nodeos_region_error(region, written * PAGE), EIO);
        for (uint64_t page = 0; page < written; page++)
                EQUAL(words_of(region)[page * WORDS], page);
        for (int i = 0; i < 512; i++)
                memory->write_error[i] = 0;
        EQUAL(nodeos_region_forgive(region, 0, 0), 0);
        EQUAL(signal_of_read(&words_of(region)[500 * WORDS], &word), 0);
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(nodeos_region_unmap(region), 0);
        for (uint64_t page = 0; page < written; page++)
                EQUAL(memory->words[page * WORDS], page);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void all_pinned(void) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);
        uint64_t pinned = 0;

        while (nodeos_region_pin(region, pinned * PAGE, PAGE) == 0)
                pinned++;
        CHECK(pinned > 100 && pinned < 256);
        for (uint64_t page = 0; page < 512; page++) {
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
                words_of(region)[page * WORDS] = page;
        }
        EQUAL(nodeos_region_unmap(region), 0);
        for (uint64_t page = 0; page < 512; page++)
                EQUAL(memory->words[page * WORDS], page);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* A write to a region that is only for reading is SIGSEGV, whichever way its pages came. */
static void read_only(void) {
        for (uint32_t memory_kind = NODEOS_MEMORY_AUTO; memory_kind <= NODEOS_MEMORY_SHARED; memory_kind++) {
                struct nodeos_buffer *buffer = new_buffer(1024);
                struct memory *memory = memory_store(256, WRITE_SAFE);
                struct nodeos_region_options options = new_options();
                struct nodeos_region *region;
                int error;

                catch_faults();
                options.read_only = 1;
                options.memory = memory_kind;
                error = nodeos_region_map(buffer, &memory->base, &options, &region);
                if (error == -EOPNOTSUPP && getenv("NODEOS_PAGING_WITHOUT"))
                        continue;
                EQUAL(error, 0);
                for (uint64_t page = 0; page < 256; page++)
                        EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
                EQUAL(signal_of_write(&words_of(region)[5 * WORDS], 1), SIGSEGV);
                CHECK(caught_address == (void *) &words_of(region)[5 * WORDS]);
                EQUAL(signal_of_write(&words_of(region)[200 * WORDS], 1), SIGSEGV);
                EQUAL(nodeos_region_evict(region, 0, 0), 0);
                EQUAL(signal_of_write(&words_of(region)[100 * WORDS], 1), SIGSEGV);
                EQUAL(nodeos_region_write(region, "", 1, 0), -EROFS);
                EQUAL(words_of(region)[5 * WORDS], value_of(5, 0));
                EQUAL(nodeos_region_unmap(region), 0);
                EQUAL(nodeos_buffer_close(buffer), 0);
        }
}

/* A store that reads from another region. */
struct above {
        struct nodeos_store base;
        volatile uint64_t *below;
};

static int read_above(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        memcpy(buffer, (char *) (uintptr_t) ((struct above *) store)->below + offset, bytes);
        return 0;
}

static void close_above(struct nodeos_store *store) {
        (void) store;
}

static void *read_everywhere(void *argument) {
        struct nodeos_region *region = argument;

        for (uint64_t i = 0; i < 600; i++) {
                uint64_t page = i * 7919 % 512;

                EQUAL(words_of(region)[page * WORDS + i % 100], value_of(page, i % 100));
        }
        return NULL;
}

static void nested(void) {
        static const struct nodeos_store_calls calls = { read_above, NULL, NULL, close_above };
        struct nodeos_buffer *buffer = new_buffer(32);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct nodeos_region *below = map_store(buffer, &memory->base), *region;
        struct above above = {
                .base = { .calls = &calls, .bytes = 512 * PAGE, .block_bytes = 1, .flags = NODEOS_STORE_SIGNAL_SAFE, .plain_fd = -1 },
                .below = words_of(below),
        };
        pthread_t threads[8];

        region = map_store(buffer, &above.base);
        for (int i = 0; i < 8; i++)
                pthread_create(&threads[i], NULL, read_everywhere, region);
        for (int i = 0; i < 8; i++)
                pthread_join(threads[i], NULL);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_region_unmap(below), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* A region whose store is not for signal handlers shares its buffer with one of mode signal: a thread writes for it. */
static void unsafe_neighbour(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(256, NODEOS_STORE_WRITE), *other = memory_store(256, WRITE_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region, *safe = map_store(buffer, &other->base);

        options.mode = NODEOS_MODE_AUTO;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        for (int round = 0; round < 5; round++) {
                for (uint64_t page = 0; page < 256; page++)
                        words_of(region)[page * WORDS] = page + (uint64_t) round;
                for (uint64_t page = 0; page < 256; page++)
                        words_of(safe)[page * WORDS]++;
        }
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_region_unmap(safe), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        for (uint64_t page = 0; page < 256; page++) {
                EQUAL(memory->words[page * WORDS], page + 4);
                EQUAL(other->words[page * WORDS], value_of(page, 0) + 5);
        }
}

int main(int count, char **args) {
        static const struct probe probes[] = {
                { "read_errors", read_errors },
                { "truncated_file", truncated_file },
                { "write_errors", write_errors },
                { "moved_back", moved_back },
                { "nothing_can_be_written", nothing_can_be_written },
                { "all_pinned", all_pinned },
                { "read_only", read_only },
                { "nested", nested },
                { "unsafe_neighbour", unsafe_neighbour },
                { NULL, NULL },
        };

        return run_probe(probes, count, args);
}
