/* What any program may do with large mappings, static data and blocks, and never fails on small pages. Prints "fine", or the first
 * line that is not so. "threads": with a second thread. Other words: see main. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) \
        do { \
                if (!(condition)) { \
                        printf("line %d: %s (%s)\n", __LINE__, #condition, strerror(errno)); \
                        exit(1); \
                } \
        } while (0)

enum { PAGE = 4096 };
#define MIB ((size_t) 1 << 20)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static char zeros[9 << 20];
static int filled[3 << 18] = { 1, 2, 3, [3 << 17] = 4 };
static int *within = &filled[3 << 17];

static char mark(size_t at) {
        return (char) ((at >> 12) | 1);
}

/* Zeroed, with a mark in each small page. */
static char *map(size_t bytes) {
        char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, PRIVATE, -1, 0);

        CHECK(at != MAP_FAILED);
        for (size_t i = 0; i < bytes; i += PAGE) {
                CHECK(at[i] == 0);
                at[i] = mark(i);
        }
        return at;
}

static void check(const char *at, size_t from, size_t to) {
        for (size_t i = from; i < to; i += PAGE)
                CHECK(at[i] == mark(i));
}

static int dies(volatile char *at) {
        pid_t child = fork();
        int status;

        if (child == 0) {
                *at = 1;
                _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        return WIFSIGNALED(status);
}

static void check_unmapping(void) {
        char *at = map(8 * MIB + 3 * PAGE);

        CHECK(munmap(at + MIB, MIB + PAGE) == 0);
        check(at, 0, MIB);
        check(at, 2 * MIB + PAGE, 8 * MIB);
        /* What is gone already may go again. */
        CHECK(munmap(at, 2 * MIB) == 0 && munmap(at + 5 * MIB, 3 * MIB + 3 * PAGE) == 0 && dies(at + 6 * MIB));
        check(at, 2 * MIB + PAGE, 5 * MIB);
        CHECK(munmap(at + 2 * MIB + PAGE, 3 * MIB - PAGE) == 0 && dies(at + 4 * MIB));
        at = map(4 * MIB);
        CHECK(munmap(at + 1, PAGE) < 0 && errno == EINVAL && munmap(at, 0) < 0 && errno == EINVAL);
        CHECK(munmap(at, 4 * MIB) == 0);
}

static void check_protecting(void) {
        char *at = map(6 * MIB);

        CHECK(mprotect(at, 6 * MIB, PROT_READ) == 0 && dies(at + 3 * MIB) && mprotect(at, 6 * MIB, PROT_READ | PROT_WRITE) == 0);
        /* A small page in the middle, and a part that ends within huge ones. */
        CHECK(mprotect(at + PAGE, PAGE, PROT_NONE) == 0 && dies(at + PAGE) && !dies(at) && !dies(at + 2 * PAGE));
        check(at, 0, PAGE);
        check(at, 2 * PAGE, 6 * MIB);
        CHECK(mprotect(at + MIB, 3 * MIB + PAGE, PROT_READ) == 0 && dies(at + 2 * MIB) && dies(at + 4 * MIB) && !dies(at + 4 * MIB + PAGE));
        check(at, MIB, 6 * MIB);
        CHECK(mprotect(at, 6 * MIB, PROT_READ | PROT_WRITE) == 0);
        check(at, 0, 6 * MIB);
        at[0] = at[PAGE] = at[3 * MIB] = 1;
        CHECK(munmap(at, 6 * MIB) == 0);
        /* Addresses first, memory then. */
        at = mmap(NULL, 64 * MIB, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0);
        CHECK(at != MAP_FAILED && mprotect(at + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
        at[PAGE] = 1;
        CHECK(mmap(at + 8 * PAGE, 4 * MIB, PROT_READ | PROT_WRITE, PRIVATE | MAP_FIXED, -1, 0) == at + 8 * PAGE);
        at[2 * MIB] = 1;
        CHECK(munmap(at, 64 * MIB) == 0);
}

static void check_advising(void) {
        char *at = map(4 * MIB);

        CHECK(madvise(at + PAGE, 3 * MIB, MADV_DONTNEED) == 0 && at[PAGE] == 0 && at[3 * MIB] == 0);
        check(at, 0, PAGE);
        check(at, 3 * MIB + PAGE, 4 * MIB);
        CHECK(madvise(at, PAGE, MADV_FREE) == 0 && madvise(at + PAGE, PAGE, MADV_DONTFORK) == 0 && dies(at + PAGE) && !dies(at));
        check(at, 3 * MIB + PAGE, 4 * MIB);
        CHECK(mprotect(at + 2 * MIB, 2 * MIB, PROT_READ) == 0 && madvise(at + 3 * MIB + PAGE, PAGE, MADV_DONTNEED) == 0);
        CHECK(at[3 * MIB + PAGE] == 0 && dies(at + 3 * MIB));
        check(at, 3 * MIB + 2 * PAGE, 4 * MIB);
        CHECK(posix_madvise(at, MIB, POSIX_MADV_WILLNEED) == 0 && munmap(at, 4 * MIB) == 0);
}

static void check_mapping_over(void) {
        char *at = map(4 * MIB);

        CHECK(mmap(at + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, PRIVATE | MAP_FIXED, -1, 0) == at + 2 * PAGE);
        CHECK(at[2 * PAGE] == 0 && at[3 * PAGE] == 0);
        check(at, 0, 2 * PAGE);
        check(at, 4 * PAGE, 4 * MIB);
        CHECK(munmap(at, 4 * MIB) == 0);
        /* The ends of what is larger than needed, as who wants an alignment does. */
        at = map(9 * MIB);
        CHECK(munmap(at, MIB) == 0 && munmap(at + 5 * MIB, 4 * MIB) == 0);
        check(at, MIB, 5 * MIB);
        CHECK(mmap(at, MIB, PROT_READ, PRIVATE | MAP_FIXED, -1, 0) == at && at[0] == 0 && dies(at));
        check(at, MIB, 5 * MIB);
        CHECK(munmap(at, 9 * MIB) == 0);
}

static void check_remapping(void) {
        char *at = map(3 * MIB), *other;

        CHECK((at = mremap(at, 3 * MIB, 9 * MIB, MREMAP_MAYMOVE)) != MAP_FAILED && at[3 * MIB] == 0 && at[9 * MIB - 1] == 0);
        check(at, 0, 3 * MIB);
        CHECK(mremap(at, 9 * MIB, 3 * MIB + PAGE, 0) == at);
        at[3 * MIB] = 5;
        CHECK(mremap(at, 3 * MIB + PAGE, 3 * MIB, 0) == at);
        CHECK((at = mremap(at, 3 * MIB, 3 * MIB + PAGE, MREMAP_MAYMOVE)) != MAP_FAILED && at[3 * MIB] == 0);
        other = map(2 * MIB);
        CHECK(mremap(at, 3 * MIB + PAGE, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
        check(other, 0, 2 * MIB);
        CHECK(dies(at) && munmap(other, 2 * MIB) == 0);
        at = map(2 * MIB + 1);
        CHECK((at = mremap(at, 2 * MIB + 1, 3 * MIB, MREMAP_MAYMOVE)) != MAP_FAILED && at[2 * MIB + PAGE] == 0);
        check(at, 0, 2 * MIB + 1);
        CHECK(munmap(at, 3 * MIB) == 0);
}

/* Small mappings, and what is not private, are as ever; a child has its own copy of what is. */
static void check_sharing(void) {
        char *at = map(3 * MIB), *common = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t child = fork();
        int status;

        if (child == 0) {
                memset(at, 7, 3 * MIB);
                memset(zeros, 7, sizeof(zeros));
                strcpy(common, "child");
                _exit(munmap(at, 3 * MIB));
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0 && !strcmp(common, "child") && zeros[0] == 0 && zeros[5 * MIB] == 0);
        check(at, 0, 3 * MIB);
        CHECK(munmap(at, 3 * MIB) == 0 && munmap(common, 4 * MIB) == 0);
        CHECK(mmap(NULL, SIZE_MAX / 2, PROT_READ | PROT_WRITE, PRIVATE, -1, 0) == MAP_FAILED && errno == ENOMEM);
        CHECK(mmap(NULL, 0, PROT_READ | PROT_WRITE, PRIVATE, -1, 0) == MAP_FAILED && errno == EINVAL);
}

static void check_static(void) {
        CHECK(filled[0] == 1 && filled[2] == 3 && *within == 4 && within == filled + (3 << 17) && zeros[7 * MIB] == 0);
        memset(zeros, 1, sizeof(zeros));
        filled[3 << 16] = 9;
        CHECK(zeros[sizeof(zeros) - 1] == 1 && *within == 4);
        memset(zeros, 0, sizeof(zeros));
}

static void check_family(void) {
        void *block = NULL;
        volatile size_t most = SIZE_MAX;

        CHECK(posix_memalign(&block, 3, 1) == EINVAL && posix_memalign(&block, 1 << 16, 10) == 0 && (uintptr_t) block % (1 << 16) == 0);
        free(block);
        CHECK((block = valloc(10)) && (uintptr_t) block % PAGE == 0);
        free(block);
        CHECK((block = pvalloc(PAGE + 1)) && malloc_usable_size(block) >= 2 * PAGE);
        free(block);
        CHECK((block = aligned_alloc(64, 640)) && (uintptr_t) block % 64 == 0);
        errno = 0;
        free(block);
        CHECK(errno == 0 && !malloc(most) && errno == ENOMEM && !calloc(most, 2) && !reallocarray(NULL, most, 2) && !realloc(NULL, most));
        CHECK((block = calloc(3, 20 * MIB)) && ((char *) block)[60 * MIB - 1] == 0 && (block = realloc(block, 90 * MIB)));
        free(block);
        CHECK(malloc_usable_size(NULL) == 0 && (block = realloc(NULL, 10)) && realloc(block, 0) == NULL);
        malloc_trim(0);
}

static void step(size_t count) {
        char *blocks[40];

        for (size_t i = 0; i < count; i++) {
                CHECK((blocks[i] = malloc(3 * MIB)));
                memset(blocks[i], 1, 3 * MIB);
        }
        for (size_t i = 0; i < count; i++)
                free(blocks[i]);
}

/* The pages for which a loop faults once it runs. */
static void check_steps(void) {
        struct rusage before, after;

        for (int i = 0; i < 5; i++)
                step(40);
        getrusage(RUSAGE_SELF, &before);
        for (int i = 0; i < 5; i++)
                step(40);
        getrusage(RUSAGE_SELF, &after);
        printf("%ld faults\n", after.ru_minflt - before.ru_minflt);
}

/* As many mappings, or blocks, as there are. */
static void exhaust(void) {
        size_t mapped = 0, taken = 0;
        void *blocks[4096];

        while (mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, PRIVATE, -1, 0) != MAP_FAILED && mapped < 100)
                mapped++;
        CHECK(errno == ENOMEM);
        while (taken < 4096 && (blocks[taken] = malloc(64 << 10)))
                memset(blocks[taken++], 1, 64 << 10);
        CHECK(errno == ENOMEM);
        while (taken > 0)
                free(blocks[--taken]);
        CHECK((blocks[0] = malloc(64 << 10)));
        printf("%zu mappings\n", mapped);
}

static void *wait_forever(void *unused) {
        (void) unused;
        return pause(), NULL;
}

int main(int argc, char **argv) {
        const char *how = argc > 1 ? argv[1] : "";
        pthread_t thread;

        if (!strcmp(how, "exhaust"))
                return exhaust(), 0;
        if (!strcmp(how, "steps"))
                return check_steps(), 0;
        if (!strcmp(how, "twice")) {
                static const struct rlimit none = { 0, 0 };
                void *volatile block = malloc(100);

                setrlimit(RLIMIT_CORE, &none);
                free(block);
                free(block);
        }
        if (!strcmp(how, "threads"))
                CHECK(pthread_create(&thread, NULL, wait_forever, NULL) == 0);
        check_static();
        check_unmapping();
        check_protecting();
        check_advising();
        check_mapping_over();
        check_remapping();
        check_sharing();
        check_family();
        puts("fine");
        return 0;
}
