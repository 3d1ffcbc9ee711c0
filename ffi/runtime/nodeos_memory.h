/* Memory of a container for programs in C, C++ and, by nodeos_memory.f90, Fortran: objects by their name, huge pages, places
 * on NUMA nodes, and an allocator on any of them. Link with -lnodeos-rt; see MEMORY.md.
 *
 *         size_t bytes;
 *         double *halo = nodeos_map("halo", &bytes);
 *         struct nodeos_arena *arena;
 *
 *         if (!halo)
 *                 return perror("halo"), 1;
 *         arena = nodeos_arena_new(halo, bytes);
 *         block = nodeos_arena_malloc(arena, 4096);
 *
 * What returns a pointer returns NULL where it fails, and what returns an int returns -1; errno says why. */
#ifndef NODEOS_MEMORY_H
#define NODEOS_MEMORY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- objects of the container: every program that maps one sees the same bytes -------------------------------------------- */

/* Maps a whole object, to read and write or to read alone. It is populated: no access faults for want of memory.
 * EINVAL: not a name. ENOENT: NODEOS_MEMORY is not set, or the container has no such object. EACCES: it is another user's.
 * ENOMEM: there is no room in the address space. */
void *nodeos_map(const char *name, size_t *ret_bytes);
void *nodeos_map_readonly(const char *name, size_t *ret_bytes);

/* Maps an object again that has grown or shrunk since; *bytes is what is mapped, and becomes what is mapped then. Returns where:
 * the same address if there is room behind it. On failure the old mapping stays as it was; errors are those of nodeos_map. */
void *nodeos_remap(const char *name, void *address, size_t *bytes);
void *nodeos_remap_readonly(const char *name, void *address, size_t *bytes);

/* The page size of an object, which its size is a multiple of; 0 and errno as nodeos_map. */
size_t nodeos_object_page(const char *name);

/* --- heap memory of the container: private, in huge pages ----------------------------------------------------------------- */

/* The page sizes of the container's huge pages, the one to use first first; at most `most` of them are in ret_pages. Returns
 * how many there are; 0: it has none (NODEOS_HUGE_PAGES). */
int nodeos_huge_pages(size_t *ret_pages, int most);

/* Reserves zeroed memory in huge pages of one size, 0: the first of the container's. It is populated where `populate` is not
 * zero, within what the container has of each NUMA node; else nodeos_populate does it, after nodeos_bind. Bytes are rounded up
 * to whole pages, for nodeos_unmap too.
 * ENOMEM: the units of the container are exhausted. EINVAL: 0 bytes, or a page size that the kernel does not have.
 * ENOENT: page is 0, and the container has no huge pages. */
void *nodeos_heap(size_t bytes, size_t page, int populate);

/* Gives every page of the range its memory now. ENOMEM: the units, or the nodes that the range is bound to, are exhausted. */
int nodeos_populate(void *address, size_t bytes);

/* Where pages of the range come from that have none yet: from one NUMA node alone, or from several in turns. What has memory
 * keeps it. EINVAL: the address is not at a page, or there is no such node, or the container does not have it. */
int nodeos_bind(void *address, size_t bytes, int node);
int nodeos_interleave(void *address, size_t bytes, const int *nodes, int count);

/* Ends a mapping of this file's. EINVAL: the address is not at a page. */
int nodeos_unmap(void *address, size_t bytes);

/* --- an allocator on a range of memory ------------------------------------------------------------------------------------ */

/* Hands out blocks of its range, and writes nowhere else. Threads may share it. */
struct nodeos_arena;

struct nodeos_arena_stats {
        size_t range_bytes;  /* of the range */
        size_t used_bytes;   /* in blocks, those in caches of threads included, with what keeping them takes */
        size_t peak_bytes;   /* the most that used_bytes was */
        size_t cached_bytes; /* in blocks that are free, in the caches of threads */
        size_t free_bytes;   /* free for everybody */
        size_t largest_bytes; /* of the largest free block */
};

/* Makes an arena on a range, which stays yours: keep it mapped until the arena is destroyed. What the range held is lost.
 * EINVAL: the range is smaller than 64 KiB. ENFILE: there are 64 arenas in this process. */
struct nodeos_arena *nodeos_arena_new(void *address, size_t bytes);

/* Forgets an arena with all its blocks; no thread may be using it. The range stays as it is. */
void nodeos_arena_destroy(struct nodeos_arena *arena);

/* As malloc(3), calloc(3), realloc(3), aligned_alloc(3), free(3), malloc_usable_size(3), with blocks of at least 24 bytes at
 * multiples of 16. ENOMEM: no free piece is large enough. EINVAL: the alignment is no power of two. EPERM: the range is shared
 * with other processes, and the arena was made before fork by the parent, whose it stays. A block that is not allocated, or not
 * of this arena, ends the process with a line that says so. */
void *nodeos_arena_malloc(struct nodeos_arena *arena, size_t bytes);
void *nodeos_arena_calloc(struct nodeos_arena *arena, size_t count, size_t bytes);
void *nodeos_arena_realloc(struct nodeos_arena *arena, void *block, size_t bytes);
void *nodeos_arena_aligned(struct nodeos_arena *arena, size_t alignment, size_t bytes);
void nodeos_arena_free(struct nodeos_arena *arena, void *block);
size_t nodeos_arena_usable_size(struct nodeos_arena *arena, const void *block);

/* Gives the blocks in this thread's cache back, as the end of a thread does. */
void nodeos_arena_flush(struct nodeos_arena *arena);

/* Counts; exact while no other thread uses the arena. */
void nodeos_arena_stats(struct nodeos_arena *arena, struct nodeos_arena_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif
