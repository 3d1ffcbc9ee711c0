/* msync, madvise, mprotect, mremap and mlock of mappings that come through regions. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

typedef int ours(struct mapping *mapping, char *from, char *to, long what);
typedef int others(char *from, char *to, long what);

static int result(int error) {
        if (error < 0)
                errno = -error;
        return error < 0 ? -1 : 0;
}

/* One of the calls below, for parts of a range; unaligned ranges are the kernel's to refuse. */
static int each(void *at, size_t bytes, ours *take, others *leave, long what) {
        char *from = at;
        int n;

        table_lock();
        n = mappings_each(from, from + ((bytes + SYSTEM_PAGE - 1) & ~(size_t) (SYSTEM_PAGE - 1)), take, leave, what);
        table_unlock();
        return n;
}

#define IS_KERNELS(at, bytes) (!preload.count || IS_OURS || (uintptr_t) (at) % SYSTEM_PAGE || !(bytes))

static int sync_part(struct mapping *mapping, char *from, char *to, long flags) {
        uint64_t offset = mapping_offset(mapping, from), bytes = (uint64_t) (to - from);
        int error = 0;

        if (mapping->is_shared && mapping->is_writable && flags & MS_SYNC) {
                error = nodeos_region_flush(mapping->region, offset, bytes);
                if (error == 0 && fdatasync(mapping->file->fd) < 0)
                        error = -errno;
        }
        if (error == 0 && flags & MS_INVALIDATE)
                error = nodeos_region_evict(mapping->region, offset, bytes);
        return result(error);
}

static int sync_others(char *from, char *to, long flags) {
        return (int) syscall(SYS_msync, from, to - from, flags);
}

PUBLIC int msync(void *at, size_t bytes, int flags) {
        if (IS_KERNELS(at, bytes))
                return (int) syscall(SYS_msync, at, bytes, flags);
        return each(at, bytes, sync_part, sync_others, flags);
}

static int advise_part(struct mapping *mapping, char *from, char *to, long advice) {
        uint64_t offset = mapping_offset(mapping, from), bytes = (uint64_t) (to - from);

        switch (advice) {
        case MADV_WILLNEED:
                return result(nodeos_region_prefetch(mapping->region, offset, bytes));
        case MADV_POPULATE_READ:
        case MADV_POPULATE_WRITE:
                return result(nodeos_region_populate(mapping->region, offset, bytes));
        case MADV_COLD:
        case MADV_PAGEOUT:
        case MADV_DONTNEED:
                /* What was written to a private mapping is lost by DONTNEED: the file's contents are back. */
                if (nodeos_region_evict(mapping->region, offset, bytes) == 0 && advice == MADV_DONTNEED)
                        store_forget(mapping->store, offset, offset + bytes);
                return 0;
        case MADV_DONTFORK:
        case MADV_DOFORK:
                mapping->is_not_for_children = advice == MADV_DONTFORK;
                return 0;
        case MADV_FREE:
        case MADV_REMOVE:
                return result(-EINVAL);
        default:
                /* Patterns are seen by the engine itself; the rest is about kinds of pages. */
                return 0;
        }
}

static int advise_others(char *from, char *to, long advice) {
        return kernel_madvise(from, (size_t) (to - from), (int) advice);
}

PUBLIC int madvise(void *at, size_t bytes, int advice) {
        if (IS_KERNELS(at, bytes))
                return kernel_madvise(at, bytes, advice);
        return each(at, bytes, advise_part, advise_others, advice);
}

PUBLIC int posix_madvise(void *at, size_t bytes, int advice) {
        int kept = errno, error = 0;

        /* As the C library has it: to forget is no advice. */
        if (advice != POSIX_MADV_DONTNEED && madvise(at, bytes, advice) < 0)
                error = errno;
        errno = kept;
        return error;
}

static int protect_part(struct mapping *mapping, char *from, char *to, long protection) {
        if (protection & PROT_WRITE && !mapping->is_writable) {
                mapping_hand_over(mapping, "it is to be written to, and was mapped to be read");
                return kernel_mprotect(from, (size_t) (to - from), (int) protection);
        }
        if (protection & PROT_EXEC) {
                mapping_hand_over(mapping, "it is to be executed");
                return kernel_mprotect(from, (size_t) (to - from), (int) protection);
        }
        if (kernel_mprotect(from, (size_t) (to - from), (int) protection) < 0)
                return -1;
        if (from == mapping->from && to == mapping->to)
                mapping->protection = (int) protection;
        return 0;
}

static int protect_others(char *from, char *to, long protection) {
        return kernel_mprotect(from, (size_t) (to - from), (int) protection);
}

PUBLIC int mprotect(void *at, size_t bytes, int protection) {
        if (IS_KERNELS(at, bytes))
                return kernel_mprotect(at, bytes, protection);
        return each(at, bytes, protect_part, protect_others, protection);
}

static int lock_part(struct mapping *mapping, char *from, char *to, long locks) {
        uint64_t offset = mapping_offset(mapping, from), bytes = (uint64_t) (to - from);

        if (locks)
                return result(nodeos_region_pin(mapping->region, offset, bytes));
        nodeos_region_unpin(mapping->region, offset, bytes);
        return 0;
}

static int lock_others(char *from, char *to, long locks) {
        return (int) syscall(locks ? SYS_mlock : SYS_munlock, from, to - from);
}

PUBLIC int mlock(const void *at, size_t bytes) {
        if (IS_KERNELS(at, bytes))
                return (int) syscall(SYS_mlock, at, bytes);
        return each((void *) at, bytes, lock_part, lock_others, 1);
}

PUBLIC int munlock(const void *at, size_t bytes) {
        if (IS_KERNELS(at, bytes))
                return (int) syscall(SYS_munlock, at, bytes);
        return each((void *) at, bytes, lock_part, lock_others, 0);
}

/* Whether addresses up to another end are a mapping's, or free. */
static bool has_room(const struct mapping *mapping, char *end) {
        size_t more = end > mapping->to ? (size_t) (end - mapping->to) : 0;
        void *at;

        if (!more)
                return true;
        at = kernel_mmap(mapping->to, more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (at != MAP_FAILED)
                kernel_munmap(at, more);
        return at == mapping->to;
}

/* Whether a range is all that the program has of a mapping: from its beginning, without gaps. */
static bool is_all(const struct mapping *mapping, const char *from, size_t bytes) {
        return from == mapping->from && bytes == mapping->left && (!mapping->gone || !memchr(mapping->gone, 1, bytes / SYSTEM_PAGE));
}

/* Its store goes on with another region, longer and perhaps elsewhere. */
static void *move(struct mapping *mapping, size_t bytes, void *target) {
        char *old = mapping->from;
        int error;

        mapping_unmap_region(mapping);
        free(mapping->gone);
        mapping->gone = NULL;
        error = store_resize(mapping->store, bytes);
        if (error == 0)
                error = mapping_region(mapping, target, bytes);
        if (error < 0) {
                /* What is lost else is the program's data. */
                mapping->from = kernel_mmap(target, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                mapping->to = mapping->from + bytes;
                mapping->left = bytes;
                if ((void *) mapping->from == MAP_FAILED || mapping_replace(mapping, mapping->from, mapping->to, 0) < 0)
                        return MAP_FAILED;
                old = mapping->from;
                mapping_drop(mapping);
                return old;
        }
        return mapping->from;
}

static void *remap(struct mapping *mapping, char *from, size_t bytes, size_t new_bytes, int flags, void *target) {
        if (!is_all(mapping, from, bytes) || !bytes || !new_bytes || flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) {
                /* Of a part of a mapping, or in a way that regions do not have. */
                errno = EINVAL;
                return MAP_FAILED;
        }
        if (flags & MREMAP_FIXED) {
                kernel_munmap(target, new_bytes);
                return move(mapping, new_bytes, target);
        }
        if (new_bytes <= bytes)
                return new_bytes == bytes || mapping_forget(mapping, from + new_bytes, from + bytes) == 0 ? from : MAP_FAILED;
        if (has_room(mapping, from + new_bytes))
                return move(mapping, new_bytes, from);
        if (flags & MREMAP_MAYMOVE)
                return move(mapping, new_bytes, NULL);
        errno = ENOMEM;
        return MAP_FAILED;
}

PUBLIC void *mremap(void *at, size_t bytes, size_t new_bytes, int flags, ...) {
        struct mapping *mapping;
        void *target = NULL, *moved;
        va_list more;

        va_start(more, flags);
        if (flags & ~MREMAP_MAYMOVE)
                target = va_arg(more, void *);
        va_end(more);
        if (IS_KERNELS(at, 1))
                return (void *) syscall(SYS_mremap, at, bytes, new_bytes, flags, target);
        table_lock();
        mapping = mapping_at(at);
        if (mapping)
                moved = remap(mapping, at, (bytes + SYSTEM_PAGE - 1) & ~(size_t) (SYSTEM_PAGE - 1),
                              (new_bytes + SYSTEM_PAGE - 1) & ~(size_t) (SYSTEM_PAGE - 1), flags, target);
        else
                moved = (void *) syscall(SYS_mremap, at, bytes, new_bytes, flags, target);
        table_unlock();
        return moved;
}
