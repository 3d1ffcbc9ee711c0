/* A breadth-first search in a graph that is larger than the buffer: R-MAT edges (0.57, 0.19, 0.19, 0.05), 16 for each vertex, in both
 * directions, as compressed sparse rows in files. Threads make the graph, search level by level, and verify.
 *
 *         bfs DIRECTORY SCALE BUFFER_BYTES THREADS
 *
 * Verifies as Graph500 does: an edge leads to a level that is the same, one up or one down; each vertex but the root has a parent one
 * level up, by an edge of the graph. */
#include "common.h"

#include <inttypes.h>
#include <stdatomic.h>

enum { EDGES = 16, CHUNK = 1024 };
static const uint32_t nobody = UINT32_MAX;

struct search {
        uint64_t vertices, edges;
        unsigned scale, threads;
        _Atomic uint64_t *offsets; /* of each vertex's neighbours: vertices + 1 */
        uint32_t *neighbours;
        _Atomic uint32_t *parents;
        uint32_t *levels, *frontier, *next;
        uint64_t frontier_count;
        uint64_t first, last; /* vertices whose rows are made in this pass */
        _Atomic uint64_t next_count, taken, wrong, found;
        uint32_t level;
};

/* The ends of an edge: made again whenever they are needed, and kept nowhere. */
static void edge_ends(const struct search *search, uint64_t edge, uint32_t *ret_from, uint32_t *ret_to) {
        uint32_t from = 0, to = 0;
        uint64_t random = 0;

        for (unsigned bit = 0; bit < search->scale; bit++) {
                unsigned part;

                random = bit % 4 ? random >> 16 : mix(edge * 8 + bit / 4);
                part = (unsigned) ((random & 0xFFFF) * 100 >> 16);
                from = from << 1 | (part >= 76);
                to = to << 1 | (part >= 57 && part < 76) | (part >= 95);
        }
        /* Else the vertices with most edges would be neighbours in the file. An odd factor keeps each apart from the others. */
        *ret_from = (uint32_t) (from * 0x9E3779B1u & (search->vertices - 1));
        *ret_to = (uint32_t) (to * 0x9E3779B1u & (search->vertices - 1));
}

static void for_edges(struct search *search, unsigned index, void (*take)(struct search *search, uint32_t from, uint32_t to)) {
        uint64_t end = share_of(search->edges, index + 1, search->threads);

        for (uint64_t edge = share_of(search->edges, index, search->threads); edge < end; edge++) {
                uint32_t from, to;

                edge_ends(search, edge, &from, &to);
                take(search, from, to);
                take(search, to, from);
        }
}

static void count_edge(struct search *search, uint32_t from, uint32_t to) {
        (void) to;
        atomic_fetch_add_explicit(&search->offsets[from + 1], 1, memory_order_relaxed);
}

static void put_edge(struct search *search, uint32_t from, uint32_t to) {
        if (from >= search->first && from < search->last)
                search->neighbours[atomic_fetch_add_explicit(&search->offsets[from], 1, memory_order_relaxed)] = to;
}

static void count_edges(unsigned index, void *argument) {
        for_edges(argument, index, count_edge);
}

static void put_edges(unsigned index, void *argument) {
        for_edges(argument, index, put_edge);
}

/* Rows begin where the rows before them end. While edges are put, a row's offset runs from its beginning to its end, which is the
 * next row's beginning: so they are one place up afterwards. */
static void sum_offsets(struct search *search) {
        for (uint64_t i = 1; i <= search->vertices; i++)
                search->offsets[i] += search->offsets[i - 1];
}

static void shift_offsets(struct search *search) {
        for (uint64_t i = search->vertices; i > 0; i--)
                search->offsets[i] = search->offsets[i - 1];
        search->offsets[0] = 0;
}

/* In as many passes as make the rows of one fit into half of the buffer: edges cost less to make again than pages to read. */
static void make_rows(struct search *search, uint64_t bytes) {
        uint64_t passes = 8 * search->edges / (bytes / 2) + 1;

        for (uint64_t pass = 0; pass < passes; pass++) {
                search->first = search->vertices * pass / passes;
                search->last = search->vertices * (pass + 1) / passes;
                in_parallel(search->threads, put_edges, search);
        }
}

static void forget(unsigned index, void *argument) {
        struct search *search = argument;
        uint64_t end = share_of(search->vertices, index + 1, search->threads);

        for (uint64_t i = share_of(search->vertices, index, search->threads); i < end; i++)
                search->parents[i] = nobody;
}

/* A thread's part of one level: it takes vertices of the frontier in chunks, as rows are of very different lengths. */
static void search_level(unsigned index, void *argument) {
        struct search *search = argument;
        uint64_t at;

        (void) index;
        while ((at = atomic_fetch_add(&search->taken, CHUNK)) < search->frontier_count) {
                for (uint64_t i = at; i < at + CHUNK && i < search->frontier_count; i++) {
                        uint32_t from = search->frontier[i];

                        for (uint64_t j = search->offsets[from]; j < search->offsets[from + 1]; j++) {
                                uint32_t to = search->neighbours[j], free = nobody;

                                if (search->parents[to] != nobody || !atomic_compare_exchange_strong(&search->parents[to], &free, from))
                                        continue;
                                search->levels[to] = search->level + 1;
                                search->next[atomic_fetch_add(&search->next_count, 1)] = to;
                        }
                }
        }
}

static void search_all(struct search *search, uint32_t root) {
        search->parents[root] = root;
        search->levels[root] = 0;
        search->frontier[0] = root;
        search->frontier_count = search->found = 1;
        while (search->frontier_count > 0) {
                uint32_t *kept = search->frontier;

                search->taken = search->next_count = 0;
                in_parallel(search->threads, search_level, search);
                search->frontier = search->next;
                search->next = kept;
                search->frontier_count = search->next_count;
                search->found += search->next_count;
                search->level++;
        }
}

static void verify(unsigned index, void *argument) {
        struct search *search = argument;
        uint64_t end = share_of(search->vertices, index + 1, search->threads), wrong = 0;

        for (uint64_t from = share_of(search->vertices, index, search->threads); from < end; from++) {
                uint32_t parent = search->parents[from];
                int has_parent = parent == from || parent == nobody;

                if (parent != nobody && parent != from)
                        wrong += search->levels[from] != search->levels[parent] + 1;
                for (uint64_t j = search->offsets[from]; j < search->offsets[from + 1]; j++) {
                        uint32_t to = search->neighbours[j];

                        has_parent |= to == parent;
                        if ((parent == nobody) != (search->parents[to] == nobody))
                                wrong++;
                        else if (parent != nobody)
                                wrong += search->levels[from] > search->levels[to] + 1 || search->levels[to] > search->levels[from] + 1;
                }
                wrong += !has_parent;
        }
        search->wrong += wrong;
}

int main(int argc, char **argv) {
        struct search search = { .scale = argc == 5 ? (unsigned) atoi(argv[2]) : 0 };
        struct nodeos_region *regions[6];
        struct nodeos_buffer *buffer;
        uint64_t bytes = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
        double from;

        search.threads = argc == 5 ? (unsigned) atoi(argv[4]) : 0;
        if (search.scale < 4 || search.scale > 31 || search.threads < 1 || search.threads > THREADS_MOST)
                return fprintf(stderr, "usage: bfs DIRECTORY SCALE BUFFER_BYTES THREADS\n"), 2;
        search.vertices = UINT64_C(1) << search.scale;
        search.edges = EDGES * search.vertices;
        buffer = buffer_make(bytes);
        regions[0] = array_make(buffer, argv[1], "offsets", 8 * (search.vertices + 1));
        regions[1] = array_make(buffer, argv[1], "neighbours", 8 * search.edges);
        regions[2] = array_make(buffer, argv[1], "parents", 4 * search.vertices);
        regions[3] = array_make(buffer, argv[1], "levels", 4 * search.vertices);
        regions[4] = array_make(buffer, argv[1], "frontier", 4 * search.vertices);
        regions[5] = array_make(buffer, argv[1], "next", 4 * search.vertices);
        search.offsets = nodeos_region_address(regions[0]);
        search.neighbours = nodeos_region_address(regions[1]);
        search.parents = nodeos_region_address(regions[2]);
        search.levels = nodeos_region_address(regions[3]);
        search.frontier = nodeos_region_address(regions[4]);
        search.next = nodeos_region_address(regions[5]);

        from = seconds();
        in_parallel(search.threads, count_edges, &search);
        sum_offsets(&search);
        make_rows(&search, bytes);
        shift_offsets(&search);
        in_parallel(search.threads, forget, &search);
        search_all(&search, search.neighbours[0]);
        in_parallel(search.threads, verify, &search);
        printf("%" PRIu64 " of %" PRIu64 " vertices in %" PRIu32 " levels, %" PRIu64
               " edges, in %.2f s with a buffer of %" PRIu64 " KiB: %s\n",
               (uint64_t) search.found, search.vertices, search.level, 2 * search.edges, seconds() - from, bytes >> 10,
               search.wrong ? "wrong" : "a tree of shortest paths");
        for (int i = 0; i < 6; i++)
                nodeos_region_unmap(regions[i]);
        nodeos_buffer_close(buffer);
        return search.wrong > 0;
}
