/* Paging from user space: a range of addresses whose pages come from a store when they are touched, and go back to it when the
 * buffer is full. Link with -lnodeos-paging; see PAGING.md.
 *
 *         struct nodeos_store *store;
 *         struct nodeos_region *region;
 *         int error = nodeos_store_file("/data/huge.dat", NODEOS_STORE_WRITE, 0, 0, &store);
 *
 *         if (error == 0)
 *                 error = nodeos_region_map(NULL, store, NULL, &region);
 *         if (error < 0)
 *                 return fprintf(stderr, "%s\n", strerror(-error)), 1;
 *         values = nodeos_region_address(region);
 *
 * Functions that can fail return 0, or -errno. A page that its store cannot give is poisoned: who touches it gets SIGBUS with
 * its address, and nodeos_region_error says why. Everything may be called from any thread. */
#ifndef NODEOS_PAGING_H
#define NODEOS_PAGING_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NODEOS_PAGING_API __attribute__((visibility("default")))

struct nodeos_store;
struct nodeos_buffer;
struct nodeos_region;

/* --- stores: where pages come from --------------------------------------------------------------------------------------- */

enum {
        NODEOS_STORE_WRITE = 1,       /* what is written to the region goes back to the store */
        NODEOS_STORE_DIRECT = 2,      /* past the page cache of the kernel (O_DIRECT) */
        NODEOS_STORE_SIGNAL_SAFE = 4, /* reads and writes call nothing but what a signal handler may */
        NODEOS_STORE_CREATE = 8,      /* what is not there is made, with the size that is given */
};

/* What a store does. Offsets and sizes are in bytes, within [0, bytes) of the store, multiples of block_bytes but at its end.
 * Several threads call at the same time, for ranges of their own. Each returns 0, or -errno: a call does all of it or fails, and
 * a store that has fewer bytes than it said fails with ENODATA. Our own answer other ranges with EINVAL, and use 2 KiB of stack. */
struct nodeos_store_calls {
        int (*read)(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset);
        /* NULL: the store cannot be written. A page of 4 KiB is written whole or not at all, also by a process that is killed; in a
         * file that is so where the page begins at a multiple of 4096. */
        int (*write)(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset);
        /* What was written is on its medium afterwards. NULL: nothing to do. */
        int (*sync)(struct nodeos_store *store, uint64_t bytes, uint64_t offset);
        /* Gives everything free, the store itself too. Nobody calls any more. */
        void (*close)(struct nodeos_store *store);
};

/* A store of one's own begins with this. */
struct nodeos_store {
        const struct nodeos_store_calls *calls;
        uint64_t bytes;
        uint32_t block_bytes; /* 1: reads and writes may begin and end anywhere; power of two, at most 4096 */
        uint32_t flags;       /* NODEOS_STORE_WRITE, NODEOS_STORE_SIGNAL_SAFE */
        int plain_fd;         /* a file whose bytes are the store's, from plain_offset on, or -1: it may be mapped as it is */
        uint64_t plain_offset;
};

/* A part of a file, of a block device, or of an object in a container's memory: also one in huge pages, or a device of memory. bytes 0
 * is as far as it goes; with NODEOS_STORE_CREATE and bytes a file that is missing is made, and one that is shorter grows.
 * ENODATA: the file ends before. EISDIR, EINVAL: it is a directory, or something else that has no pages; flags or the range make no
 * sense. EOPNOTSUPP: its file system has no O_DIRECT. ENOSPC of a write: no huge page is free. */
NODEOS_PAGING_API int nodeos_store_file(const char *path, uint32_t flags, uint64_t offset, uint64_t bytes, struct nodeos_store **ret);
/* The same of an open file, which the store duplicates. EACCES: it was not opened for what flags say; reading is always needed. */
NODEOS_PAGING_API int nodeos_store_descriptor(int fd, uint32_t flags, uint64_t offset, uint64_t bytes, struct nodeos_store **ret);

/* One part of a store that is made of several. */
struct nodeos_store_part {
        const char *path;
        uint64_t file_offset;
        uint64_t bytes; /* 0: as far as the file goes */
};
/* Parts of files, one behind the other; errors are those of nodeos_store_file, of the first part that has one. At most 256 files, or a
 * quarter of what the process may have, are open at a time. ESTALE of a read or write: another file has the name by now. */
NODEOS_PAGING_API int nodeos_store_parts(const struct nodeos_store_part *parts, uint32_t count, uint32_t flags, struct nodeos_store **ret);

/* A directory of files of `granule` bytes each, made when they are first written; what no file has is zeroes. The directory says
 * its size and granule in a file `_metadata`: bytes and granule are 0 for one that is there (without NODEOS_STORE_CREATE), or the same.
 * EINVAL: the granule is no multiple of 4096, or there would be more than 2^24 files. ENOENT: there is no `_metadata`. EUCLEAN: it makes
 * no sense. EEXIST: the store is there, of other sizes. ENOTEMPTY: there are other files. EBUSY: another store writes to it. */
NODEOS_PAGING_API int nodeos_store_sparse(const char *directory, uint32_t flags, uint64_t bytes, uint64_t granule, struct nodeos_store **ret);

/* Images of FITS files as one array of native 32-bit floats: tiles one behind the other, each of `count` values that begin at
 * file_offset. Read only. What is BLANK is NaN. Errors are those of nodeos_store_parts; EINVAL: no such BITPIX, or no values at all. */
struct nodeos_store_tile {
        const char *path; /* NULL: a missing tile, all NaN */
        uint64_t file_offset;
        uint64_t count;
        int32_t bitpix; /* 8, 16, 32, 64, -32, -64 */
        int32_t has_blank;
        int64_t blank;
        double scale, zero; /* value = zero + scale * stored */
};
NODEOS_PAGING_API int nodeos_store_fits(const struct nodeos_store_tile *tiles, uint32_t count, struct nodeos_store **ret);

/* Another store behind a tier of compressed memory (zstd): what is written stays in tier_bytes of memory (64 KiB to 128 GiB; beside it
 * there is about 1 MiB to work in), and goes to `below` when there is no more room, at sync and at close; what is read from there stays
 * too. below NULL: memory alone, of `bytes`. bytes is 0, or what `below` has, otherwise. Takes `below` over, also on failure.
 * EOPNOTSUPP: there is no libzstd.so.1. EINVAL: a size or the level makes no sense. Of a write: ENOSPC, memory alone is full; or the
 * error of `below`, whose pages stay in the tier until it takes them. EIO of a read: a page did not unpack. */
NODEOS_PAGING_API int nodeos_store_compressed(struct nodeos_store *below, uint64_t bytes, uint64_t tier_bytes, int level,
                                              struct nodeos_store **ret);

/* Ends a store that no region has taken. */
NODEOS_PAGING_API void nodeos_store_close(struct nodeos_store *store);

/* --- buffers: how much memory regions may have ---------------------------------------------------------------------------- */

struct nodeos_buffer_options {
        uint32_t size; /* sizeof(struct nodeos_buffer_options) */
        uint32_t low_percent, high_percent; /* evicts from high down to low; 0: 90 and 100 */
        uint32_t evictors;                  /* threads that evict from high on; 0: who needs a page evicts */
        uint64_t bytes;                     /* of pages and of what manages them; at least 16 pages */
};
/* EINVAL: fewer than 16 pages, or percentages that do not ascend to 100. */
NODEOS_PAGING_API int nodeos_buffer_create(const struct nodeos_buffer_options *options, struct nodeos_buffer **ret);
/* Another limit; what is above it is evicted before this returns. EINVAL: fewer than 16 pages of a region. ENOMEM: pinned pages leave
 * too little room. */
NODEOS_PAGING_API int nodeos_buffer_resize(struct nodeos_buffer *buffer, uint64_t bytes);
/* EBUSY: regions use it. ESRCH: it is that of a parent. */
NODEOS_PAGING_API int nodeos_buffer_close(struct nodeos_buffer *buffer);

/* --- regions -------------------------------------------------------------------------------------------------------------- */

enum nodeos_region_mode {
        NODEOS_MODE_AUTO,   /* signal where the store can, else thread */
        NODEOS_MODE_SIGNAL, /* answered in the thread that faults: fast; system calls on absent pages fail with EFAULT */
        NODEOS_MODE_THREAD, /* answered by threads of the region: system calls wait as any access does */
        NODEOS_MODE_PLAIN,  /* mapped by the kernel: no budget, no transform; AUTO never chooses it where a buffer is given */
};

enum nodeos_region_memory {
        NODEOS_MEMORY_AUTO,
        NODEOS_MEMORY_COPY,   /* pages are copied in, and dropped */
        NODEOS_MEMORY_MOVE,   /* long streams recycle pages by moving them (Linux 6.8) */
        NODEOS_MEMORY_SHARED, /* a file in memory that several processes share; read only (Linux 5.13) */
};

enum nodeos_region_tracking {
        NODEOS_TRACKING_AUTO,  /* FAULT, but for pages that come writable because a write is expected: their content tells */
        NODEOS_TRACKING_FAULT, /* the first write to a page is a fault, always */
        NODEOS_TRACKING_SCAN,  /* the kernel notes writes, flush asks for them (Linux 6.7); what is evicted is always written */
        NODEOS_TRACKING_NONE,  /* read only */
};

struct nodeos_region_options {
        uint32_t size; /* sizeof(struct nodeos_region_options) */
        uint32_t mode, memory, tracking;
        uint32_t threads;         /* of mode thread, to begin with; 0: 2 */
        uint32_t window_pages;    /* most pages that a stream is given at once; 1: none ahead; 0: 256 */
        uint64_t page_bytes;      /* granule of faults: multiple of 4096; 0: 4096; 2 MiB takes huge pages where the kernel moves */
        void *address;            /* where; NULL: anywhere. Must be free, and a multiple of the page size */
        uint64_t bytes;           /* 0: as many as the store has; more than that reads as zeroes, and is not written */
        int shared_fd;            /* of memory SHARED: a memfd of the same size that others have, -1: a new one */
        uint32_t read_only;       /* writes are SIGSEGV */
};
/* Maps a store, and takes it over, also on failure. buffer NULL: one that all such regions share (NODEOS_UMAP_BUFSIZE, else 90 %
 * of the free memory at first use). EPERM: the kernel lets this user have no userfaultfd for the mode. EOPNOTSUPP: this kernel
 * lacks what is asked. EEXIST: something is at the address. */
NODEOS_PAGING_API int nodeos_region_map(struct nodeos_buffer *buffer, struct nodeos_store *store,
                                        const struct nodeos_region_options *options, struct nodeos_region **ret);
/* Writes back and unmaps. Returns the first error of write-back since the last flush; the region is gone in any case. */
NODEOS_PAGING_API int nodeos_region_unmap(struct nodeos_region *region);
NODEOS_PAGING_API void *nodeos_region_address(const struct nodeos_region *region);
NODEOS_PAGING_API uint64_t nodeos_region_bytes(const struct nodeos_region *region);
/* The region that an address lies in, or NULL. */
NODEOS_PAGING_API struct nodeos_region *nodeos_region_at(const void *address);
/* The memfd of memory SHARED, or -1. */
NODEOS_PAGING_API int nodeos_region_shared_fd(const struct nodeos_region *region);

/* Ranges are in bytes from the region's beginning, of any alignment: all pages that they touch. bytes 0: to the end.
 * Writes back what was written, ascending, and syncs the store. Pages stay. EIO and others: of the first page that failed; the
 * rest is written all the same. */
NODEOS_PAGING_API int nodeos_region_flush(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
/* Reads pages that are absent; returns when they are there, as far as the buffer holds them. For system calls in mode signal. */
NODEOS_PAGING_API int nodeos_region_populate(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
/* The same without waiting. */
NODEOS_PAGING_API int nodeos_region_prefetch(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
/* Writes back and drops. Pinned pages stay. */
NODEOS_PAGING_API int nodeos_region_evict(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
/* Populates, and keeps from eviction until as many unpins. Pinned pages are written by flush and unmap alone, so that a program
 * that pins decides their order. ENOMEM: the buffer has no room for them beside other pinned ones; then none is pinned. */
NODEOS_PAGING_API int nodeos_region_pin(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
NODEOS_PAGING_API int nodeos_region_unpin(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
/* Copies out of or into a region without a fault: for those who have no pointer. */
NODEOS_PAGING_API int nodeos_region_read(struct nodeos_region *region, void *buffer, uint64_t bytes, uint64_t offset);
NODEOS_PAGING_API int nodeos_region_write(struct nodeos_region *region, const void *buffer, uint64_t bytes, uint64_t offset);
/* Poisoned pages are asked of the store again at their next touch. */
NODEOS_PAGING_API int nodeos_region_forgive(struct nodeos_region *region, uint64_t offset, uint64_t bytes);
/* Why a page failed: its errno, 0 when it did not. */
NODEOS_PAGING_API int nodeos_region_error(const struct nodeos_region *region, uint64_t offset);

/* Counts since the region was mapped. */
struct nodeos_region_statistics {
        uint64_t faults;        /* that were answered, first writes too */
        uint64_t first_writes;  /* of them, to pages that were there */
        uint64_t read_pages, written_pages, evicted_pages, ahead_pages; /* of 4 KiB; ahead: read without being asked for */
        uint64_t moved_pages;   /* of the evicted ones, recycled by move */
        uint64_t reads, writes; /* calls of the store */
        uint64_t waits;         /* for another thread's fill or write-back of the page */
        uint64_t errors;        /* pages that a store failed at */
        uint64_t resident_pages, dirty_pages, pinned_pages; /* now; dirty: pages that a write is expected of, too */
};
NODEOS_PAGING_API void nodeos_region_statistics(const struct nodeos_region *region, struct nodeos_region_statistics *ret);

#ifdef __cplusplus
}
#endif

#endif
