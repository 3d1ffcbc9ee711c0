/* Shared by the engine's files; not part of the interface. How it works is in PAGING.md.
 *
 * Rules. The lock of a buffer guards the states of all pages of its regions. It is held for moments, never at a call of a store
 * or of the kernel. Who works on a page sets a state that says so (BUSY), and others wait for its end. What a fault may reach is
 * safe in a signal handler: it takes its memory from slots, and calls nothing of libc that locks. */
#ifndef NODEOS_PAGING_INTERNAL_H
#define NODEOS_PAGING_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "nodeos_paging.h"

#define SMALL_BYTES UINT64_C(4096)
#define HUGE_BYTES (UINT64_C(2) << 20)
#define PAGE_BYTES_MAX (UINT64_C(16) << 20)
#define WRITE_BYTES_MAX (UINT64_C(1) << 20)
#define STREAMS 16
#define EVENTS 64
#define FAILURES 64
#define BATCH 128
#define SLOTS_MAX 32
#define THREADS_MAX 16
#define STAGES 8
#define MOVED_MIN 16 /* pages of 4 KiB from which on moving is cheaper than copying */
#define HOLD 0x10000 /* in counts of pins */

/* --- lock.c: locks and waiting -------------------------------------------------------------------------------------------- */

struct lock {
        atomic_uint word; /* 0: free, 1: held, 2: held and somebody waits */
};
void lock_take(struct lock *lock);
void lock_release(struct lock *lock);

/* Something that happens again and again under a lock. */
struct event {
        atomic_uint count;
        atomic_uint waiters;
};
/* Waits for the next one; the lock is held, and is again afterwards. */
void event_wait(struct event *event, struct lock *lock);
/* The same for that long at most. False: it did not happen. */
bool event_wait_for(struct event *event, struct lock *lock, int milliseconds);
/* It happened: wakes all. The lock is held, so nobody misses it. */
void event_happens(struct event *event);

/* --- table.c: what another process sees ------------------------------------------------------------------------------------ */

#define TABLE_MAGIC UINT64_C(0x474150534f45444f) /* "ODEOSPAG" */
#define TABLE_VERSION 1
#define TABLE_HEADER_BYTES 4096

/* States of a page. The byte of a page in the table has LISTED too. */
enum {
        ABSENT,
        CLEAN, /* write-protected, where writes are tracked by faults */
        DIRTY, /* and writable */
        POISONED,
        FILLING, /* this and what follows is BUSY: whoever set it will change it */
        CHANGING,
        WRITING_BACK, /* and in memory, unless the program drops it meanwhile */
        EVICTING,     /* it may be gone already */
        BUSY = FILLING,
        STATE_MASK = 0x0f,
        WAS_WRITTEN = 0x10, /* since it came */
        LOST = 0x20,     /* the program unmapped it itself */
        LISTED = 0x40,   /* an extent of the buffer covers it */
        EXPECTED = 0x80, /* it is writable although nobody wrote yet: its content says whether it is dirty */
};

/* The beginning of the memfd `nodeos-paging` of a region; the states follow at TABLE_HEADER_BYTES, a byte a page. Other processes
 * read it by /proc/PID/fd: what changes here changes the version. */
struct table {
        uint64_t magic;
        uint32_t version, header_bytes;
        uint64_t address, bytes; /* of the region */
        uint64_t page_bytes, pages;
        uint64_t store_bytes;
        uint32_t mode, memory, tracking, writable;
        uint64_t limit_bytes, buffer_bytes; /* of the buffer: what it may have, what it has */
        struct nodeos_region_statistics statistics;
        char name[256]; /* of the store: a path, or "" */
};

/* Makes table and states of a region whose sizes are set. */
int table_create(struct nodeos_region *region);
void table_free(struct nodeos_region *region);
/* What it says of the buffer. The lock is held. */
void table_note(struct nodeos_region *region);

/* --- buffers ---------------------------------------------------------------------------------------------------------------- */

struct extent {
        struct nodeos_region *region; /* NULL: it is gone */
        uint64_t first : 40, count : 24;
};

/* A run of pages of one region that are on their way out. */
struct victim {
        struct nodeos_region *region;
        uint64_t first;
        uint32_t count;
        bool dirty, failed;
        uint32_t moved; /* pages of 4 KiB, all of them or none, that are at `stage` */
        bool written;   /* from there */
        uint32_t gone;  /* of the first pages, although it failed */
        char *stage;
};

/* What one fault or call works with. */
struct slot {
        struct slot *next;
        char *bounce; /* PAGE_BYTES_MAX of addresses */
        uint64_t touched; /* bytes of it that are charged to the buffer */
        uint32_t victims_count;
        uint64_t victims_small; /* pages of 4 KiB in them */
        int stage_uffd;
        char *stage;          /* where victims are moved to, to be filled anew; NULL: they are dropped */
        uint64_t stage_wanted, staged; /* bytes; what is staged counts as resident */
        struct hash *hash; /* where to note what a page was when it came; NULL: nobody asks */
        bool skipped;   /* dirty pages that a signal handler may not write */
        bool temporary; /* of its own mapping */
        struct victim victims[BATCH];
        struct iovec iov[BATCH];
};

/* 128 bits. */
struct hash {
        uint64_t low, high;
};

/* What a page was when it came. */
struct expectation {
        struct nodeos_region *region;
        uint64_t page;
        struct hash hash;
};

struct nodeos_buffer {
        struct lock lock;
        uint32_t low_percent, high_percent;
        /* In pages of 4 KiB: what it may have; what is not for pages; what is in memory, comes or goes; what is pinned. */
        uint64_t limit, overhead, resident, pinned;
        uint64_t bounced;  /* of overhead, behind bounces of slots */
        uint32_t evicting; /* of the busy ones, those that make room */
        uint32_t busy;     /* operations that hold reserved or busy pages, and will end */
        uint32_t regions;
        unsigned generation; /* of processes, as a region's */
        uint32_t small_most; /* pages of 4 KiB in a page of a region */
        uint32_t windows; /* most pages of 4 KiB in a window */
        bool needs_evictor; /* a region's store cannot write in a signal handler */
        struct event room;  /* an operation ended */
        struct extent *ring;
        uint64_t head, tail, capacity;
        struct expectation *expected; /* by a hash of region and page; paid for from the first on */
        uint64_t expected_count;
        bool expects;
        struct slot *slots;  /* free ones */
        struct slot *slots_all;
        uint32_t slots_count;
        struct event slot_freed;
        struct event evictor_wanted;
        bool evictor_asked;
        atomic_uint stop;
        uint32_t evictors;
        pthread_t *evictor_threads;
        char *bounces;
};

/* What a caller may do: bits. */
enum {
        IN_SIGNAL = 1, /* only what a signal handler may */
        NESTED = 2,    /* within a store's call: waiting for room could be waiting for oneself */
        AHEAD = 4,     /* nobody asked for the page: no poison */
};

struct nodeos_buffer *buffer_default(void);
/* Slots. The lock is held, and slot_take lets it go while it waits. NULL: no memory for one more (NESTED). */
struct slot *slot_take(struct nodeos_buffer *buffer, uint32_t flags);
void slot_give(struct nodeos_buffer *buffer, struct slot *slot);
/* How many bytes of the bounce may be used, and that they are. The lock is held. */
uint64_t slot_limit(const struct nodeos_buffer *buffer, const struct slot *slot);
void slot_charge(struct nodeos_buffer *buffer, struct slot *slot, uint64_t bytes);
static inline uint64_t buffer_available(const struct nodeos_buffer *buffer) {
        return buffer->limit > buffer->overhead + 4 ? buffer->limit - buffer->overhead : 4;
}
/* Some room is left for faults. */
static inline bool may_be_pinned(const struct nodeos_buffer *buffer, uint64_t small) {
        return small == 0 || small + buffer_available(buffer) / 8 + 2 <= buffer_available(buffer);
}
/* Pages of victims are cheaper than new ones, so that a stream takes them also while some room is left. */
static inline bool is_nearly_full(const struct nodeos_buffer *buffer) {
        return buffer->resident > buffer_available(buffer) - buffer_available(buffer) / 8;
}
/* Gives back what free slots have of it. The lock is held. */
void slots_shrink(struct nodeos_buffer *buffer);
/* Notes pages that came, for eviction in this order. The lock is held. */
void ring_push(struct nodeos_buffer *buffer, struct nodeos_region *region, uint64_t first, uint64_t count);
void ring_forget(struct nodeos_buffer *buffer, const struct nodeos_region *region);
/* Reserves room for pages of 4 KiB. The lock is held, and let go meanwhile. -errno: nothing can be evicted. `least` is a
 * page: what is more is not worth a long wait. */
int room_take(struct nodeos_buffer *buffer, struct slot *slot, uint64_t small, uint64_t least, uint32_t flags);
/* An operation that holds busy pages begins and ends. The lock is held. */
void busy_begin(struct nodeos_buffer *buffer);
void busy_end(struct nodeos_buffer *buffer);

/* --- victims.c, evict.c, writeback.c ----------------------------------------------------------------------------------------------- */

/* Chooses victims for `small` pages of 4 KiB from the ring into the slot. The lock is held. */
void victims_choose(struct nodeos_buffer *buffer, struct slot *slot, uint64_t small, uint32_t flags);
/* The same of a range, up to the returned page. */
uint64_t victims_of_range(struct nodeos_region *region, struct slot *slot, uint64_t first, uint64_t end);
/* Writes back and drops them. The lock is held, and let go meanwhile. Returns how many pages of 4 KiB it freed. */
uint64_t victims_evict(struct nodeos_buffer *buffer, struct slot *slot, int *ret_error);
/* Write-protects a run of pages that are WRITING_BACK, and writes it. Without the lock. Returns the first error, and the range in
 * which pages failed (first = end: none): it is writable again. */
int writeback(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_failed, uint64_t *ret_failed_end);
/* This thread is within writeback of a page: who else would bring what the program drops meanwhile? */
bool is_own_writeback(const struct nodeos_region *region, uint64_t page);
/* Pages stop being WRITING_BACK: what is on its way in comes first. The lock is held, and let go meanwhile. */
void writeback_end(struct nodeos_region *region);
/* From any memory, and from the region's own, whatever the program has done to it. */
int store_write(struct nodeos_region *region, const char *from, uint64_t bytes, uint64_t offset);
int memory_write(struct nodeos_region *region, uint64_t bytes, uint64_t offset);
/* One page of 4 KiB. What the program has dropped is as the store has it. */
int small_write(struct nodeos_region *region, uint64_t small);
/* Gives memory back; no lock. */
void runs_drop(const struct nodeos_region *region, struct iovec *iov, uint32_t count);

/* --- regions ---------------------------------------------------------------------------------------------------------------- */

struct stream {
        uint64_t low, high; /* the pages it was given last */
        uint64_t last;
        int64_t stride;
        uint32_t pages, hits; /* 0 pages: not in use */
};

struct streams {
        struct stream streams[STREAMS];
        uint32_t next;
};

struct window {
        uint64_t first;
        uint64_t count;
        int64_t stride; /* not 0: pages at this distance, `strides` of them, are worth reading too */
        uint32_t strides;
};

struct failure {
        uint64_t page;
        int error;
};

struct nodeos_region {
        char *address;
        uint64_t bytes, page_bytes, pages;
        uint32_t small; /* pages of 4 KiB in a page */
        uint32_t window_pages;
        struct nodeos_store *store;
        struct nodeos_buffer *buffer;
        uint32_t mode, memory, tracking;
        bool writable;
        bool tracked; /* first writes are faults */
        bool foresees; /* but those that are expected */
        bool guarded; /* mapped writable, because only such pages can be moved, but writes are not allowed */
        int uffd, table_fd, shared_fd, pagemap_fd;
        unsigned generation; /* of processes: a child of fork has none of its parent's regions */
        struct table *table;
        uint8_t *states;
        uint64_t *charged; /* a bit for each SMALL_BYTES of states that the buffer pays for */
        uint32_t *pins;    /* of each page, and HOLD for each read or write that copies; NULL: none ever */
        uint64_t *pins_charged; /* a bit for each SMALL_BYTES of pages, behind them */
        uint64_t pins_overhead;
        struct streams reading, writing;
        uint32_t expects; /* the share of pages read that were written, lately */
        struct event events[EVENTS];
        struct failure failures[FAILURES];
        uint32_t failures_count;
        int error; /* the first of write-back since the last flush */
        uint32_t rescues; /* pages on their way in that are written back */
        struct event rescued;
        atomic_uint users;    /* who holds a pointer to it */
        atomic_uint faulting; /* of them, who answers a fault */
        atomic_uint closing;
        bool has_lost, has_events, sees_events;
        bool poisons; /* the kernel marks pages that cannot be had */
        atomic_uint closed;
        char *bell;    /* a page by which threads are told to end */
        char *stages;  /* STAGES of window_pages */
        char *nursery; /* the same, where huge pages come into being: not watched */
        uint64_t mapped; /* bytes at address */
        char *annex;     /* where bell, stages and nursery lie */
        uint64_t annex_bytes, annex_watched;
        uint32_t stages_used;
        struct lock scan_lock; /* of scan_stage, of window_pages; held at calls of the store */
        char *scan_stage;
        _Atomic uint32_t threads_count;
        atomic_uint waiting; /* of them, for something that others do */
        struct lock spawning;
        struct lock reader; /* whose holder reads faults: of several that wait in the kernel, each fault would wake all */
        _Atomic uint32_t read_us; /* what reads of the store take, lately */
        pthread_t threads[THREADS_MAX];
};

static inline unsigned state_of(const struct nodeos_region *region, uint64_t page) {
        return region->states[page] & STATE_MASK;
}
static inline void state_set(struct nodeos_region *region, uint64_t page, unsigned state) {
        unsigned gone = STATE_MASK;

        if (state == ABSENT || state == CLEAN || state == POISONED)
                gone |= EXPECTED;
        if (state == ABSENT)
                gone |= WAS_WRITTEN;
        region->states[page] = (uint8_t) ((region->states[page] & ~gone) | state);
}
static inline bool is_pinned(const struct nodeos_region *region, uint64_t page) {
        return region->pins && region->pins[page];
}
/* Any page of it may be written. */
static inline bool is_scanned(const struct nodeos_region *region) {
        return region->tracking == NODEOS_TRACKING_SCAN;
}
/* Pages in one call of the store. */
static inline uint64_t write_most(const struct nodeos_region *region) {
        return region->page_bytes < WRITE_BYTES_MAX ? WRITE_BYTES_MAX / region->page_bytes : 1;
}
static inline char *page_address(const struct nodeos_region *region, uint64_t page) {
        return region->address + page * region->page_bytes;
}
static inline struct nodeos_region_statistics *counts(struct nodeos_region *region) {
        return &region->table->statistics;
}
/* Whether the states of a page were ever touched: looking at others would take memory. */
static inline bool is_charged(const struct nodeos_region *region, uint64_t page) {
        return region->charged[page / SMALL_BYTES / 64] >> (page / SMALL_BYTES % 64) & 1;
}

/* Waits until a page's state may be another; the lock is held. */
void page_wait(struct nodeos_region *region, uint64_t page);
/* Sets the state of busy pages, and wakes who waits for them. The lock is held. */
void pages_set(struct nodeos_region *region, uint64_t first, uint64_t count, unsigned state);
/* Pays for the states of a page, before they are looked at. The lock is held. */
void page_charge(struct nodeos_region *region, uint64_t page);
void failure_note(struct nodeos_region *region, uint64_t page, int error);
int failure_of(const struct nodeos_region *region, uint64_t page);
void failure_forget(struct nodeos_region *region, uint64_t page);

/* fault.c, fill.c. -errno: the page is poisoned. Else: go on with the access; RETRY: who waits in the kernel for the page has not been
 * woken. */
int region_fault(struct nodeos_region *region, uint64_t page, bool is_write, uint32_t flags);
/* The kernel's mark, where pages have it: on what is not there. The lock is held, so that it goes with the state. */
void page_poison(const struct nodeos_region *region, uint64_t page);
/* A page cannot be had: who asked for it has to hear why. The lock is held. */
void note_failed(struct nodeos_region *region, uint64_t page, int error, uint32_t flags);
/* Reads absent pages of a window. The lock is held, and let go meanwhile. -errno: that of the page `wanted`. */
int window_fill(struct nodeos_region *region, struct slot *slot, struct window window, uint64_t wanted, bool is_write, uint32_t flags);
/* Not an errno: the address is mapped no more. */
#define GONE 1
#define RETRY 2
/* What the kernel says of addresses; a store may say the same of something else. */
static inline int gone(int error) {
        return error == -ENOENT || error == -ESRCH ? GONE : error;
}
/* The most pages of a window now. */
uint64_t window_most(const struct nodeos_region *region, const struct slot *slot, bool is_dirty);
/* Reads and maps pages that are claimed, by way of the stage, if there is one. No lock. */
int pages_bring(struct nodeos_region *region, struct slot *slot, struct window window, char *stage, bool protect);
/* Reads what is absent of [first, end) and waits for what others read. The lock is held, and let go meanwhile. is_write: all of it
 * is dirty afterwards. Returns the first error, with the other pages there. */
int range_fill(struct nodeos_region *region, struct slot *slot, uint64_t first, uint64_t end, bool is_write, uint32_t flags);
/* A write to a clean page, and the stream that it may be part of. The lock is held, and let go meanwhile. */
void page_write(struct nodeos_region *region, uint64_t page);
/* Within a call of a store. */
bool is_nested(void);
void nest(int by);
int store_read(struct nodeos_region *region, void *to, uint64_t bytes, uint64_t offset);

/* window.c: the pages to read with one that was asked for, and is absent. The lock is held. */
struct window window_plan(struct nodeos_region *region, struct streams *streams, uint64_t page, unsigned state, uint64_t most);

/* content.c: what the memory of a region holds. The kernel's map of pages of 4 KiB, a part of it at a time, up to `end`. */
#define LOOK_PAGES 32
struct look {
        uint64_t first, count, end;
        uint64_t entries[LOOK_PAGES];
};
bool is_in_memory(const struct nodeos_region *region, struct look *look, uint64_t small);
/* How many pages of 4 KiB the kernel has of one that we count as present: others the program dropped. */
uint64_t count_in_memory(const struct nodeos_region *region, uint64_t page);
bool memory_is_readable(const char *from, uint64_t bytes);
/* By the kernel: nobody may be allowed to read it. */
bool memory_copy(const char *from, char *to, uint64_t bytes);

/* expect.c: writes that come soon after a read. Whether the claimed page of a window is one: it is dirty then as soon as it is there,
 * and expect_note says what it was. The lock is held. */
bool expect_begin(struct nodeos_region *region, struct window window);
void expect_note(struct nodeos_region *region, uint64_t page, const struct hash *hash);
void expect_hash(const char *page, struct hash *ret);
/* False: nobody wrote to it since it came, so that it need not be written back. The page is ours, and protected. No lock. */
bool expect_is_changed(const struct nodeos_region *region, uint64_t page);
/* A page was read, and is written, or goes without. The lock is held. */
void expect_learn(struct nodeos_region *region, bool was_written);
void expect_forget(struct nodeos_buffer *buffer, const struct nodeos_region *region);
void expect_prepare(void);

/* move.c: pages that are recycled. A stage for a window that is worth it; then what room_take moved there is read over and moved in.
 * The lock is held. */
bool stage_is_free(const struct nodeos_region *region, bool is_dirty);
void stage_take(struct nodeos_region *region, struct slot *slot, struct window window, bool is_dirty);
/* Where to read to: the stage, if it is full. */
char *stage_source(struct nodeos_region *region, struct slot *slot, uint64_t bytes);
/* Moves in what is at `from`, or copies it. -ENOENT: nothing is mapped there. Without the lock. */
int memory_fill(struct nodeos_region *region, uint64_t offset, const char *from, uint64_t bytes, bool protect);
int memory_move(struct nodeos_region *region, uint64_t offset, char *from, uint64_t bytes, bool protect);
/* Drops what is still there. The lock is held, and let go meanwhile. */
void stage_give(struct nodeos_region *region, struct slot *slot);
/* Moves victims to the slot's stage, before they are written. No lock. */
void victims_move(struct slot *slot);
/* Drops what is there, as a victim went back. No lock. */
void stage_spoil(struct slot *slot);

/* region_choose.c, region_memory.c. */
int region_choose(struct nodeos_region *region, const struct nodeos_region_options *options, bool has_buffer);
int region_map_memory(struct nodeos_region *region, void *wanted);
int region_watch(struct nodeos_region *region);
void region_unmap_memory(struct nodeos_region *region);
/* A write to what may only be read, but is mapped writable: as the thread tries again it is SIGSEGV, from the kernel itself. */
void region_refuse_write(struct nodeos_region *region, uint64_t page);

/* pin.c: of the counts, and what is charged for them. */
uint64_t pins_bytes(const struct nodeos_region *region);

/* plain.c: the same calls for mode plain. */
bool plain_can(const struct nodeos_store *store, uint64_t bytes);
int plain_map(struct nodeos_region *region, void *wanted);
int plain_populate(const struct nodeos_region *region, uint64_t offset, uint64_t bytes);
int plain_prefetch(const struct nodeos_region *region, uint64_t offset, uint64_t bytes);
int plain_flush(const struct nodeos_region *region, uint64_t offset, uint64_t bytes);
int plain_evict(const struct nodeos_region *region, uint64_t offset, uint64_t bytes);
int plain_pin(const struct nodeos_region *region, uint64_t offset, uint64_t bytes, bool on);
int plain_transfer(const struct nodeos_region *region, void *buffer, uint64_t bytes, uint64_t offset, bool is_write);
uint64_t plain_resident(const struct nodeos_region *region);

/* shared.c: memory SHARED. */
int shared_map(struct nodeos_region *region, int shared_fd);
int shared_bring(struct nodeos_region *region, struct slot *slot, struct window window);

/* scan.c: tracking SCAN. written: pages of 4 KiB. */
int scan_write(struct nodeos_region *region, uint64_t first, uint64_t count, uint64_t *ret_written);
/* gone: how many of its first pages went before it failed. */
int scan_evict(struct nodeos_region *region, uint64_t first, uint64_t count, uint32_t *ret_gone);

/* events.c: what the program unmaps itself. */
struct uffd_msg;
void event_handle(struct nodeos_region *region, const struct uffd_msg *message);
int events_add(struct nodeos_region *region);
void events_remove(struct nodeos_region *region);
void events_reset(void);

/* prefetch.c: forgets what was asked of a region that is being unmapped. */
void prefetch_forget(struct nodeos_region *region);
/* A child of fork begins without regions. */
void registry_reset(void);
void prefetch_reset(void);
void buffer_reset(void);

/* registry.c: regions by address. */
int registry_add(struct nodeos_region *region);
void registry_remove(struct nodeos_region *region);
/* What is left to be done of a region that is being unmapped: waits until it is. */
void region_wait_closed(struct nodeos_region *region);
/* With a use of the region, which region_release ends. */
struct nodeos_region *registry_get(const void *address);
void region_release(struct nodeos_region *region);
bool registry_has(const struct nodeos_region *region);

/* signal.c. */
int signal_install(void);
/* How many forks away from the first process of ours. */
unsigned process_generation(void);
/* Signals but those of faults wait while a call holds locks, and threads are not cancelled. */
struct calm {
        uint64_t mask[16];
        int cancel;
};
/* -ESRCH: the region is that of the process that forked this one. */
int calm_begin(struct calm *calm, const struct nodeos_region *region);
void calm_end(const struct calm *calm);

/* range.c. Writes back what is dirty in [first, end), pages stay. The lock is held, and let go meanwhile. */
int range_flush(struct nodeos_region *region, uint64_t first, uint64_t end);
/* The first page from `page` on whose states were ever touched, before end. */
uint64_t skip_untouched(const struct nodeos_region *region, uint64_t page, uint64_t end);
/* Pages that a range touches. */
void range_pages(const struct nodeos_region *region, uint64_t offset, uint64_t bytes, uint64_t *ret_first, uint64_t *ret_end);

/* threads.c. */
int worker_start(pthread_t *ret, void *(*run)(void *), void *argument);
int threads_start(struct nodeos_region *region, uint32_t count);
/* Around what a thread waits for. If it answers faults, others read them meanwhile: who is waited for may be waiting for one. */
void handler_waits(void);
void handler_goes_on(void);
void threads_stop(struct nodeos_region *region);
int evictors_start(struct nodeos_buffer *buffer, uint32_t count);
void evictors_stop(struct nodeos_buffer *buffer);

#endif
