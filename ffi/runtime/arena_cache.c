/* Caches of threads in front of an arena, and what they cannot do. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "arena.h"

/* In smaller arenas what lies in caches would be missed. */
#define CACHED_FROM ((size_t) 4 << 20)


/* The blocks of a class that move between a cache and the arena at once: 16 KiB, but 1 to 32 blocks. */
static unsigned batch_of(unsigned units) {
        unsigned batch = 1024 / units;

        return batch > 32 ? 32 : batch < 1 ? 1 : batch;
}

/* How large the blocks of a class are, in 16 bytes. */
static unsigned units_of_class(unsigned class) {
        return class < 31 ? class + 2 : (9 + (class - 31) % 8) << (2 + (class - 31) / 8);
}

static void lock(struct nodeos_arena *arena) {
        pthread_mutex_lock(&arena->lock);
}

static void unlock(struct nodeos_arena *arena) {
        pthread_mutex_unlock(&arena->lock);
}

void cache_empty(struct cache *cache) {
        for (struct bin *bin = cache->bins; bin < cache->bins + CLASSES; bin++)
                while (bin->top > bin->base)
                        arena_put(cache->arena, *--bin->top);
}

static void make(struct cache *cache, struct nodeos_arena *arena) {
        struct block **slots = cache->slots;

        for (unsigned i = 0; i < CLASSES; i++) {
                cache->bins[i].top = cache->bins[i].base = slots;
                cache->bins[i].limit = slots += 2 * batch_of(units_of_class(i));
        }
        cache->arena = arena;
        cache->cookie = arena->cookie;
        cache->link = &arena->caches;
        cache->next = arena->caches;
        if (cache->next)
                cache->next->link = &cache->next;
        arena->caches = cache;
}

/* This thread's cache; a new one if it has none. NULL: it goes without. */
static struct cache *cache_for(struct nodeos_arena *arena) {
        struct cache *cache = cache_of(arena);
        struct block *block;
        unsigned i;

        if (cache || own_caches.is_ended || arena->range < CACHED_FROM)
                return cache;
        i = own_caches.next % 4;
        cache_end(i);
        lock(arena);
        block = arena_take(arena, units_for(sizeof(struct cache)) * 16);
        if (!block) {
                unlock(arena);
                return NULL;
        }
        set_tag(block, tag_of(block, arena->cookie, OURS));
        cache = user_of(block);
        make(cache, arena);
        unlock(arena);
        cache_begin(i, arena, cache);
        return cache;
}

/* A block for the caller and, of its class, a batch for its cache; with the lock. */
static struct block *fill(struct nodeos_arena *arena, struct bin *bin, unsigned units) {
        struct block *block = arena_take(arena, units * UINT64_C(16)), *more;

        for (unsigned room = batch_of(units) - 1; block && room > 0 && bin->top < bin->limit; room--) {
                more = arena_take_ready(arena, units * UINT64_C(16));
                if (!more)
                        break;
                set_tag(more, tag_of(more, arena->cookie, CACHED));
                debug_fill(more);
                *bin->top++ = more;
        }
        return block;
}

void *arena_malloc_slowly(struct nodeos_arena *arena, size_t bytes) {
        struct cache *cache;
        struct block *block;
        void *pointer;

        if (!arena_is_ours(arena)) {
                errno = EPERM;
                return NULL;
        }
        if (bytes > PTRDIFF_MAX) {
                errno = ENOMEM;
                return NULL;
        }
        cache = cache_for(arena);
        pointer = cache ? cache_take(cache, bytes) : NULL;
        if (pointer)
                return pointer;
        lock(arena);
        if (cache && units_for(bytes) <= CLASS_UNITS_MAX) {
                unsigned class = class_above(units_for(bytes));

                block = fill(arena, &cache->bins[class], units_of_class(class));
        } else {
                block = arena_take(arena, units_for(bytes) * 16);
        }
        if (!block && cache) {
                cache_empty(cache);
                block = arena_take(arena, units_for(bytes) * 16);
        }
        if (block)
                set_tag(block, tag_of(block, arena->cookie, USED));
        unlock(arena);
        return block ? user_of(block) : NULL;
}

/* The block that a pointer of the user's is about; ends the process when there is none. */
static struct block *checked(const struct nodeos_arena *arena, const void *pointer) {
        struct block *block = block_of(pointer);

        if ((uintptr_t) pointer & 15 || !is_within(arena, pointer))
                arena_abort(arena, pointer, 0);
        if (tag_in(block) != tag_of(block, arena->cookie, USED))
                arena_abort(arena, pointer, tag_in(block));
        return block;
}

void arena_free_slowly(struct nodeos_arena *arena, void *pointer) {
        struct block *block;
        struct cache *cache;
        uint64_t units;

        if (!arena_is_ours(arena))
                return;
        block = checked(arena, pointer);
        cache = cache_for(arena);
        units = block_bytes(block) >> 4;
        lock(arena);
        if (cache && units <= CLASS_UNITS_MAX) {
                struct bin *bin = &cache->bins[class_below(units)];
                size_t batch = (size_t) (bin->limit - bin->base) / 2;

                if (bin->top == bin->limit) {
                        for (size_t i = 0; i < batch; i++)
                                arena_put(arena, bin->base[i]);
                        memmove(bin->base, bin->base + batch, batch * sizeof(*bin->base));
                        bin->top -= batch;
                }
                set_tag(block, tag_of(block, arena->cookie, CACHED));
                debug_fill(block);
                *bin->top++ = block;
        } else {
                arena_put(arena, block);
        }
        unlock(arena);
}

void *arena_aligned(struct nodeos_arena *arena, size_t alignment, size_t bytes) {
        struct block *block;
        struct cache *cache;

        if (!arena_is_ours(arena)) {
                errno = EPERM;
                return NULL;
        }
        if (bytes > PTRDIFF_MAX || alignment > PTRDIFF_MAX) {
                errno = ENOMEM;
                return NULL;
        }
        cache = cache_of(arena);
        lock(arena);
        block = arena_take_aligned(arena, units_for(bytes) * 16, alignment);
        if (!block && cache) {
                cache_empty(cache);
                block = arena_take_aligned(arena, units_for(bytes) * 16, alignment);
        }
        if (block)
                set_tag(block, tag_of(block, arena->cookie, USED));
        unlock(arena);
        return block ? user_of(block) : NULL;
}

size_t arena_usable(const struct nodeos_arena *arena, const void *pointer) {
        return block_bytes(checked(arena, pointer)) - HEAD_BYTES;
}

bool arena_resize_user(struct nodeos_arena *arena, void *pointer, size_t bytes) {
        struct block *block = checked(arena, pointer);
        uint64_t old = block_bytes(block), new = units_for(bytes) * 16;
        bool is_done;

        if (bytes > PTRDIFF_MAX)
                return false;
        /* A little smaller is the same. */
        if (new <= old && (new >= old / 2 || old <= 128))
                return true;
        if (new > old && old <= CLASS_UNITS_MAX * 16)
                return false;
        lock(arena);
        is_done = arena_resize(arena, block, new);
        unlock(arena);
        return is_done;
}

void arena_flush(struct nodeos_arena *arena) {
        struct cache *cache = cache_of(arena);

        if (!cache)
                return;
        lock(arena);
        cache_empty(cache);
        unlock(arena);
}

/* Counts without their heads, as their owners change them. */
size_t arena_cached(struct nodeos_arena *arena) {
        size_t bytes = 0;

        for (struct cache *cache = arena->caches; cache; cache = cache->next)
                for (unsigned i = 0; i < CLASSES; i++)
                        bytes += (size_t) (cache->bins[i].top - cache->bins[i].base) * units_of_class(i) * 16;
        return bytes;
}
