/* What programs do to the addresses of a region behind its back, and calls at the limits of what is there. */
#define _GNU_SOURCE
#include <dlfcn.h>

#include "probe.h"

/* The library calls this one of the program's: that of libc, unless a probe has it fail. */
static atomic_int failing_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
        int (*next)(pthread_t *, const pthread_attr_t *, void *(*) (void *), void *) =
                (int (*)(pthread_t *, const pthread_attr_t *, void *(*) (void *), void *)) dlsym(RTLD_NEXT, "pthread_create");

        return failing_threads-- > 0 ? EAGAIN : next(thread, attributes, run, argument);
}

static void close_all(struct nodeos_region *region, struct nodeos_buffer *buffer, struct memory *memory) {
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
        CHECK(memory->is_closed);
        free(memory->words);
        free(memory);
}

static struct nodeos_region *map_sized(struct nodeos_buffer *buffer, struct memory *memory, uint64_t page_bytes, uint32_t tracking) {
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;

        options.page_bytes = page_bytes;
        options.tracking = tracking;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        return region;
}

/* How many ways there are to see writes: before Linux 6.7 nothing can be scanned. */
static uint32_t trackings(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(16, WRITE_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        int error;

        options.tracking = NODEOS_TRACKING_SCAN;
        error = nodeos_region_map(buffer, &memory->base, &options, &region);
        if (!error)
                EQUAL(nodeos_region_unmap(region), 0);
        else
                EQUAL(error, -EOPNOTSUPP);
        EQUAL(nodeos_buffer_close(buffer), 0);
        free(memory->words);
        free(memory);
        return error ? NODEOS_TRACKING_SCAN : NODEOS_TRACKING_SCAN + 1;
}

/* A boundary of protections within a page of the region. */
static void protected_within_a_page(void) {
        struct nodeos_buffer *buffer = new_buffer(1024);
        struct memory *memory = memory_store(96, WRITE_SAFE);
        struct nodeos_region *region = map_sized(buffer, memory, 3 * PAGE, 0);
        char *base = nodeos_region_address(region);

        EQUAL(mprotect(base + 4 * PAGE, PAGE, PROT_NONE), 0);
        EQUAL(mprotect(base + 12 * PAGE, PAGE, PROT_READ), 0);
        for (int round = 0; round < 2; round++) {
                for (uint64_t page = 0; page < 96; page++) {
                        if (page == 4)
                                continue;
                        EQUAL(words_of(region)[page * WORDS + 5], value_of(page, 5) + (uint64_t) (page == 12 ? 0 : round));
                        if (page != 12)
                                words_of(region)[page * WORDS + 5]++;
                }
                EQUAL(nodeos_region_evict(region, 0, 0), 0);
                EQUAL(statistics_of(region).resident_pages, 0);
        }
        EQUAL(mprotect(base + 4 * PAGE, PAGE, PROT_READ), 0);
        EQUAL(words_of(region)[4 * WORDS + 5], value_of(4, 5));
        EQUAL(nodeos_region_pin(region, 4 * PAGE, 1), 0);
        EQUAL(nodeos_region_unpin(region, 4 * PAGE, 1), 0);
        close_all(region, buffer, memory);
}

/* Pages that are dirty, or expected to be, and that the program drops, are as in the store. */
static void dropped_when_dirty(void) {
        for (uint32_t tracking = 0, end = trackings(); tracking < end; tracking++) {
                struct nodeos_buffer *buffer = new_buffer(512);
                struct memory *memory = memory_store(64, WRITE_SAFE);
                struct nodeos_region *region = map_sized(buffer, memory, PAGE, tracking);
                volatile uint64_t *words = words_of(region);

                for (int how = 0; how < 6; how++) {
                        for (uint64_t i = 0; i < 64; i++)
                                words[i * 37 % 64 * WORDS] = i * 37 % 64 + (uint64_t) how;
                        EQUAL(nodeos_region_evict(region, 0, 0), 0);
                        for (uint64_t i = 0; i < 64; i++)
                                EQUAL(words[i * 37 % 64 * WORDS], i * 37 % 64 + (uint64_t) how);
                        for (uint64_t page = 0; page < 32; page++)
                                words[page * WORDS] = 1000;
                        EQUAL(madvise(nodeos_region_address(region), 48 * PAGE, MADV_DONTNEED), 0);
                        if (how % 3 == 0)
                                EQUAL(nodeos_region_flush(region, 0, 0), 0);
                        else if (how % 3 == 1)
                                EQUAL(nodeos_region_evict(region, 0, 0), 0);
                        for (uint64_t page = 0; page < 64; page++)
                                EQUAL(words[page * WORDS], page + (uint64_t) how);
                        for (uint64_t page = 0; page < 32; page++)
                                words[page * WORDS] = 2000;
                        EQUAL(madvise(nodeos_region_address(region), 32 * PAGE, MADV_DONTNEED), 0);
                        if (how == 5)
                                EQUAL(nodeos_region_flush(region, 0, 0), 0);
                }
                for (uint64_t page = 0; page < 32; page++)
                        words[page * WORDS] = 3000;
                EQUAL(madvise(nodeos_region_address(region), 32 * PAGE, MADV_DONTNEED), 0);
                EQUAL(nodeos_region_unmap(region), 0);
                for (uint64_t page = 0; page < 64; page++)
                        EQUAL(memory->words[page * WORDS], page + 5);
                EQUAL(nodeos_buffer_close(buffer), 0);
        }
}

/* Dropped, and then the store fails. */
static void dropped_and_failing(void) {
        struct nodeos_buffer *buffer = new_buffer(512);
        struct memory *memory = memory_store(64, WRITE_SAFE);
        struct nodeos_region *region;
        uint64_t value;

        catch_faults();
        region = map_sized(buffer, memory, PAGE, 0);
        words_of(region)[5 * WORDS] = 1;
        EQUAL(words_of(region)[9 * WORDS], value_of(9, 0));
        EQUAL(madvise(nodeos_region_address(region), 64 * PAGE, MADV_DONTNEED), 0);
        memory->read_error[5] = memory->read_error[9] = EIO;
        EQUAL(signal_of_read(words_of(region) + 5 * WORDS, &value), SIGBUS);
        EQUAL(signal_of_read(words_of(region) + 9 * WORDS, &value), SIGBUS);
        EQUAL(nodeos_region_error(region, 5 * PAGE), EIO);
        EQUAL(statistics_of(region).resident_pages, 0);
        EQUAL(statistics_of(region).dirty_pages, 0);
        memory->read_error[5] = memory->read_error[9] = 0;
        EQUAL(nodeos_region_forgive(region, 0, 0), 0);
        EQUAL(words_of(region)[5 * WORDS], value_of(5, 0));
        EQUAL(words_of(region)[9 * WORDS], value_of(9, 0));
        close_all(region, buffer, memory);
}

/* What is in pages that nobody may read goes back all the same. */
static void unreadable_when_dirty(void) {
        for (uint32_t tracking = 0, end = trackings(); tracking < end; tracking++) {
                for (uint64_t size = 1; size < 4; size += 2) {
                        struct nodeos_buffer *buffer = new_buffer(512);
                        struct memory *memory = memory_store(96, WRITE_SAFE);
                        struct nodeos_region *region = map_sized(buffer, memory, size * PAGE, tracking);
                        char *base = nodeos_region_address(region);

                        for (int how = 0; how < 4; how++) {
                                for (uint64_t page = 0; page < 96; page++)
                                        words_of(region)[page * WORDS + 2] = page + 100 * (uint64_t) how;
                                EQUAL(mprotect(base + 9 * PAGE, 24 * PAGE, PROT_NONE), 0);
                                /* Of these pages the kernel notes writes by itself: they stay, as they may become writable. */
                                if (tracking == 2 && how % 2)
                                        EQUAL(nodeos_region_evict(region, 0, 0), -EBUSY);
                                if (tracking == 2 || how % 2 == 0)
                                        EQUAL(nodeos_region_flush(region, 0, 0), 0);
                                else
                                        EQUAL(nodeos_region_evict(region, 0, 0), 0);
                                if (how % 2 && tracking < 2)
                                        EQUAL(statistics_of(region).resident_pages, 0);
                                for (uint64_t page = 0; page < 96; page++)
                                        EQUAL(memory->words[page * WORDS + 2], page + 100 * (uint64_t) how);
                                if (how == 3)
                                        break;
                                EQUAL(mprotect(base + 9 * PAGE, 24 * PAGE, PROT_READ | PROT_WRITE), 0);
                        }
                        close_all(region, buffer, memory);
                }
        }
}

/* A part of a page of the region is the program's own again; the rest is lost with it. */
static void unmapped_within_a_page(void) {
        struct nodeos_buffer *buffer = new_buffer(512);
        struct memory *memory = memory_store(96, WRITE_SAFE);
        struct nodeos_region *region;
        uint64_t value;
        struct timespec pause = { 0, 200000000 };

        catch_faults();
        region = map_sized(buffer, memory, 3 * PAGE, 0);
        EQUAL(munmap((char *) nodeos_region_address(region) + 4 * PAGE, PAGE), 0);
        nanosleep(&pause, NULL);
        EQUAL(signal_of_read(words_of(region) + 3 * WORDS, &value), SIGBUS);
        EQUAL(signal_of_read(words_of(region) + 4 * WORDS, &value), SIGSEGV);
        EQUAL(signal_of_read(words_of(region) + 2 * WORDS, &value), 0);
        close_all(region, buffer, memory);
}

/* Right behind munmap the region goes. */
static void unmapped_at_once(void) {
        for (int round = 0; round < 300; round++) {
                struct nodeos_buffer *buffer = new_buffer(256);
                struct memory *memory = memory_store(64, WRITE_SAFE);
                struct nodeos_region *region = map_sized(buffer, memory, PAGE, 0);

                for (uint64_t page = 0; page < 64; page++)
                        words_of(region)[page * WORDS] = 1;
                EQUAL(munmap((char *) nodeos_region_address(region) + 16 * PAGE, 32 * PAGE), 0);
                if (round % 2)
                        EQUAL(nodeos_region_flush(region, 0, 0), 0);
                close_all(region, buffer, memory);
        }
}

static atomic_bool is_over;
static struct nodeos_region *other;

static void *touch_other(void *unused) {
        (void) unused;
        for (uint64_t i = 0; !is_over; i++)
                words_of(other)[i * 37 % 512 * WORDS] += 1;
        return NULL;
}

/* Who evicts pages of a region that goes leaves what comes to its addresses alone. */
static void evicted_while_unmapped(void) {
        struct nodeos_buffer *buffer = new_buffer(128);
        struct memory *beside = memory_store(512, WRITE_SAFE), *memory = memory_store(64, WRITE_SAFE);
        pthread_t threads[3];

        other = map_store(buffer, &beside->base);
        for (int i = 0; i < 3; i++)
                pthread_create(&threads[i], NULL, touch_other, NULL);
        for (int round = 0; round < 1500; round++) {
                struct nodeos_region *region = map_sized(buffer, memory, PAGE, 0);
                void *address = nodeos_region_address(region);
                uint64_t *mine;

                for (uint64_t i = 0; i < 64; i++)
                        EQUAL(words_of(region)[i * 37 % 64 * WORDS], value_of(i * 37 % 64, 0));
                EQUAL(nodeos_region_unmap(region), 0);
                mine = mmap(address, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                CHECK(mine != MAP_FAILED);
                for (uint64_t page = 0; page < 64; page++)
                        mine[page * WORDS] = page + 1;
                for (int again = 0; again < 30; again++)
                        for (uint64_t page = 0; page < 64; page++)
                                EQUAL(mine[page * WORDS], page + 1);
                munmap(mine, 64 * PAGE);
        }
        is_over = true;
        for (int i = 0; i < 3; i++)
                pthread_join(threads[i], NULL);
        EQUAL(nodeos_region_unmap(other), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* What a store says is not what the kernel says of addresses. */
static void no_such_entry(void) {
        struct nodeos_buffer *buffer = new_buffer(128);
        struct memory *memory = memory_store(64, WRITE_SAFE);
        struct nodeos_region *region;
        uint64_t value;

        catch_faults();
        region = map_sized(buffer, memory, PAGE, 0);
        memory->read_error[5] = ENOENT;
        memory->read_error[9] = ESRCH;
        EQUAL(signal_of_read(words_of(region) + 5 * WORDS, &value), SIGBUS);
        EQUAL(nodeos_region_error(region, 5 * PAGE), ENOENT);
        EQUAL(signal_of_read(words_of(region) + 9 * WORDS, &value), SIGBUS);
        EQUAL(nodeos_region_error(region, 9 * PAGE), ESRCH);
        EQUAL(nodeos_region_populate(region, 5 * PAGE, 1), -ENOENT);
        EQUAL(words_of(region)[6 * WORDS], value_of(6, 0));
        close_all(region, buffer, memory);
}

/* A part of a larger page that the program drops comes again; the rest stays as it was written. */
static void dropped_within_a_page(void) {
        struct nodeos_buffer *buffer = new_buffer(512);
        struct memory *memory = memory_store(96, WRITE_SAFE);
        struct nodeos_region *region = map_sized(buffer, memory, 3 * PAGE, 0);
        char *base = nodeos_region_address(region);

        for (int how = 0; how < 3; how++) {
                for (uint64_t page = 0; page < 96; page++)
                        words_of(region)[page * WORDS + 3] = 100 + page;
                EQUAL(nodeos_region_flush(region, 0, 0), 0);
                for (uint64_t page = 0; page < 96; page++)
                        words_of(region)[page * WORDS + 3] = 200 + page;
                for (uint64_t page = 1; page < 96; page += 3)
                        EQUAL(madvise(base + page * PAGE, PAGE, MADV_DONTNEED), 0);
                if (how == 1)
                        EQUAL(nodeos_region_flush(region, 0, 0), 0);
                if (how == 2)
                        EQUAL(nodeos_region_evict(region, 0, 0), 0);
                for (uint64_t page = 0; page < 96; page++)
                        EQUAL(words_of(region)[page * WORDS + 3], (page % 3 == 1 ? 100 : 200) + page);
                EQUAL(nodeos_region_evict(region, 0, 0), 0);
                for (uint64_t page = 0; page < 96; page++)
                        EQUAL(memory->words[page * WORDS + 3], (page % 3 == 1 ? 100 : 200) + page);
        }
        close_all(region, buffer, memory);
}

/* A child gets no room in a buffer of its parent's, whose pages it does not have. */
static void buffer_of_the_parent(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(64, WRITE_SAFE);
        struct nodeos_region *region = map_sized(buffer, memory, PAGE, 0);
        pid_t child;
        int status;

        for (uint64_t page = 0; page < 64; page++)
                words_of(region)[page * WORDS] = page;
        child = fork();
        if (child == 0) {
                struct nodeos_region_options options = new_options();
                struct memory *own = memory_store(64, WRITE_SAFE);
                struct nodeos_region *another;
                struct nodeos_buffer *mine;

                EQUAL(nodeos_region_map(buffer, &own->base, &options, &another), -ESRCH);
                EQUAL(nodeos_buffer_resize(buffer, 32 * PAGE), -ESRCH);
                EQUAL(nodeos_buffer_close(buffer), -ESRCH);
                CHECK(own->is_closed);
                mine = new_buffer(64);
                EQUAL(nodeos_region_map(mine, &own->base, &options, &another), 0);
                for (uint64_t page = 0; page < 64; page++)
                        EQUAL(words_of(another)[page * WORDS], value_of(page, 0));
                EQUAL(nodeos_region_unmap(another), 0);
                EQUAL(nodeos_buffer_close(mine), 0);
                _exit(0);
        }
        EQUAL(waitpid(child, &status, 0), child);
        EQUAL(status, 0);
        for (uint64_t page = 0; page < 64; page++)
                EQUAL(words_of(region)[page * WORDS], page);
        close_all(region, buffer, memory);
}

static long resident(void) {
        char text[128];
        long all, here;
        int fd = open("/proc/self/statm", O_RDONLY);
        ssize_t n = read(fd, text, sizeof text - 1);

        close(fd);
        text[n > 0 ? n : 0] = 0;
        return sscanf(text, "%ld %ld", &all, &here) == 2 ? here : 0;
}

/* A smaller limit holds for what stores read into, too. */
static void much_smaller(void) {
        struct nodeos_buffer *buffer = new_buffer(16384);
        struct memory *memory = memory_store(32768, WRITE_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        long before = resident();
        uint64_t sum = 0;

        options.window_pages = 1024;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        for (uint64_t page = 0; page < 32768; page++)
                sum += words_of(region)[page * WORDS];
        EQUAL(nodeos_buffer_resize(buffer, 64 * PAGE), 0);
        for (uint64_t i = 0; i < 32768; i++)
                sum += words_of(region)[i * 4099 % 32768 * WORDS];
        /* The lists of a large buffer stay. */
        CHECK(resident() - before <= 64 + 500);
        close_all(region, buffer, memory);
}

/* A page has to have room. */
static void smaller_than_pages(void) {
        struct nodeos_buffer *buffer = new_buffer(16384);
        struct memory *memory = memory_store(16384, WRITE_SAFE);
        struct nodeos_region *region = map_sized(buffer, memory, 512 * PAGE, 0);

        EQUAL(words_of(region)[0], value_of(0, 0));
        EQUAL(nodeos_buffer_resize(buffer, 64 * PAGE), -EINVAL);
        EQUAL(nodeos_buffer_resize(buffer, 8192 * PAGE), 0);
        for (uint64_t page = 0; page < 16384; page += 300)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        close_all(region, buffer, memory);
}

/* What a write left half done is written again, also when the page is again as it came. */
static void reverted_after_a_failure(void) {
        struct nodeos_buffer *buffer = new_buffer(128);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct nodeos_region *region = map_sized(buffer, memory, PAGE, 0);

        for (uint64_t i = 0; i < 512; i++)
                words_of(region)[i * 149 % 512 * WORDS + 7]++;
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        for (uint64_t i = 0; i < 40; i++)
                words_of(region)[i * 149 % 512 * WORDS + 7]++;
        for (uint64_t i = 0; i < 40; i++)
                memory->write_error[i * 149 % 512] = ENOSPC;
        EQUAL(nodeos_region_flush(region, 0, 0), -ENOSPC);
        for (uint64_t i = 0; i < 40; i++) {
                memory->words[i * 149 % 512 * WORDS + 7] = 77;
                memory->write_error[i * 149 % 512] = 0;
                words_of(region)[i * 149 % 512 * WORDS + 7]--;
        }
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        for (uint64_t page = 0; page < 512; page++)
                EQUAL(memory->words[page * WORDS + 7], value_of(page, 7) + 1);
        close_all(region, buffer, memory);
}

/* Without a thread to evict nothing is mapped, and nothing is left behind. */
static void without_threads(void) {
        struct nodeos_buffer *buffer = new_buffer(128);
        struct memory *memory = memory_store(512, NODEOS_STORE_WRITE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;

        options.mode = 2;
        for (int count = 1; count < 4; count++) {
                failing_threads = 1;
                EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), -EAGAIN);
                CHECK(memory->is_closed);
        }
        failing_threads = 0;
        memory->is_closed = false;
        EQUAL(nodeos_region_map(buffer, &memory->base, &options, &region), 0);
        for (uint64_t page = 0; page < 512; page++)
                words_of(region)[page * WORDS] = 1;
        close_all(region, buffer, memory);
}

int main(int count, char **args) {
        static const struct probe probes[] = {
                { "protected_within_a_page", protected_within_a_page },
                { "dropped_when_dirty", dropped_when_dirty },
                { "dropped_and_failing", dropped_and_failing },
                { "unreadable_when_dirty", unreadable_when_dirty },
                { "unmapped_within_a_page", unmapped_within_a_page },
                { "unmapped_at_once", unmapped_at_once },
                { "evicted_while_unmapped", evicted_while_unmapped },
                { "no_such_entry", no_such_entry },
                { "dropped_within_a_page", dropped_within_a_page },
                { "buffer_of_the_parent", buffer_of_the_parent },
                { "much_smaller", much_smaller },
                { "smaller_than_pages", smaller_than_pages },
                { "reverted_after_a_failure", reverted_after_a_failure },
                { "without_threads", without_threads },
                { NULL, NULL },
        };

        return run_probe(probes, count, args);
}
