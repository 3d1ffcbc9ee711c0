/* What every store has to do. Usage: store_conformance KIND EMPTY-DIRECTORY random|threads|few-descriptors|ends|again|killed|signal */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store_kinds.h"

static const struct kind *kind;
static const char *directory;
static struct nodeos_store *store;
static unsigned char *model; /* what the store has to show */

static unsigned descriptors(void) {
        DIR *listing = opendir("/proc/self/fd");
        unsigned count = 0;

        CHECK(listing);
        while (readdir(listing))
                count++;
        closedir(listing);
        return count;
}

static void begin(bool again) {
        int error = kind->open(directory, again, &store);

        CHECK(error == 0, "%s", strerror(-error));
        CHECK(store->block_bytes > 0 && store->block_bytes <= PAGE && !(store->block_bytes & (store->block_bytes - 1)));
        CHECK(!store->calls->write == !(store->flags & NODEOS_STORE_WRITE));
        CHECK(!store->calls->write == !!kind->shows);
        CHECK(kind->shows || store->bytes == BYTES);
        if (model)
                return;
        model = calloc(1, store->bytes);
        if (kind->shows)
                memcpy(model, kind->shows(), store->bytes);
}

static void end(void) {
        nodeos_store_close(store);
        if (strcmp(kind->name, "served") == 0)
                pthread_join(server_thread, NULL);
}

static void sync_all(void) {
        if (store->calls->sync)
                CHECK(store->calls->sync(store, store->bytes, 0) == 0);
}

/* NaN of another machine word is NaN all the same. */
static bool is_same(const unsigned char *a, const unsigned char *b, uint64_t bytes) {
        if (memcmp(a, b, bytes) == 0)
                return true;
        for (uint64_t i = 0; kind->shows && i < bytes; i += sizeof(float)) {
                float left, right;

                memcpy(&left, a + i, sizeof(left));
                memcpy(&right, b + i, sizeof(right));
                if (memcmp(&left, &right, sizeof(left)) != 0 && (left == left || right == right))
                        return false;
        }
        return kind->shows;
}

/* A range that begins and ends where it may, now and then at the store's ends. */
static void choose(uint64_t *random, uint64_t most, uint64_t *offset, uint64_t *bytes) {
        uint64_t block = next_random(random) % 2 ? PAGE : store->block_bytes;

        *offset = next_random(random) % 16 == 0 ? 0 : next_random(random) % store->bytes / block * block;
        *bytes = next_random(random) % most / block * block;
        if (next_random(random) % 16 == 0 || *bytes > store->bytes - *offset)
                *bytes = store->bytes - *offset < most ? store->bytes - *offset : most / PAGE * PAGE;
}

/* Reads and writes a range; memory has any alignment. What is written compresses now well, now badly. */
static void use(uint64_t *random, unsigned char *memory, uint64_t offset, uint64_t bytes) {
        unsigned char *at = memory + (next_random(random) % 2 ? 0 : next_random(random) % PAGE);
        unsigned hard = next_random(random) % 3;
        int error;

        if (store->calls->write && next_random(random) % 2) {
                for (uint64_t i = 0; i < bytes; i++)
                        at[i] = hard == 0 ? 0 : hard == 1 ? (unsigned char) (i / 7) : (unsigned char) (next_random(random) >> 9);
                error = store->calls->write(store, at, bytes, offset);
                CHECK(error == 0, "%s, %lu bytes at %lu", strerror(-error), bytes, offset);
                memcpy(model + offset, at, bytes);
                return;
        }
        memset(at, 0xa5, bytes + 1);
        error = store->calls->read(store, at, bytes, offset);
        CHECK(error == 0, "%s, %lu bytes at %lu", strerror(-error), bytes, offset);
        CHECK(is_same(at, model + offset, bytes), "%lu bytes at %lu", bytes, offset);
        CHECK(at[bytes] == 0xa5, "%lu bytes at %lu", bytes, offset);
}

static void random_ranges(unsigned count) {
        uint64_t random = 12345, offset, bytes, most = 64 * PAGE;
        unsigned char *memory = aligned_alloc(PAGE, most + 2 * PAGE);

        for (unsigned i = 0; i < count; i++) {
                choose(&random, i % 8 ? 3 * PAGE : most, &offset, &bytes);
                use(&random, memory, offset, bytes);
                if (i % 1024 == 0)
                        sync_all();
        }
        free(memory);
}

enum { THREADS = 4 };

/* Pages are in turn those of one thread and another. */
static void *one_of(void *number) {
        uint64_t random = 777 + (uintptr_t) number;
        unsigned char *memory = aligned_alloc(PAGE, 3 * PAGE);

        for (unsigned i = 0; i < 1500; i++) {
                uint64_t offset = (next_random(&random) % ((store->bytes - 1) / PAGE / THREADS) * THREADS + (uintptr_t) number) * PAGE;
                uint64_t bytes = store->bytes - offset < PAGE ? store->bytes - offset : PAGE;

                use(&random, memory, offset, bytes);
                if (i % 256 == 0)
                        sync_all();
        }
        free(memory);
        return NULL;
}

static void threads(void) {
        pthread_t ids[THREADS];

        for (uintptr_t i = 0; i < THREADS; i++)
                CHECK(pthread_create(&ids[i], NULL, one_of, (void *) i) == 0);
        for (uintptr_t i = 0; i < THREADS; i++)
                pthread_join(ids[i], NULL);
        random_ranges(100);
}

/* Beyond the end, and between blocks. */
static void ends(void) {
        unsigned char memory[2 * PAGE];
        uint64_t bytes = store->bytes, block = store->block_bytes;
        const struct {
                uint64_t offset, bytes;
        } wrong[] = {
                { bytes, block }, { bytes + block, 0 }, { bytes / PAGE * PAGE, PAGE }, { 0, bytes + block }, { UINT64_MAX, 1 },
                { UINT64_MAX - PAGE + 1, PAGE }, { PAGE, UINT64_MAX }, { block / 2, block > 1 ? block : bytes + 1 },
                { 0, block > 1 ? 1 : bytes + 1 },
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                CHECK(store->calls->read(store, memory, wrong[i].bytes, wrong[i].offset) == -EINVAL, "%zu", i);
                CHECK(!store->calls->write || store->calls->write(store, memory, wrong[i].bytes, wrong[i].offset) == -EINVAL, "%zu", i);
        }
        CHECK(store->calls->read(store, memory, 0, 0) == 0);
        CHECK(store->calls->read(store, memory, bytes % PAGE, bytes / PAGE * PAGE) == 0);
        CHECK(store->plain_fd < 0 || lseek(store->plain_fd, 0, SEEK_END) >= (off_t) (store->plain_offset + bytes));
}

static unsigned file_syncs;

int fdatasync(int fd) {
        file_syncs++;
        return (int) syscall(SYS_fdatasync, fd);
}

static void again(void) {
        random_ranges(300);
        file_syncs = 0;
        sync_all();
        // What is killed does not show whether the medium has it.
        CHECK(file_syncs > 0 || strcmp(kind->name, "served") == 0);
        end();
        begin(true);
        random_ranges(300);
}

/* --- killed: pages are whole, and what was synced is there ----------------------------------------------------------------- */

#define PAGES (BYTES / PAGE)

struct versions {
        uint64_t synced[PAGES];
};

static void write_until_killed(struct versions *versions) {
        static uint64_t written[PAGES], memory[64 * PAGE / sizeof(uint64_t)];
        uint64_t random = (uint64_t) getpid() * 2654435761u;

        for (uint64_t i = 0;; i++) {
                uint64_t first = next_random(&random) % PAGES, count = next_random(&random) % 64 + 1;

                if (count > PAGES - first)
                        count = PAGES - first;
                for (uint64_t page = 0; page < count; page++) {
                        written[first + page] = versions->synced[first + page] > written[first + page] ?
                                versions->synced[first + page] + 1 : written[first + page] + 1;
                        for (uint64_t word = 0; word < PAGE / sizeof(uint64_t); word++)
                                memory[page * (PAGE / sizeof(uint64_t)) + word] = written[first + page];
                }
                if (store->calls->write(store, memory, count * PAGE, first * PAGE) < 0)
                        _exit(2);
                if (i % 50 != 0)
                        continue;
                if (store->calls->sync(store, store->bytes, 0) < 0)
                        _exit(3);
                for (uint64_t page = 0; page < PAGES; page++)
                        if (written[page] > versions->synced[page])
                                versions->synced[page] = written[page];
        }
}

static void look_at_pages(const struct versions *versions) {
        uint64_t memory[PAGE / sizeof(uint64_t)];

        for (uint64_t page = 0; page < PAGES; page++) {
                CHECK(store->calls->read(store, memory, PAGE, page * PAGE) == 0);
                for (uint64_t word = 1; word < PAGE / sizeof(uint64_t); word++)
                        CHECK(memory[word] == memory[0], "page %lu: %lu and %lu", page, memory[0], memory[word]);
                CHECK(memory[0] >= versions->synced[page], "page %lu: %lu before %lu", page, memory[0], versions->synced[page]);
        }
}

static void killed(unsigned rounds) {
        struct versions *versions = mmap(NULL, sizeof(*versions), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        end();
        for (unsigned round = 0; round < rounds; round++) {
                pid_t child = fork();
                int status;

                CHECK(child >= 0);
                if (child == 0) {
                        begin(true);
                        write_until_killed(versions);
                }
                nanosleep(&(struct timespec) { .tv_nsec = 20000000 + 7000000 * (round % 5) }, NULL);
                kill(child, SIGKILL);
                CHECK(waitpid(child, &status, 0) == child);
                CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%x", status);
                begin(true);
                look_at_pages(versions);
                // Pages may be newer than what was synced: the next writer goes on from there.
                for (uint64_t page = 0; page < PAGES; page++)
                        CHECK(store->calls->read(store, &versions->synced[page], sizeof(uint64_t), page * PAGE) == 0 ||
                              store->block_bytes > 8);
                end();
        }
        munmap(versions, sizeof(*versions));
        begin(true);
}

/* --- signal: what is flagged so may be called in a signal handler, on a stack of 8 KiB ------------------------------------- */

static volatile bool is_in_handler;
static volatile unsigned allocations;
static unsigned char *handler_memory;
static uint64_t handler_random = 4711;

#ifdef COUNT_ALLOCATIONS
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);

void *malloc(size_t bytes) {
        allocations += is_in_handler;
        return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
        allocations += is_in_handler;
        return __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) {
        allocations += is_in_handler;
        return __libc_realloc(old, bytes);
}
#endif

static void on_signal(int number) {
        uint64_t offset, bytes;

        (void) number;
        is_in_handler = true;
        choose(&handler_random, 16 * PAGE, &offset, &bytes);
        use(&handler_random, handler_memory, offset, bytes);
        if (next_random(&handler_random) % 256 == 0)
                sync_all();
        is_in_handler = false;
}

static void in_handler(void) {
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
        char *stack = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        stack_t alternate = { .ss_sp = stack + PAGE, .ss_size = 2 * PAGE }, none = { .ss_flags = SS_DISABLE };

        CHECK(store->flags & NODEOS_STORE_SIGNAL_SAFE);
        mprotect(stack, PAGE, PROT_NONE);
        handler_memory = aligned_alloc(PAGE, 20 * PAGE);
        CHECK(sigaltstack(&alternate, NULL) == 0);
        CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
        for (unsigned i = 0; i < 500; i++)
                raise(SIGUSR1);
        sigaltstack(&none, NULL);
        munmap(stack, 3 * PAGE);
        free(handler_memory);
        CHECK(allocations == 0, "%u", allocations);
}

int main(int argc, char **argv) {
        unsigned before;

        // Who waits for ever fails too.
        alarm(120);
        CHECK(argc == 4, "usage: store_conformance KIND EMPTY-DIRECTORY TEST");
        directory = argv[2];
        for (kind = kinds; kind->name && strcmp(kind->name, argv[1]) != 0; kind++)
                continue;
        CHECK(kind->name, "no such kind");
        if (strcmp(argv[3], "few-descriptors") == 0)
                CHECK(setrlimit(RLIMIT_NOFILE, &(struct rlimit) { 24, 24 }) == 0);
        // Libraries that are opened once, and the threads' own memory, are there before we count.
        begin(false);
        end();
        before = descriptors();
        begin(true);
        if (strcmp(argv[3], "random") == 0)
                random_ranges(1500);
        else if (strcmp(argv[3], "threads") == 0 || strcmp(argv[3], "few-descriptors") == 0)
                threads();
        else if (strcmp(argv[3], "ends") == 0)
                ends();
        else if (strcmp(argv[3], "again") == 0 && kind->survives)
                again();
        else if (strcmp(argv[3], "killed") == 0 && kind->has_whole_pages)
                killed(6);
        else if (strcmp(argv[3], "signal") == 0)
                in_handler();
        else
                CHECK(false, "no such test of this kind");
        end();
        CHECK(descriptors() == before, "%u, %u before", descriptors(), before);
        free(model);
        return 0;
}
