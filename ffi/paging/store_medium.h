/* Files as stores use them; between the store*.c files. Everything but opening and closing may be called in a signal handler, uses
 * less than 1 KiB of stack (an alternate one is small), and returns 0 or -errno. */
#ifndef NODEOS_STORE_MEDIUM_H
#define NODEOS_STORE_MEDIUM_H

#include <stdbool.h>
#include <stdint.h>

#include "nodeos_paging.h"

/* Direct transfers begin and end at multiples of it, in the file and in memory. */
#define MEDIUM_BLOCK UINT64_C(4096)

/* An open file, a block device, a file of huge pages or a device of memory. */
struct medium {
        int fd;
        int direct_fd;  /* the same, past the page cache, or -1 */
        char *memory;   /* huge pages and memory devices have no write(2): they are mapped; else NULL */
        uint64_t bytes; /* that it had when it was opened */
        uint64_t granule; /* of its mappings */
        bool has_read;  /* read(2) works though it is mapped */
};

#define MEDIUM_CLOSED ((struct medium) { .fd = -1, .direct_fd = -1 })

/* Whether flags are some that a file may be opened with. */
bool medium_flags_ok(uint32_t flags);
/* Opens a file as NODEOS_STORE_ flags say. With CREATE and bytes one that is not there is made, and one that is
 * shorter grows. */
int medium_open(const char *path, uint32_t flags, uint64_t bytes, struct medium *ret);
/* The same of a descriptor that stays with its owner. EACCES: it was not opened for what flags say. */
int medium_open_fd(int fd, uint32_t flags, uint64_t bytes, struct medium *ret);
void medium_close(struct medium *medium);

/* All of a range. ENODATA: the file ends before. */
int medium_read(const struct medium *medium, void *buffer, uint64_t bytes, uint64_t offset);
int medium_write(const struct medium *medium, const void *buffer, uint64_t bytes, uint64_t offset);
int medium_sync(const struct medium *medium);

/* The same of a plain descriptor. */
int file_read(int fd, void *buffer, uint64_t bytes, uint64_t offset);
int file_write(int fd, const void *buffer, uint64_t bytes, uint64_t offset);
/* As far as the file goes. */
int file_read_some(int fd, void *buffer, uint64_t bytes, uint64_t offset, uint64_t *ret_bytes);

/* Past the page cache. */
int direct_read(const struct medium *medium, void *buffer, uint64_t bytes, uint64_t offset);
int direct_write(const struct medium *medium, const void *buffer, uint64_t bytes, uint64_t offset);

/* Memory for the time of a call, aligned to MEDIUM_BLOCK. NULL: the kernel has none. Waits for nobody. */
#define BOUNCE_BYTES (UINT64_C(64) << 10)
void *bounce_take(void);
void bounce_give(void *bounce);

/* Whether a range lies in a store, and begins and ends where it may. */
static inline bool is_within(const struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        uint64_t odd = store->block_bytes - 1;

        if (offset > store->bytes || bytes > store->bytes - offset || offset & odd)
                return false;
        return !(bytes & odd) || offset + bytes == store->bytes;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

#endif
