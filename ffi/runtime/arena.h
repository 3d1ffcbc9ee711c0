/* An allocator on one range of addresses; shared by the .c files of libnodeos-rt and libnodeos-preload, not part of their ABI.
 *
 *      start                                                                                              limit
 *        | struct nodeos_arena | block | block | free | block | hole (no memory: growing heaps only) | block | end |
 *
 * Blocks lie side by side (boundary tags). One begins 8 bytes before what its user sees, at 8 beyond a multiple of 16:
 *
 *      used    [tag|units][ user's bytes ...                                  ]
 *      free    [tag|units][next][prev][ ...                     ][block itself]     its last word leads back to its beginning
 *      hole    [tag|units][next][bytes] | whole chunks without memory | [8 bytes]
 *
 * `units` (size and flags) changes under the arena's lock only, `tag` says who has the block and is its owner's: a hash of the
 * address and the state, so that what was never handed out, or twice given back, is known from what was.
 *
 * Free blocks are in lists by size, found by two bitmaps in constant time (arena.c). In front are caches, one for each thread,
 * with a stack of blocks of each size class (arena_cache.c): most calls take and give there, without lock or atomic operation. */
#ifndef NODEOS_ARENA_H
#define NODEOS_ARENA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeos_memory.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

struct block {
        uint32_t tag;
        uint32_t units;            /* << 3: of 16 bytes, or of 64 KiB if LARGE; below: flags */
        struct block *next, *prev; /* free: in its list. A hole: next alone, and in the place of prev its bytes */
        uint64_t bytes;            /* free and LARGE: its size. In the smallest block this is its last word */
};

#define HEAD_BYTES 8u
#define BLOCK_MIN 32u
#define HOLE_HEAD 24u

enum { FREE = 1, PREV_FREE = 2, LARGE = 4, FLAGS = 7 };

/* From here on sizes are counted in 64 KiB; tests set it lower. */
#ifndef LARGE_FROM
#define LARGE_FROM (UINT64_C(1) << 32)
#endif
#define LARGE_UNIT (UINT64_C(1) << 16)

enum state { USED = 0x55, CACHED = 0xca, FREED = 0xfe, HOLE = 0x40, OURS = 0xca5e, END = 0xed };

/* Lists: sizes below 256 bytes exactly, then 16 to each doubling. */
enum { ROWS = 44, COLUMNS = 16 };

/* Classes of cached blocks, in units of 16 bytes: 2 to 32 one by one, then 8 to each doubling. */
enum { CLASS_UNITS_MAX = 2048, CLASSES = 31 + 6 * 8, SLOTS = 2656 };

struct cache {
        struct nodeos_arena *arena;
        struct cache *next, **link;
        uint32_t cookie;
        /* A stack of blocks for each class: from `base` to `top`, with room up to `limit`. */
        struct bin {
                struct block **top, **base, **limit;
        } bins[CLASSES];
        struct block *slots[SLOTS];
};

struct nodeos_arena {
        char *start;      /* of the first block's user */
        size_t span;      /* up to which addresses may be blocks; grows with a heap */
        uint64_t id;      /* no other arena of this process has had it */
        uint32_t cookie;
        uint32_t index;   /* in the table of arenas */
        /* A heap that grows, else NULL: takes and gives back whole chunks at their addresses. 0, or -1 and errno. */
        int (*commit)(struct nodeos_arena *arena, void *at, size_t bytes);
        int (*release)(struct nodeos_arena *arena, void *at, size_t bytes);
        size_t chunk;
        size_t keep;      /* a free piece of fewer bytes is not given back */
        size_t released;  /* the largest that was, since the heap grew */
        bool is_shared;   /* with other processes */

        pthread_mutex_t lock __attribute__((aligned(64)));
        struct cache *caches;
        struct block *holes;
        size_t range, committed, free, peak; /* bytes; committed is what has memory */
        uint64_t rows;
        uint32_t columns[ROWS];
        struct block *lists[ROWS][COLUMNS];
};

/* arena.c: the blocks; with the lock held. */
void arena_make(struct nodeos_arena *arena, size_t memory_bytes, size_t range_bytes);
struct block *arena_take(struct nodeos_arena *arena, uint64_t bytes);
struct block *arena_take_ready(struct nodeos_arena *arena, uint64_t bytes); /* without growing */
struct block *arena_take_aligned(struct nodeos_arena *arena, uint64_t bytes, size_t alignment);
void arena_put(struct nodeos_arena *arena, struct block *block);
bool arena_resize(struct nodeos_arena *arena, struct block *block, uint64_t bytes);
size_t arena_largest(const struct nodeos_arena *arena);
_Noreturn void arena_abort(const struct nodeos_arena *arena, const void *pointer, uint32_t tag);

/* arena_grow.c: with the lock held. */
bool arena_grow(struct nodeos_arena *arena, uint64_t bytes);
void arena_trim(struct nodeos_arena *arena, struct block *block, size_t keep);
void arena_trim_all(struct nodeos_arena *arena);

/* For arena_grow.c. */
struct block *arena_make_free(struct nodeos_arena *arena, struct block *block, uint64_t bytes);
void arena_unlist(struct nodeos_arena *arena, struct block *block);

/* arena_books.c, arena_cache.c: threads. */
extern __thread struct own_caches {
        struct {
                struct nodeos_arena *arena;
                uint64_t id;
                uint32_t index;
                struct cache *cache;
        } of[4];
        unsigned next;
        bool is_ended;
} own_caches __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Takes an arena into this process's books. 0, or -1 and errno. */
int arena_register(struct nodeos_arena *arena);
void arena_forget(struct nodeos_arena *arena);
bool arena_is_ours(const struct nodeos_arena *arena);
/* What the fast path below cannot do; each takes the lock. */
void *arena_malloc_slowly(struct nodeos_arena *arena, size_t bytes);
void arena_free_slowly(struct nodeos_arena *arena, void *pointer);
void *arena_aligned(struct nodeos_arena *arena, size_t alignment, size_t bytes);
size_t arena_usable(const struct nodeos_arena *arena, const void *pointer);
/* Whether the block has room for so many bytes now, where it is. */
bool arena_resize_user(struct nodeos_arena *arena, void *pointer, size_t bytes);
void arena_flush(struct nodeos_arena *arena);
/* Gives all blocks of a cache back; with the lock. */
void cache_empty(struct cache *cache);
/* Notes this thread's cache, and ends it, unless its arena is gone already. */
void cache_begin(unsigned i, struct nodeos_arena *arena, struct cache *cache);
void cache_end(unsigned i);
size_t arena_cached(struct nodeos_arena *arena);

static inline uint64_t align_up(uint64_t value, uint64_t to) {
        return (value + to - 1) & ~(to - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t to) {
        return value & ~(to - 1);
}

static inline uint32_t tag_of(const struct block *block, uint32_t cookie, enum state state) {
        return ((uint32_t) ((uintptr_t) block >> 3) * 0x9e3779b1u ^ cookie) + (uint32_t) state;
}

/* Owners read it while a neighbour may be freed. */
static inline uint32_t units_of(const struct block *block) {
        return __atomic_load_n(&block->units, __ATOMIC_RELAXED);
}

static inline void set_units(struct block *block, uint32_t units) {
        __atomic_store_n(&block->units, units, __ATOMIC_RELAXED);
}

static inline void set_tag(struct block *block, uint32_t tag) {
        __atomic_store_n(&block->tag, tag, __ATOMIC_RELAXED);
}

static inline uint32_t tag_in(const struct block *block) {
        return __atomic_load_n(&block->tag, __ATOMIC_RELAXED);
}

static inline uint64_t block_bytes(const struct block *block) {
        uint32_t units = units_of(block);

        if (LIKELY(!(units & LARGE)))
                return (uint64_t) (units >> 3) << 4;
        return units & FREE ? block->bytes : (units >> 3) * LARGE_UNIT;
}

static inline struct block *block_of(const void *pointer) {
        return (struct block *) ((uintptr_t) pointer - HEAD_BYTES);
}

static inline void *user_of(struct block *block) {
        return (char *) block + HEAD_BYTES;
}

static inline struct block *block_at(const void *from, uint64_t bytes) {
        return (struct block *) ((uintptr_t) from + bytes);
}

/* The class whose blocks are large enough; units are 2 to CLASS_UNITS_MAX. */
static inline unsigned class_above(size_t units) {
        unsigned shift;

        if (LIKELY(units <= 32))
                return (unsigned) units - 2;
        shift = 60 - (unsigned) __builtin_clzl(units - 1);
        return 31 + (shift - 2) * 8 + (unsigned) ((units - 1) >> shift) - 8;
}

/* The class for which a block is large enough. */
static inline unsigned class_below(size_t units) {
        unsigned shift;

        if (LIKELY(units <= 32))
                return (unsigned) units - 2;
        shift = 60 - (unsigned) __builtin_clzl(units);
        return 31 + (shift - 2) * 8 + (unsigned) (units >> shift) - 9;
}

static inline size_t units_for(size_t bytes) {
        size_t units = (bytes + HEAD_BYTES + 15) >> 4;

        return units < 2 ? 2 : units;
}

#ifdef NODEOS_DEBUG
/* A debug build fills what is free and looks whether somebody wrote there, and what is new. */
void debug_fill(struct block *block);
void debug_check(const struct nodeos_arena *arena, struct block *block);
#else
static inline void debug_fill(struct block *block) {
        (void) block;
}

static inline void debug_check(const struct nodeos_arena *arena, struct block *block) {
        (void) arena;
        (void) block;
}
#endif

/* This thread's cache, or NULL. */
static inline struct cache *cache_of(const struct nodeos_arena *arena) {
        for (unsigned i = 0; i < 4; i++)
                if (own_caches.of[i].arena == arena && own_caches.of[i].id == arena->id)
                        return own_caches.of[i].cache;
        return NULL;
}

/* A block from the cache, or NULL. */
static inline void *cache_take(struct cache *cache, size_t bytes) {
        struct block *block;
        struct bin *bin;

        if (UNLIKELY(bytes > CLASS_UNITS_MAX * 16 - HEAD_BYTES))
                return NULL;
        bin = &cache->bins[class_above(units_for(bytes))];
        if (UNLIKELY(bin->top == bin->base))
                return NULL;
        block = *--bin->top;
        debug_check(cache->arena, block);
        set_tag(block, tag_of(block, cache->cookie, USED));
        return user_of(block);
}

/* Whether the block is in the cache now. */
static inline bool cache_give(struct cache *cache, void *pointer) {
        struct block *block = block_of(pointer);
        struct bin *bin;
        uint32_t units;

        if (UNLIKELY((uintptr_t) pointer & 15) || UNLIKELY(tag_in(block) != tag_of(block, cache->cookie, USED)))
                return false;
        units = units_of(block);
        if (UNLIKELY(units & LARGE) || UNLIKELY(units >> 3 > CLASS_UNITS_MAX))
                return false;
        bin = &cache->bins[class_below(units >> 3)];
        if (UNLIKELY(bin->top == bin->limit))
                return false;
        set_tag(block, tag_of(block, cache->cookie, CACHED));
        debug_fill(block);
        *bin->top++ = block;
        return true;
}

/* Whether an address may be a block's of the arena. */
static inline bool is_within(const struct nodeos_arena *arena, const void *pointer) {
        return (uintptr_t) pointer - (uintptr_t) arena->start < __atomic_load_n(&arena->span, __ATOMIC_RELAXED);
}

#endif
