/* Paging by the calls of LLNL's UMap, under names of our own: a program that uses UMap ports by renaming, or by
 *
 *         #define NODEOS_UMAP_NAMES
 *         #include <nodeos_umap.h>    instead of umap/umap.h
 *
 * which gives it the names that it knows. Link with -lnodeos-paging; see PAGING.md. What fails returns -1, or NODEOS_UMAP_FAILED,
 * with errno. Everything may be called from any thread. */
#ifndef NODEOS_UMAP_H
#define NODEOS_UMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "nodeos_paging.h"

#ifdef __cplusplus
#include <cerrno>
#include <new>
extern "C" {
#endif

#define NODEOS_UMAP_PRIVATE MAP_PRIVATE /* what is written goes to the file all the same, as with UMap */
#define NODEOS_UMAP_SHARED MAP_SHARED   /* no different */
#define NODEOS_UMAP_FIXED MAP_FIXED     /* in place of what is at the address */
#define NODEOS_UMAP_FAILED ((void *) -1)

/* Pages of a file, from byte `offset` on, of any alignment and size. Protection is PROT_READ, or that and PROT_WRITE. Bytes behind
 * the end of the file read zero and are not written. The descriptor may be closed. EINVAL: another protection, no flag or an unknown
 * one, or a variable of the environment that has no meaning. EACCES: the descriptor is not open for that. EEXIST: NODEOS_UMAP_FIXED
 * over another region. EPERM: the kernel lets this user answer faults only in mode signal. */
NODEOS_PAGING_API void *nodeos_umap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
/* The same of a store, which it takes over, also on failure. Offset is in the store. */
NODEOS_PAGING_API void *nodeos_umap_store(void *address, size_t bytes, int protection, int flags, struct nodeos_store *store, off_t offset);
/* Writes back and unmaps the whole region that begins there; bytes are not looked at. EINVAL: none does. EIO and others: of
 * write-back; the region is gone. */
NODEOS_PAGING_API int nodeos_uunmap(void *address, size_t bytes);
/* Writes back what was written to any of these regions, and syncs; pages stay. */
NODEOS_PAGING_API int nodeos_umap_flush(void);

struct nodeos_umap_prefetch_item {
        void *page_base_addr;
};
/* Begins to read pages, and does not wait. Addresses that are nobody's are passed over. */
NODEOS_PAGING_API void nodeos_umap_prefetch(int count, struct nodeos_umap_prefetch_item *items);
/* Reads a range and keeps it from eviction, until as many unpins. ENOMEM: the buffer has no room for it. EINVAL: not of one region. */
NODEOS_PAGING_API int nodeos_umap_fetch_and_pin(char *address, uint64_t bytes);
NODEOS_PAGING_API int nodeos_umap_unpin(char *address, uint64_t bytes);
/* 1 where the kernel tells which pages were written. */
NODEOS_PAGING_API int nodeos_umap_has_write_support(void);

/* Settings: the call's, else the environment's, else the default. Those of the buffer hold for a buffer that is made at the first
 * region and goes with the last one; but its size holds at once.
 *
 *         NODEOS_UMAP_PAGESIZE                   bytes, a multiple of 4096                             4096
 *         NODEOS_UMAP_BUFSIZE                    such pages                                            90 % of the free memory
 *         NODEOS_UMAP_PAGE_FILLERS               threads that answer faults, of each region            2
 *         NODEOS_UMAP_PAGE_EVICTORS              threads that evict; 0: who needs a page does          0
 *         NODEOS_UMAP_EVICT_HIGH_WATER_THRESHOLD percent of the buffer from which they do              100
 *         NODEOS_UMAP_EVICT_LOW_WATER_THRESHOLD  and down to which                                     90
 *         NODEOS_UMAP_READ_AHEAD                 most pages of a stream at once; 1: none ahead         256
 *         NODEOS_UMAP_MAX_FAULT_EVENTS           kept for programs that ask; faults are taken singly   256
 *         NODEOS_UMAP_MODE                       thread, or signal: see PAGING.md                      thread
 */
NODEOS_PAGING_API uint64_t nodeos_umapcfg_get_umap_page_size(void);
NODEOS_PAGING_API uint64_t nodeos_umapcfg_get_max_pages_in_buffer(void);
NODEOS_PAGING_API uint64_t nodeos_umapcfg_get_num_fillers(void);
NODEOS_PAGING_API uint64_t nodeos_umapcfg_get_num_evictors(void);
NODEOS_PAGING_API int nodeos_umapcfg_get_evict_high_water_threshold(void);
NODEOS_PAGING_API int nodeos_umapcfg_get_evict_low_water_threshold(void);
NODEOS_PAGING_API uint64_t nodeos_umapcfg_get_read_ahead(void);
NODEOS_PAGING_API uint64_t nodeos_umapcfg_get_max_fault_events(void);
NODEOS_PAGING_API long nodeos_umapcfg_get_system_page_size(void);

/* EINVAL: a value without meaning; then nothing changes. */
NODEOS_PAGING_API int nodeos_umapcfg_set_umap_page_size(uint64_t bytes);
NODEOS_PAGING_API int nodeos_umapcfg_set_max_pages_in_buffer(uint64_t pages);
NODEOS_PAGING_API int nodeos_umapcfg_set_num_fillers(uint64_t threads);
NODEOS_PAGING_API int nodeos_umapcfg_set_num_evictors(uint64_t threads);
NODEOS_PAGING_API int nodeos_umapcfg_set_evict_high_water_threshold(int percent);
NODEOS_PAGING_API int nodeos_umapcfg_set_evict_low_water_threshold(int percent);
NODEOS_PAGING_API int nodeos_umapcfg_set_read_ahead(uint64_t pages);
NODEOS_PAGING_API int nodeos_umapcfg_set_max_fault_events(uint64_t events);
NODEOS_PAGING_API int nodeos_umapcfg_set_mode(enum nodeos_region_mode mode);

#ifdef __cplusplus
} /* extern "C" */

namespace nodeos {

/* A store of one's own in C++. Each call does all of it and returns the bytes, or -errno. Several threads call at once. It outlives
 * its regions, and belongs to who made it. */
class Store {
public:
        virtual ~Store() = default;
        virtual ssize_t read_from_store(char *buffer, size_t bytes, off_t offset) = 0;
        virtual ssize_t write_to_store(char *buffer, size_t bytes, off_t offset) = 0;
};

namespace detail {

struct Adapter {
        nodeos_store head;
        Store *store;

        static int result(ssize_t n, uint64_t bytes) {
                return n < 0 ? (int) n : (uint64_t) n == bytes ? 0 : -ENODATA;
        }
        static int read(nodeos_store *self, void *buffer, uint64_t bytes, uint64_t offset) {
                return result(reinterpret_cast<Adapter *>(self)->store->read_from_store((char *) buffer, bytes, (off_t) offset), bytes);
        }
        static int write(nodeos_store *self, const void *buffer, uint64_t bytes, uint64_t offset) {
                return result(reinterpret_cast<Adapter *>(self)->store->write_to_store((char *) buffer, bytes, (off_t) offset), bytes);
        }
        static void close(nodeos_store *self) {
                delete reinterpret_cast<Adapter *>(self);
        }
        static const nodeos_store_calls *calls() {
                static const nodeos_store_calls table = { read, write, nullptr, close };
                return &table;
        }
};

} // namespace detail

/* nodeos_umap of a store of one's own. The descriptor is not used. */
inline void *umap_ex(void *address, size_t bytes, int protection, int flags, int fd, off_t offset, Store *store) {
        detail::Adapter *adapter;

        if (!store)
                return nodeos_umap(address, bytes, protection, flags, fd, offset);
        adapter = new (std::nothrow) detail::Adapter();
        if (!adapter)
                return NODEOS_UMAP_FAILED;
        adapter->store = store;
        adapter->head.calls = detail::Adapter::calls();
        adapter->head.bytes = (uint64_t) offset + bytes;
        adapter->head.block_bytes = 1;
        adapter->head.flags = NODEOS_STORE_WRITE;
        adapter->head.plain_fd = -1;
        return nodeos_umap_store(address, bytes, protection, flags, &adapter->head, offset);
}

} // namespace nodeos
#endif

#ifdef NODEOS_UMAP_NAMES
#define UMAP_PRIVATE NODEOS_UMAP_PRIVATE
#define UMAP_FIXED NODEOS_UMAP_FIXED
#define UMAP_FAILED NODEOS_UMAP_FAILED
#define umap nodeos_umap
#define uunmap nodeos_uunmap
#define umap_flush nodeos_umap_flush
#define umap_prefetch_item nodeos_umap_prefetch_item
#define umap_prefetch nodeos_umap_prefetch
#define umap_fetch_and_pin nodeos_umap_fetch_and_pin
#define umap_has_write_support nodeos_umap_has_write_support
#define umapcfg_get_umap_page_size nodeos_umapcfg_get_umap_page_size
#define umapcfg_get_max_pages_in_buffer nodeos_umapcfg_get_max_pages_in_buffer
#define umapcfg_get_num_fillers nodeos_umapcfg_get_num_fillers
#define umapcfg_get_num_evictors nodeos_umapcfg_get_num_evictors
#define umapcfg_get_evict_high_water_threshold nodeos_umapcfg_get_evict_high_water_threshold
#define umapcfg_get_evict_low_water_threshold nodeos_umapcfg_get_evict_low_water_threshold
#define umapcfg_get_read_ahead nodeos_umapcfg_get_read_ahead
#define umapcfg_get_max_fault_events nodeos_umapcfg_get_max_fault_events
#define umapcfg_get_system_page_size nodeos_umapcfg_get_system_page_size
#ifdef __cplusplus
namespace Umap = nodeos;
#endif
#endif

#endif
