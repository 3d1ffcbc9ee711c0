/* The blocks of an arena: taking, giving back, splitting, merging. arena.h has the layout. The lock is held. */
#define _GNU_SOURCE
#include <errno.h>

#include "arena.h"

/* How many blocks of the list that may have one large enough are looked at. */
#define LOOKS_MAX 64

struct place {
        unsigned row, column;
};

static struct place place_of(uint64_t bytes) {
        uint64_t units = bytes >> 4;
        unsigned log;

        if (units < COLUMNS)
                return (struct place) { 0, (unsigned) units };
        log = 63 - (unsigned) __builtin_clzl(units);
        return (struct place) { log - 3, (unsigned) (units >> (log - 4)) - COLUMNS };
}

static void enlist(struct nodeos_arena *arena, struct block *block, uint64_t bytes) {
        struct place at = place_of(bytes);
        struct block **list = &arena->lists[at.row][at.column];

        block->prev = NULL;
        block->next = *list;
        if (*list)
                (*list)->prev = block;
        *list = block;
        arena->columns[at.row] |= 1u << at.column;
        arena->rows |= UINT64_C(1) << at.row;
        arena->free += bytes;
}

void arena_unlist(struct nodeos_arena *arena, struct block *block) {
        uint64_t bytes = block_bytes(block);
        struct place at = place_of(bytes);

        if (block->next)
                block->next->prev = block->prev;
        if (block->prev) {
                block->prev->next = block->next;
        } else {
                arena->lists[at.row][at.column] = block->next;
                if (!block->next) {
                        arena->columns[at.row] &= ~(1u << at.column);
                        if (!arena->columns[at.row])
                                arena->rows &= ~(UINT64_C(1) << at.row);
                }
        }
        arena->free -= bytes;
}

/* Writes head, tail and list of a free block; its neighbours are not free. */
struct block *arena_make_free(struct nodeos_arena *arena, struct block *block, uint64_t bytes) {
        struct block *after = block_at(block, bytes);

        set_tag(block, tag_of(block, arena->cookie, FREED));
        if (bytes >= LARGE_FROM) {
                set_units(block, FREE | LARGE);
                block->bytes = bytes;
        } else {
                set_units(block, (uint32_t) (bytes >> 4) << 3 | FREE);
        }
        ((struct block **) after)[-1] = block;
        set_units(after, units_of(after) | PREV_FREE);
        enlist(arena, block, bytes);
        return block;
}

static void make_used(struct block *block, uint64_t bytes, uint32_t flags) {
        if (bytes >= LARGE_FROM)
                set_units(block, (uint32_t) (bytes / LARGE_UNIT) << 3 | LARGE | flags);
        else
                set_units(block, (uint32_t) (bytes >> 4) << 3 | flags);
}

/* A block is large when it, or what cannot be split off from it, is; then it has room for whole units and a free block. */
static bool is_large(uint64_t bytes) {
        return bytes > LARGE_FROM - 2 * BLOCK_MIN;
}

static uint64_t rounded(uint64_t bytes) {
        if (!is_large(bytes))
                return bytes;
        bytes = align_up(bytes, LARGE_UNIT);
        return bytes < LARGE_FROM ? LARGE_FROM : bytes;
}

/* Makes a used block of the first bytes of a piece, and a free one of the rest. */
static void carve(struct nodeos_arena *arena, struct block *block, uint64_t whole, uint64_t bytes, uint32_t flags) {
        struct block *after = block_at(block, whole);

        if (whole - bytes < BLOCK_MIN) {
                bytes = whole;
                set_units(after, units_of(after) & ~(uint32_t) PREV_FREE);
        }
        make_used(block, bytes, flags);
        if (whole != bytes)
                arena_make_free(arena, block_at(block, bytes), whole - bytes);
        if (arena->committed - arena->free > arena->peak)
                arena->peak = arena->committed - arena->free;
}

static struct block *find(const struct nodeos_arena *arena, uint64_t bytes) {
        /* Every block of the list for this size is large enough. */
        unsigned log = 63 - (unsigned) __builtin_clzl(bytes);
        struct place at = place_of(log < 8 ? bytes : bytes + (UINT64_C(1) << (log - 4)) - 1);
        uint32_t columns = at.row < ROWS ? arena->columns[at.row] & ~0u << at.column : 0;
        uint64_t rows = at.row + 1 < ROWS ? arena->rows & ~UINT64_C(0) << (at.row + 1) : 0;
        struct block *block;

        if (columns)
                return arena->lists[at.row][__builtin_ctz(columns)];
        if (rows) {
                at.row = (unsigned) __builtin_ctzl(rows);
                return arena->lists[at.row][__builtin_ctz(arena->columns[at.row])];
        }
        /* Some of the list below may be. */
        at = place_of(bytes);
        block = at.row < ROWS ? arena->lists[at.row][at.column] : NULL;
        for (int looks = 0; block && looks < LOOKS_MAX; block = block->next, looks++)
                if (block_bytes(block) >= bytes)
                        return block;
        return NULL;
}

/* A free piece that is in no list any more, after growing if need be. NULL and ENOMEM. */
static struct block *take_piece(struct nodeos_arena *arena, uint64_t bytes, bool may_grow) {
        struct block *block = bytes <= arena->range ? find(arena, bytes) : NULL;

        if (!block && may_grow && arena->commit && bytes <= arena->range && arena_grow(arena, bytes))
                block = find(arena, bytes);
        if (!block) {
                errno = ENOMEM;
                return NULL;
        }
        arena_unlist(arena, block);
        return block;
}

static struct block *take(struct nodeos_arena *arena, uint64_t bytes, bool may_grow) {
        struct block *block;

        bytes = rounded(bytes);
        block = take_piece(arena, is_large(bytes) ? bytes + BLOCK_MIN : bytes, may_grow);
        if (block)
                carve(arena, block, block_bytes(block), bytes, 0);
        return block;
}

/* Takes a block of at least so many bytes, with its head. It has no tag yet. NULL and ENOMEM. */
struct block *arena_take(struct nodeos_arena *arena, uint64_t bytes) {
        return take(arena, bytes, true);
}

struct block *arena_take_ready(struct nodeos_arena *arena, uint64_t bytes) {
        return take(arena, bytes, false);
}

/* The same, with what its user sees at a multiple of a power of two. */
struct block *arena_take_aligned(struct nodeos_arena *arena, uint64_t bytes, size_t alignment) {
        struct block *piece, *block;
        uint64_t whole, before;

        if (alignment > arena->range) {
                errno = ENOMEM;
                return NULL;
        }
        bytes = rounded(bytes);
        piece = take_piece(arena, bytes + alignment + 2 * BLOCK_MIN, true);
        if (!piece)
                return NULL;
        whole = block_bytes(piece);
        before = -((uintptr_t) piece + HEAD_BYTES) & (alignment - 1);
        if (before > 0 && before < BLOCK_MIN)
                before += alignment > BLOCK_MIN ? alignment : BLOCK_MIN;
        block = block_at(piece, before);
        if (before > 0) {
                /* It marks what comes after it, which carve writes. */
                set_units(block, 0);
                arena_make_free(arena, piece, before);
        }
        carve(arena, block, whole - before, bytes, before > 0 ? PREV_FREE : 0);
        return block;
}

/* Gives a block back, whoever had it; its neighbours that are free become one with it. */
void arena_put(struct nodeos_arena *arena, struct block *block) {
        uint64_t bytes = block_bytes(block);
        struct block *after = block_at(block, bytes);

        set_tag(block, tag_of(block, arena->cookie, FREED));
        if (units_of(after) & FREE) {
                bytes += block_bytes(after);
                arena_unlist(arena, after);
        }
        if (units_of(block) & PREV_FREE) {
                block = ((struct block **) block)[-1];
                bytes += block_bytes(block);
                arena_unlist(arena, block);
        }
        arena_make_free(arena, block, bytes);
        if (arena->release && bytes >= arena->keep)
                arena_trim(arena, block, arena->keep);
}

/* Makes a used block smaller or larger where it is. Whether it could. */
bool arena_resize(struct nodeos_arena *arena, struct block *block, uint64_t bytes) {
        uint64_t whole = block_bytes(block);
        struct block *after = block_at(block, whole);
        bool is_next_free = units_of(after) & FREE;

        if (is_next_free)
                whole += block_bytes(after);
        bytes = rounded(bytes);
        if (whole < bytes || (is_large(bytes) && whole > bytes && whole < bytes + BLOCK_MIN))
                return false;
        if (is_next_free)
                arena_unlist(arena, after);
        carve(arena, block, whole, bytes, units_of(block) & PREV_FREE);
        return true;
}

size_t arena_largest(const struct nodeos_arena *arena) {
        uint64_t largest = 0;
        unsigned row;

        if (!arena->rows)
                return 0;
        row = 63 - (unsigned) __builtin_clzl(arena->rows);
        for (struct block *block = arena->lists[row][31 - __builtin_clz(arena->columns[row])]; block; block = block->next)
                if (block_bytes(block) > largest)
                        largest = block_bytes(block);
        if (is_large(largest)) {
                largest = align_down(largest - BLOCK_MIN, LARGE_UNIT);
                largest = largest < LARGE_FROM ? LARGE_FROM - 2 * BLOCK_MIN : largest;
        }
        return largest - HEAD_BYTES;
}

/* Makes one free block of the memory after the arena's own structure, and an end or a hole behind it. */
void arena_make(struct nodeos_arena *arena, size_t memory_bytes, size_t range_bytes) {
        struct block *first = (struct block *) (align_up((uintptr_t) (arena + 1), 16) + HEAD_BYTES), *last;

        if (arena->commit) {
                last = block_at(arena, memory_bytes - HOLE_HEAD);
                set_tag(last, tag_of(last, arena->cookie, HOLE));
                last->next = NULL;
                last->prev = (struct block *) (range_bytes - memory_bytes + HOLE_HEAD + HEAD_BYTES);
                arena->holes = last;
        } else {
                last = (struct block *) (align_down((uintptr_t) arena + memory_bytes, 16) - HEAD_BYTES);
                set_tag(last, tag_of(last, arena->cookie, END));
        }
        set_units(last, 0);
        arena->start = user_of(first);
        arena->span = (size_t) ((char *) last - arena->start);
        arena->range = range_bytes;
        arena->committed = arena->peak = memory_bytes;
        arena_make_free(arena, first, (uint64_t) ((char *) last - (char *) first));
        arena->peak -= arena->free;
}
