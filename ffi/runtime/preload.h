/* libnodeos-preload.so: memory of unmodified programs from the huge pages of their container; not an ABI.
 *
 *      preload.c         the environment, and pages from the kernel
 *      preload_heap.c    heaps that grow by such pages: one arena for each page size, and malloc's family on them
 *      preload_map.c     large anonymous mappings in huge pages; munmap, mprotect and others
 *      preload_pieces.c  what of these mappings a program still has, so that parts of them can be changed
 *      preload_static.c  the program's .data and .bss
 *      preload_report.c  what lies where, at the end
 *      memory_share*.c   of which NUMA node pages come, where the container has some of several
 *
 * Without NODEOS_HUGE_PAGES everything goes to the C library. */
#ifndef NODEOS_PRELOAD_H
#define NODEOS_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

#define PUBLIC __attribute__((visibility("default")))

enum { PAGE_SIZES_MAX = 2 };

struct preload {
        bool is_on;
        bool falls_back;  /* NODEOS_MEMORY_FALLBACK=1: ordinary pages where there are no others */
        bool is_lazy;     /* NODEOS_MEMORY_POPULATE=0: a page comes when it is touched first, from where that thread is */
        bool reports;     /* NODEOS_PRELOAD_REPORT=1 */
        bool is_ordinary; /* NODEOS_PRELOAD_PAGES=ordinary[:BYTES]: for tests, which have no huge pages */
        size_t ordinary_left;
        size_t pages[PAGE_SIZES_MAX];
        int page_count;
        size_t small_page; /* of ordinary memory */
        /* Bytes taken from the kernel, by what for; and those in ordinary pages instead. */
        size_t heap_bytes, map_bytes, static_bytes, fallback_bytes, left_bytes;
};

extern struct preload preload __attribute__((visibility("hidden")));

/* Pages of one size to read and write at an address, in place of what is there, or NULL: anywhere. The memory is there when it
 * returns. NULL and ENOMEM: what was at the address is there, or nothing can be accessed there. */
void *pages_take(void *at, size_t bytes, size_t page);
void pages_give(void *at, size_t bytes);
/* Addresses without memory, aligned to the page size; or in place of what is there. */
void *addresses_take(void *at, size_t bytes, size_t page);

/* 0, or -1 and errno. */
int heaps_start(void);
bool heaps_have(const void *pointer);
/* The program's static data to huge pages. 0, or -1 and errno; *ret_bytes is what it wanted. */
int static_move(size_t *ret_bytes);
void maps_start(void);
bool maps_have(const void *pointer);
void report_write(void);

/* The system calls, which the rest of the program sees our versions of. */
void *kernel_mmap(void *at, size_t bytes, int protection, int flags, int fd, long offset);
int kernel_munmap(void *at, size_t bytes);
void *kernel_mremap(void *at, size_t bytes, size_t new_bytes, int flags, void *to);
int kernel_mprotect(void *at, size_t bytes, int protection);
int kernel_madvise(void *at, size_t bytes, int advice);

#endif
