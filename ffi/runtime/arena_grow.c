/* Heaps that grow: chunks of a hole get memory, and free pieces that are large enough become holes. The lock is held.
 *
 *         hole                                  chunk           chunk
 *         [tag|units][next][bytes] |   no memory  |  no memory   | [8 bytes] block ...
 *                                  A                              B
 *
 * A and B are at multiples of the chunk; the last hole ends with the range. */
#include "arena.h"

/* A heap takes this part of what it has at once, so that the kernel is not asked for each chunk. */
#define STEP_PART 8
#define STEP_MAX ((size_t) 32 << 20)

static size_t hole_bytes(const struct block *hole) {
        return (size_t) (uintptr_t) hole->prev;
}

static char *hole_from(struct block *hole) {
        return (char *) hole + HOLE_HEAD;
}

static char *hole_to(struct block *hole) {
        return (char *) hole + hole_bytes(hole) - HEAD_BYTES;
}

static bool is_last(const struct nodeos_arena *arena, struct block *hole) {
        return hole_to(hole) >= (char *) arena + arena->range;
}

static void write_hole(struct nodeos_arena *arena, struct block *hole, char *to) {
        set_tag(hole, tag_of(hole, arena->cookie, HOLE));
        set_units(hole, 0);
        hole->prev = (struct block *) (uintptr_t) (to + HEAD_BYTES - (char *) hole);
        hole->next = arena->holes;
        arena->holes = hole;
        if (is_last(arena, hole))
                __atomic_store_n(&arena->span, (size_t) ((char *) hole - arena->start), __ATOMIC_RELAXED);
}

static void unlink_hole(struct nodeos_arena *arena, struct block *hole) {
        struct block **link = &arena->holes;

        while (*link != hole)
                link = &(*link)->next;
        *link = hole->next;
}

/* Gives memory to the first `bytes` of a hole, whole chunks. Whether the kernel had it. */
static bool fill(struct nodeos_arena *arena, struct block *hole, size_t bytes) {
        char *from = hole_from(hole), *to = hole_to(hole);
        uint32_t flags = units_of(hole) & PREV_FREE;

        if (arena->commit(arena, from, bytes) < 0)
                return false;
        arena->committed += bytes;
        unlink_hole(arena, hole);
        if (from + bytes < to)
                write_hole(arena, block_at(from, bytes - HOLE_HEAD), to);
        else
                bytes += HOLE_HEAD + HEAD_BYTES;
        /* What was in front of the hole, free, becomes one with it; sizes that one block cannot have come as several. */
        for (uint64_t part; bytes > 0; bytes -= part, hole = block_at(hole, part), flags = PREV_FREE) {
                part = bytes < LARGE_FROM ? bytes : LARGE_FROM / 2;
                set_units(hole, (uint32_t) (part >> 4) << 3 | flags);
                if (bytes > part)
                        set_units(block_at(hole, part), 0);
                arena_put(arena, hole);
        }
        return true;
}

/* Takes chunks from the kernel for a block of so many bytes. Whether there were enough. */
bool arena_grow(struct nodeos_arena *arena, uint64_t bytes) {
        size_t keep = arena->keep > 2 * arena->released ? arena->keep : 2 * arena->released, need = align_up(bytes, arena->chunk), step;
        struct block *hole = arena->holes, *next;
        bool is_done = false;

        step = align_down(arena->committed / STEP_PART < STEP_MAX ? arena->committed / STEP_PART : STEP_MAX, arena->chunk);
        arena->keep = SIZE_MAX;
        for (; hole && !is_done; hole = next) {
                size_t room = (size_t) (hole_to(hole) - hole_from(hole));

                next = hole->next;
                /* The chunk at the end of the range stays empty: behind it is nothing. */
                if (is_last(arena, hole))
                        room -= arena->chunk;
                if (room < need)
                        continue;
                is_done = step > need && step <= room && fill(arena, hole, step);
                is_done = is_done || fill(arena, hole, need);
        }
        /* What is given back and wanted again is kept the next time: a program that allocates in every step faults in the first. */
        arena->keep = keep;
        arena->released = 0;
        return is_done;
}

/* Gives the chunks that lie wholly in a free block back, if they are so many. */
void arena_trim(struct nodeos_arena *arena, struct block *block, size_t keep) {
        uint64_t bytes = block_bytes(block);
        struct block *after = block_at(block, bytes), *hole;
        char *from = (char *) align_up((uintptr_t) block + BLOCK_MIN + HOLE_HEAD, arena->chunk), *to, *end;
        bool is_before_hole = tag_in(after) == tag_of(after, arena->cookie, HOLE);

        to = is_before_hole ? hole_from(after) : (char *) align_down((uintptr_t) after - BLOCK_MIN - HEAD_BYTES, arena->chunk);
        if (to <= from || (size_t) (to - from) < keep)
                return;
        /* The hole's head goes with the memory. */
        end = is_before_hole ? hole_to(after) : to;
        if (is_before_hole)
                unlink_hole(arena, after);
        if (arena->release(arena, from, (size_t) (to - from)) < 0) {
                if (is_before_hole) {
                        write_hole(arena, after, end);
                        set_units(after, PREV_FREE);
                }
                return;
        }
        arena->committed -= (size_t) (to - from);
        if ((size_t) (to - from) > arena->released)
                arena->released = (size_t) (to - from);
        arena_unlist(arena, block);
        hole = (struct block *) (from - HOLE_HEAD);
        write_hole(arena, hole, end);
        arena_make_free(arena, block, (uint64_t) ((char *) hole - (char *) block));
        if (!is_before_hole) {
                struct block *rest = (struct block *) (to + HEAD_BYTES);

                arena_make_free(arena, rest, (uint64_t) ((char *) after - (char *) rest));
        }
}

void arena_trim_all(struct nodeos_arena *arena) {
        for (unsigned i = 0; i < ROWS * COLUMNS; i++)
                for (struct block *block = arena->lists[i / COLUMNS][i % COLUMNS], *next; block; block = next) {
                        uint64_t before = arena->committed;

                        next = block->next;
                        if (block_bytes(block) > arena->chunk)
                                arena_trim(arena, block, arena->chunk);
                        /* The list is another one then. */
                        if (arena->committed != before)
                                next = arena->lists[i / COLUMNS][i % COLUMNS];
                }
}
