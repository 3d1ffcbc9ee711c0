/* What nodeos_memory.h says, looked at from outside. runtime_memory_client DIRECTORY: an empty one for objects. Prints "fine", or
 * the first line that is not so; with a second argument it makes that mistake, which ends it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nodeos_memory.h"

#define CHECK(condition) \
        do { \
                if (!(condition)) { \
                        printf("line %d: %s (%s)\n", __LINE__, #condition, strerror(errno)); \
                        exit(1); \
                } \
        } while (0)
#define FAILS(call, number) CHECK((errno = 0, (call)) && errno == (number))

#define PAGE ((size_t) 4096)
#define MIB ((size_t) 1 << 20)

static const char *directory;

static void write_object(const char *name, size_t bytes) {
        char path[256];
        FILE *file;

        snprintf(path, sizeof(path), "%s/4KiB-node0/%s", directory, name);
        file = fopen(path, "a");
        CHECK(file && ftruncate(fileno(file), (off_t) bytes) == 0 && fclose(file) == 0);
}

static void check_objects(void) {
        size_t bytes = 1, more;
        char *halo, *again, *wall;

        unsetenv("NODEOS_MEMORY");
        FAILS(!nodeos_map("halo", &bytes), ENOENT);
        setenv("NODEOS_MEMORY", "/nonexistent", 1);
        FAILS(!nodeos_map("halo", &bytes), ENOENT);
        setenv("NODEOS_MEMORY", directory, 1);
        FAILS(!nodeos_map("halo", &bytes), ENOENT);
        FAILS(!nodeos_map("", &bytes), EINVAL);
        FAILS(!nodeos_map("../halo", &bytes), EINVAL);
        FAILS(!nodeos_map("..", &bytes), EINVAL);
        FAILS(nodeos_object_page("halo") == 0, ENOENT);
        CHECK(bytes == 1);

        write_object("halo", 4 * PAGE);
        halo = nodeos_map("halo", &bytes);
        CHECK(halo && bytes == 4 * PAGE && nodeos_object_page("halo") == PAGE);
        strcpy(halo, "hello");
        again = nodeos_map_readonly("halo", &more);
        CHECK(again && again != halo && more == bytes && !strcmp(again, "hello"));
        strcpy(halo, "there");
        CHECK(!strcmp(again, "there") && nodeos_unmap(again, more) == 0);
        FAILS(nodeos_unmap(halo + 1, PAGE) < 0, EINVAL);

        /* It grows and shrinks, in place if nothing is in the way. */
        write_object("halo", 8 * PAGE);
        CHECK((halo = nodeos_remap("halo", halo, &bytes)) && bytes == 8 * PAGE && !strcmp(halo, "there") && halo[8 * PAGE - 1] == 0);
        halo[7 * PAGE] = 7;
        wall = mmap(halo + 8 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        write_object("halo", 9 * PAGE);
        again = nodeos_remap("halo", halo, &bytes);
        CHECK(again && again != halo && bytes == 9 * PAGE && again[7 * PAGE] == 7 && !strcmp(again, "there"));
        if (wall != MAP_FAILED)
                munmap(wall, PAGE);
        write_object("halo", 2 * PAGE);
        CHECK(nodeos_remap("halo", again, &bytes) == again && bytes == 2 * PAGE && !strcmp(again, "there"));
        FAILS(!nodeos_remap("other", again, &bytes), ENOENT);
        CHECK(bytes == 2 * PAGE && nodeos_unmap(again, bytes) == 0);
}

static void check_heap(void) {
        size_t pages[2] = { 0 };
        char *address = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int nodes[] = { 0 };

        unsetenv("NODEOS_HUGE_PAGES");
        CHECK(nodeos_huge_pages(pages, 2) == 0);
        FAILS(!nodeos_heap(MIB, 0, 1), ENOENT);
        setenv("NODEOS_HUGE_PAGES", "2097152,1073741824", 1);
        CHECK(nodeos_huge_pages(pages, 1) == 2 && pages[0] == 2 * MIB && pages[1] == 0);
        CHECK(nodeos_huge_pages(pages, 2) == 2 && pages[1] == 1024 * MIB);
        FAILS(!nodeos_heap(0, 0, 1), EINVAL);
        FAILS(!nodeos_heap(MIB, 3 * MIB, 1), EINVAL);
        FAILS(!nodeos_heap((size_t) 1 << 46, 0, 0), ENOMEM);
        FAILS(!nodeos_heap(SIZE_MAX, 0, 0), ENOMEM);

        CHECK(nodeos_populate(address, 16 * PAGE) == 0);
        FAILS(nodeos_populate(address + 1, PAGE) < 0, EINVAL);
        if (nodeos_bind(address, 16 * PAGE, 0) == 0) {
                CHECK(nodeos_interleave(address, 16 * PAGE, nodes, 1) == 0);
                FAILS(nodeos_bind(address, 16 * PAGE, 900) < 0, EINVAL);
                FAILS(nodeos_bind(address + 1, PAGE, 0) < 0, EINVAL);
        } else {
                /* A kernel without NUMA. */
                CHECK(errno == ENOSYS || errno == EPERM);
        }
        FAILS(nodeos_bind(address, PAGE, -1) < 0, EINVAL);
        FAILS(nodeos_bind(address, PAGE, 4096) < 0, EINVAL);
        CHECK(nodeos_unmap(address, 16 * PAGE) == 0);
}

static struct nodeos_arena *arena_on(size_t bytes, int flags) {
        void *range = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
        struct nodeos_arena *arena = nodeos_arena_new(range, bytes);

        CHECK(range != MAP_FAILED && arena);
        return arena;
}

static size_t free_in(struct nodeos_arena *arena) {
        struct nodeos_arena_stats stats;

        nodeos_arena_stats(arena, &stats);
        return stats.free_bytes;
}

static void check_blocks(void) {
        static char small[4096];
        struct nodeos_arena *arena = arena_on(8 * MIB, MAP_PRIVATE);
        struct nodeos_arena_stats stats;
        size_t before;
        char *block, *other;

        FAILS(!nodeos_arena_new(NULL, MIB), EINVAL);
        FAILS(!nodeos_arena_new(small, sizeof(small)), EINVAL);
        nodeos_arena_free(arena, NULL);
        CHECK(nodeos_arena_usable_size(arena, NULL) == 0);
        block = nodeos_arena_malloc(arena, 0);
        other = nodeos_arena_malloc(arena, 0);
        CHECK(block && other && block != other && nodeos_arena_usable_size(arena, block) >= 24);
        nodeos_arena_free(arena, block);
        nodeos_arena_free(arena, other);
        nodeos_arena_flush(arena);
        before = free_in(arena);
        FAILS(!nodeos_arena_malloc(arena, 9 * MIB), ENOMEM);
        FAILS(!nodeos_arena_malloc(arena, SIZE_MAX), ENOMEM);
        FAILS(!nodeos_arena_malloc(arena, PTRDIFF_MAX), ENOMEM);
        FAILS(!nodeos_arena_calloc(arena, SIZE_MAX / 2, 4), ENOMEM);
        FAILS(!nodeos_arena_aligned(arena, 3, 16), EINVAL);
        FAILS(!nodeos_arena_aligned(arena, 0, 16), EINVAL);
        FAILS(!nodeos_arena_aligned(arena, (size_t) 1 << 62, 16), ENOMEM);
        FAILS(!nodeos_arena_aligned(arena, 64, SIZE_MAX - 32), ENOMEM);
        for (size_t alignment = 1; alignment <= MIB; alignment *= 2) {
                block = nodeos_arena_aligned(arena, alignment, 100);
                CHECK(block && (uintptr_t) block % alignment == 0 && nodeos_arena_usable_size(arena, block) >= 100);
                nodeos_arena_free(arena, block);
        }
        /* All of it in one block, and in the smallest. */
        nodeos_arena_flush(arena);
        nodeos_arena_stats(arena, &stats);
        CHECK(stats.cached_bytes == 0 && stats.range_bytes == 8 * MIB && stats.used_bytes + stats.free_bytes == stats.range_bytes);
        block = nodeos_arena_malloc(arena, stats.largest_bytes);
        CHECK(block && free_in(arena) + stats.largest_bytes < before);
        FAILS(!nodeos_arena_malloc(arena, MIB), ENOMEM);
        FAILS(!nodeos_arena_realloc(arena, block, 9 * MIB), ENOMEM);
        CHECK(nodeos_arena_realloc(arena, block, MIB) == block && nodeos_arena_realloc(arena, block, 3 * MIB) == block);
        nodeos_arena_free(arena, block);
        for (other = NULL; (block = nodeos_arena_malloc(arena, 16)); other = block)
                *(char **) block = other;
        CHECK(errno == ENOMEM && (nodeos_arena_flush(arena), free_in(arena) < PAGE));
        for (; other; other = block) {
                block = *(char **) other;
                nodeos_arena_free(arena, other);
        }
        nodeos_arena_flush(arena);
        CHECK(free_in(arena) == before);
        nodeos_arena_destroy(arena);
}

static void *use(void *arena) {
        void *blocks[200];

        for (int i = 0; i < 200; i++)
                blocks[i] = nodeos_arena_malloc(arena, (size_t) i * 40);
        for (int i = 0; i < 200; i++)
                nodeos_arena_free(arena, blocks[i]);
        return NULL;
}

/* Its cache goes back when a thread ends; what arenas are gone by then does not matter. */
static void check_threads(void) {
        struct nodeos_arena *arenas[6];
        size_t before;
        pthread_t thread;

        for (int i = 0; i < 6; i++)
                arenas[i] = arena_on(8 * MIB, MAP_PRIVATE);
        before = free_in(arenas[0]);
        for (int round = 0; round < 3; round++) {
                CHECK(pthread_create(&thread, NULL, use, arenas[0]) == 0 && pthread_join(thread, NULL) == 0);
                CHECK(free_in(arenas[0]) == before);
        }
        /* More arenas than a thread has caches. */
        for (int i = 0; i < 18; i++)
                use(arenas[i % 6]);
        for (int i = 0; i < 6; i++)
                nodeos_arena_destroy(arenas[i]);
        for (int i = 0; i < 70; i++) {
                struct nodeos_arena *arena = arena_on(MIB, MAP_PRIVATE);

                use(arena);
                nodeos_arena_destroy(arena);
                munmap(arena, MIB);
        }
}

static void check_many(void) {
        struct nodeos_arena *arenas[64];
        void *range = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (int i = 0; i < 64; i++)
                arenas[i] = arena_on(MIB, MAP_PRIVATE);
        FAILS(!nodeos_arena_new(range, MIB), ENFILE);
        for (int i = 0; i < 64; i++)
                nodeos_arena_destroy(arenas[i]);
}

static void wait_for(pid_t child) {
        int status;

        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Private memory is copied; shared memory stays the parent's. */
static void check_fork(void) {
        struct nodeos_arena *ours = arena_on(8 * MIB, MAP_PRIVATE), *shared = arena_on(8 * MIB, MAP_SHARED);
        char *mine = nodeos_arena_malloc(ours, 100), *common = nodeos_arena_malloc(shared, 100);
        struct nodeos_arena_stats stats;
        size_t before;
        pid_t child;

        strcpy(mine, "mine");
        strcpy(common, "common");
        before = free_in(shared);
        child = fork();
        if (child == 0) {
                strcpy(mine, "child's");
                nodeos_arena_free(ours, mine);
                for (int i = 0; i < 1000; i++)
                        CHECK(nodeos_arena_malloc(ours, 100));
                strcpy(common, "seen");
                FAILS(!nodeos_arena_malloc(shared, 100), EPERM);
                FAILS(!nodeos_arena_calloc(shared, 1, 100), EPERM);
                FAILS(!nodeos_arena_realloc(shared, common, 1000), EPERM);
                FAILS(!nodeos_arena_aligned(shared, 64, 100), EPERM);
                nodeos_arena_free(shared, common);
                nodeos_arena_flush(shared);
                nodeos_arena_stats(shared, &stats);
                CHECK(stats.range_bytes == 0);
                _exit(0);
        }
        wait_for(child);
        CHECK(!strcmp(mine, "mine") && !strcmp(common, "seen") && free_in(shared) == before);
        nodeos_arena_free(shared, common);
        nodeos_arena_free(ours, mine);
        nodeos_arena_destroy(shared);
        nodeos_arena_destroy(ours);
}

/* Each of these is a fault of the program, and has to end it. */
static void err(const char *how) {
        static const struct rlimit none = { 0, 0 };
        struct nodeos_arena *arena = arena_on(8 * MIB, MAP_PRIVATE);
        char *block = nodeos_arena_malloc(arena, 100), *large = nodeos_arena_malloc(arena, MIB), *next = nodeos_arena_malloc(arena, 100);

        setrlimit(RLIMIT_CORE, &none);
        if (!strcmp(how, "twice")) {
                nodeos_arena_free(arena, block);
                nodeos_arena_free(arena, block);
        } else if (!strcmp(how, "twice-large")) {
                nodeos_arena_free(arena, large);
                nodeos_arena_free(arena, large);
        } else if (!strcmp(how, "twice-flushed")) {
                nodeos_arena_free(arena, block);
                nodeos_arena_flush(arena);
                nodeos_arena_free(arena, block);
        } else if (!strcmp(how, "inside")) {
                nodeos_arena_free(arena, block + 16);
        } else if (!strcmp(how, "askew")) {
                nodeos_arena_free(arena, block + 1);
        } else if (!strcmp(how, "foreign")) {
                nodeos_arena_free(arena, &how);
        } else if (!strcmp(how, "unmapped")) {
                nodeos_arena_free(arena, (void *) 16);
        } else if (!strcmp(how, "freed-realloc")) {
                nodeos_arena_free(arena, block);
                nodeos_arena_realloc(arena, block, 1000);
        } else if (!strcmp(how, "overflow")) {
                memset(large, 'x', nodeos_arena_usable_size(arena, large) + 8);
                nodeos_arena_free(arena, large + nodeos_arena_usable_size(arena, large) + 8);
        }
        printf("still there, %p\n", (void *) next);
}

int main(int argc, char **argv) {
        directory = argv[1];
        if (argc > 2) {
                err(argv[2]);
                return 0;
        }
        check_objects();
        check_heap();
        check_blocks();
        check_threads();
        check_many();
        check_fork();
        puts("fine");
        return 0;
}
