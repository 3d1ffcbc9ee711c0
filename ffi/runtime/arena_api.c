/* The allocator of nodeos_memory.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "arena.h"

#define PUBLIC __attribute__((visibility("default")))
#define RANGE_MIN ((size_t) 64 << 10)

/* Whether a line of /proc/self/maps is about shared memory of the range. */
static bool is_shared_line(const char *line, uintptr_t from, uintptr_t to) {
        char *at;
        uintptr_t start = strtoul(line, &at, 16), end = *at == '-' ? strtoul(at + 1, &at, 16) : 0;

        return start < to && end > from && strlen(at) >= 5 && at[4] == 's';
}

/* Whether other processes may have the range, children included. Where the kernel does not say, they may. */
static bool is_shared(uintptr_t from, uintptr_t to) {
        char text[4096], line[80];
        size_t used = 0;
        ssize_t n = -1;
        bool is_found = false;
        int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

        while (fd >= 0 && !is_found && ((n = read(fd, text, sizeof(text))) > 0 || (n < 0 && errno == EINTR)))
                for (ssize_t i = 0; i < n && !is_found; i++) {
                        /* The beginning of a line is enough. */
                        if (text[i] != '\n' && used < sizeof(line) - 1)
                                line[used++] = text[i];
                        if (text[i] == '\n') {
                                line[used] = 0;
                                is_found = is_shared_line(line, from, to);
                                used = 0;
                        }
                }
        if (fd >= 0)
                close(fd);
        return is_found || n < 0;
}

PUBLIC struct nodeos_arena *nodeos_arena_new(void *address, size_t bytes) {
        uintptr_t from = align_up((uintptr_t) address, 64), to = (uintptr_t) address + bytes;
        struct nodeos_arena *arena = (struct nodeos_arena *) from;

        if (!address || to < from || to - from < RANGE_MIN) {
                errno = EINVAL;
                return NULL;
        }
        memset(arena, 0, sizeof(*arena));
        if (getrandom(&arena->cookie, sizeof(arena->cookie), GRND_NONBLOCK) < 0)
                arena->cookie = (uint32_t) (from >> 12) ^ (uint32_t) getpid() << 8;
        arena->is_shared = is_shared(from, to);
        pthread_mutex_init(&arena->lock, NULL);
        arena_make(arena, to - from, to - from);
        return arena_register(arena) < 0 ? NULL : arena;
}

PUBLIC void nodeos_arena_destroy(struct nodeos_arena *arena) {
        if (arena)
                arena_forget(arena);
}

PUBLIC void *nodeos_arena_malloc(struct nodeos_arena *arena, size_t bytes) {
        struct cache *cache = cache_of(arena);
        void *pointer = LIKELY(cache) ? cache_take(cache, bytes) : NULL;

        return LIKELY(pointer) ? pointer : arena_malloc_slowly(arena, bytes);
}

PUBLIC void *nodeos_arena_calloc(struct nodeos_arena *arena, size_t count, size_t bytes) {
        void *pointer;

        if (__builtin_mul_overflow(count, bytes, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        pointer = nodeos_arena_malloc(arena, bytes);
        return pointer ? memset(pointer, 0, bytes) : NULL;
}

PUBLIC void nodeos_arena_free(struct nodeos_arena *arena, void *block) {
        struct cache *cache;

        if (!block)
                return;
        cache = cache_of(arena);
        if (UNLIKELY(!cache) || UNLIKELY(!is_within(arena, block)) || UNLIKELY(!cache_give(cache, block)))
                arena_free_slowly(arena, block);
}

PUBLIC void *nodeos_arena_realloc(struct nodeos_arena *arena, void *block, size_t bytes) {
        size_t old;
        void *new;

        if (!block)
                return nodeos_arena_malloc(arena, bytes);
        if (!arena_is_ours(arena)) {
                errno = EPERM;
                return NULL;
        }
        if (arena_resize_user(arena, block, bytes))
                return block;
        old = arena_usable(arena, block);
        new = nodeos_arena_malloc(arena, bytes);
        if (!new)
                return NULL;
        memcpy(new, block, old < bytes ? old : bytes);
        nodeos_arena_free(arena, block);
        return new;
}

PUBLIC void *nodeos_arena_aligned(struct nodeos_arena *arena, size_t alignment, size_t bytes) {
        if (alignment == 0 || alignment & (alignment - 1)) {
                errno = EINVAL;
                return NULL;
        }
        return alignment <= 16 ? nodeos_arena_malloc(arena, bytes) : arena_aligned(arena, alignment, bytes);
}

PUBLIC size_t nodeos_arena_usable_size(struct nodeos_arena *arena, const void *block) {
        return block ? arena_usable(arena, block) : 0;
}

PUBLIC void nodeos_arena_flush(struct nodeos_arena *arena) {
        arena_flush(arena);
}

PUBLIC void nodeos_arena_stats(struct nodeos_arena *arena, struct nodeos_arena_stats *ret_stats) {
        memset(ret_stats, 0, sizeof(*ret_stats));
        if (!arena_is_ours(arena))
                return;
        pthread_mutex_lock(&arena->lock);
        ret_stats->range_bytes = arena->range;
        ret_stats->used_bytes = arena->committed - arena->free;
        ret_stats->peak_bytes = arena->peak;
        ret_stats->cached_bytes = arena_cached(arena);
        ret_stats->free_bytes = arena->free;
        ret_stats->largest_bytes = arena_largest(arena);
        pthread_mutex_unlock(&arena->lock);
}
