/* libnodeos-paging-preload.so: files that an unmodified program maps come through regions; not an ABI.
 *
 *      preload.c         the environment, which files, and mmap and munmap
 *      preload_table.c   what of its mappings the program still has
 *      preload_mapping.c mappings and their regions
 *      preload_store.c   where their pages come from: a file, and for private ones a second one of what was written
 *      preload_change.c  msync, madvise, mprotect, mremap and mlock
 *      preload_fork.c    children, and the end
 *      preload_open.c    the descriptors of files that are mapped
 *      preload_file.c    reads and writes of such files
 *
 * Without NODEOS_PAGING_FILES everything goes to the C library. The engine is in the same library and calls the same names: what
 * it calls goes to the kernel, which is told by where the call comes from. */
#ifndef NODEOS_PAGING_PRELOAD_H
#define NODEOS_PAGING_PRELOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "nodeos_paging.h"

#define PUBLIC __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))
/* Whether the function that this is written in was called by the engine. */
#define IS_OURS code_is_ours(__builtin_return_address(0))

enum { SYSTEM_PAGE = 4096 };

/* A file that is mapped, or was. Its descriptor is ours. To close it would end the program's locks on the file: so it stays as long as
 * the program has another one. */
struct paged_file {
        struct paged_file *next;
        dev_t device;
        ino_t inode;
        int fd;
        bool is_writable;
        unsigned mappings;
};

/* Pages of a file from an offset on. Those of a private mapping that were written are in a second file, at the same place. */
struct paged_store {
        struct nodeos_store head;
        atomic_uint users; /* the mapping, and its region */
        int fd;
        uint64_t offset;
        int spill_fd;              /* -1: a shared mapping */
        _Atomic uint64_t *spilled; /* one bit for each page */
};

struct mapping {
        struct mapping *next;
        char *from, *to; /* to: at the end of a page */
        struct nodeos_region *region;
        struct paged_store *store;
        struct paged_file *file;
        int protection;
        bool is_shared, is_writable, is_not_for_children;
        uint8_t *gone; /* pages that the program unmapped, one byte each; NULL: none */
        size_t left;   /* bytes that it has */
};

struct preload {
        bool is_on;
        bool is_verbose;
        bool has_threads; /* the program started some */
        int started;      /* process */
        uint32_t mode;
        const char *files; /* globs, separated by colons */
        struct nodeos_buffer *buffer;
        struct mapping *mappings;
        struct paged_file *open_files;
        atomic_size_t count; /* of mappings */
        uint64_t mapped, handed_over;
        struct nodeos_region_statistics statistics; /* of regions that are gone */
};

extern struct preload preload HIDDEN;

bool code_is_ours(const void *address);
void table_lock(void);
void table_unlock(void);
/* One line on stderr, if that is wanted. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The system calls, which the rest of the program sees our versions of. */
void *kernel_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int kernel_munmap(void *at, size_t bytes);
int kernel_mprotect(void *at, size_t bytes, int protection);
int kernel_madvise(void *at, size_t bytes, int advice);

/* What follows is called with the lock held. */

/* Whether a part of a file is mapped already, where what is written to one mapping is to be seen in another: both are the kernel's. */
bool mapping_conflicts(const struct stat *file, off_t offset, size_t bytes, bool writes);
/* NULL: not through a region. */
void *mapping_make(void *at, size_t bytes, int protection, int flags, int fd, const struct stat *file, off_t offset);
/* Calls `ours` for each part that the program has of its mappings in a range, `others` for what is between; stops at what is not 0. */
int mappings_each(char *from, char *to, int (*ours)(struct mapping *mapping, char *from, char *to, long what),
                  int (*others)(char *from, char *to, long what), long what);
bool mappings_touch(const char *from, const char *to);
struct mapping *mapping_at(const char *at);
/* Calls for each part of a mapping that the program still has. */
int mapping_parts(struct mapping *mapping, int (*call)(struct mapping *mapping, char *from, char *to, long what), long what);
/* Takes a range from a mapping; the last one ends it. */
int mapping_forget(struct mapping *mapping, char *from, char *to);
/* The kernel's own mapping in its place, with the same contents. */
int mapping_hand_over(struct mapping *mapping, const char *why);
/* The kernel's mapping where there is none, with what was written to a private one. */
int mapping_replace(struct mapping *mapping, char *from, char *to, long unused);
/* Without its region, and out of the table. */
void mapping_drop(struct mapping *mapping);
int mapping_region(struct mapping *mapping, void *at, size_t bytes);
int mapping_unmap_region(struct mapping *mapping);
/* Adds what its region did to the statistics. */
void mapping_count(const struct mapping *mapping);
uint64_t mapping_offset(const struct mapping *mapping, const char *at);

int store_make(int fd, uint64_t offset, uint64_t bytes, bool is_private, struct paged_store **ret);
void store_leave(struct paged_store *store);
/* Another size. */
int store_resize(struct paged_store *store, uint64_t bytes);
/* What was written to a range of a private mapping is forgotten. */
void store_forget(struct paged_store *store, uint64_t from, uint64_t to);
/* Copies what was written to a range to its place. */
int store_restore(struct paged_store *store, char *to, uint64_t from, uint64_t bytes);

struct paged_file *file_take(int fd, const struct stat *file, bool is_writable);
void file_leave(struct paged_file *file);
/* What is written to it is not seen by regions any more: its later mappings are the kernel's too. */
void file_leave_to_kernel(const struct paged_file *file);
bool file_is_left(const struct stat *file);
/* The program is about to close a descriptor. Whether it is ours, and stays. */
bool file_closing(int fd);

void fork_start(void);
void file_start(void);

#endif
