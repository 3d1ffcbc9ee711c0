/* Large anonymous mappings in huge pages, and what a program does to parts of them in pages of its own size. madvise does with
 * memset what the kernel would do with small pages; mappings of programs with several threads stay ordinary from the beginning. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload_pieces.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Whether a mapping is large enough for a page of the container's. */
static bool is_large(size_t bytes) {
        for (int i = 0; i < preload.page_count; i++)
                if (preload.pages[i] <= bytes)
                        return true;
        return false;
}

/* In pages of the preferred size, if it has so many, or of the other. */
static void *map(size_t bytes) {
        errno = ENOMEM;
        for (int i = 0; i < preload.page_count && bytes < SIZE_MAX / 2 && piece_count < PIECES_MAX; i++) {
                size_t page = preload.pages[i], whole = align_up(bytes, page);
                char *at = page <= bytes ? pages_take(NULL, whole, page) : NULL;

                if (!at)
                        continue;
                pieces_insert(pieces_find(at),
                              (struct piece) { at, at + align_up(bytes, preload.small_page), page, PROT_READ | PROT_WRITE });
                preload.map_bytes += whole;
                return at;
        }
        return MAP_FAILED;
}

static bool is_for_us(void *at, size_t bytes, int protection, int flags) {
        return preload.is_on && !at && protection == (PROT_READ | PROT_WRITE) && flags & MAP_PRIVATE && flags & MAP_ANONYMOUS &&
               !(flags & ~(MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE)) && is_large(bytes);
}

/* For another mapping in the place of ours. */
static bool make_room(char *from, char *to) {
        return !pieces_touch(from, to) || (pieces_isolate(from, to) && pieces_forget(from, to) == 0);
}

PUBLIC void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
        char *from = at;
        void *result;

        if (is_for_us(at, bytes, protection, flags)) {
                if (!piece_alone()) {
                        result = kernel_mmap(at, bytes, protection, flags, fd, offset);
                        if (result != MAP_FAILED)
                                __atomic_add_fetch(&preload.left_bytes, bytes, __ATOMIC_RELAXED);
                        return result;
                }
                pthread_mutex_lock(&lock);
                result = map(bytes);
                pthread_mutex_unlock(&lock);
                return result;
        }
        if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) || !piece_count)
                return kernel_mmap(at, bytes, protection, flags, fd, offset);
        pthread_mutex_lock(&lock);
        if (flags & MAP_FIXED && !make_room(from, from + align_up(bytes, preload.small_page)))
                result = MAP_FAILED;
        else
                result = kernel_mmap(at, bytes, protection, flags, fd, offset);
        pthread_mutex_unlock(&lock);
        return result;
}

PUBLIC void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) __attribute__((alias("mmap")));

PUBLIC int munmap(void *at, size_t bytes) {
        int result;

        if (!piece_count || (uintptr_t) at % preload.small_page || !bytes)
                return kernel_munmap(at, bytes);
        bytes = align_up(bytes, preload.small_page);
        pthread_mutex_lock(&lock);
        result = pieces_touch(at, (char *) at + bytes) ? pieces_unmap(at, (char *) at + bytes) : kernel_munmap(at, bytes);
        pthread_mutex_unlock(&lock);
        return result;
}

static int protect(struct piece *piece, char *from, char *to, long protection) {
        (void) from;
        (void) to;
        if (kernel_mprotect(piece_first(piece), (size_t) (piece_last(piece) - piece_first(piece)), (int) protection) < 0)
                return -1;
        piece->protection = (int) protection;
        return 0;
}

static int protect_others(char *from, size_t bytes, long protection) {
        return kernel_mprotect(from, bytes, (int) protection);
}

/* Whether all pieces of a range have a protection already. */
static bool has_protection(const char *from, const char *to, int protection) {
        for (size_t i = pieces_find(from); i < piece_count && pieces[i].from < to; i++)
                if (pieces[i].to > from && pieces[i].protection != protection)
                        return false;
        return true;
}

static int protect_range(char *from, char *to, int protection) {
        if (!pieces_touch(from, to))
                return kernel_mprotect(from, (size_t) (to - from), protection);
        if (has_protection(from, to, protection))
                return pieces_each(from, to, piece_keep, protect_others, protection);
        return pieces_isolate(from, to) ? pieces_each(from, to, protect, protect_others, protection) : -1;
}

PUBLIC int mprotect(void *at, size_t bytes, int protection) {
        int result;

        if (!piece_count || (uintptr_t) at % preload.small_page || !bytes)
                return kernel_mprotect(at, bytes, protection);
        pthread_mutex_lock(&lock);
        result = protect_range(at, (char *) at + align_up(bytes, preload.small_page), protection);
        pthread_mutex_unlock(&lock);
        return result;
}

static int advise(struct piece *piece, char *from, char *to, long advice) {
        switch (advice) {
        case MADV_DONTNEED:
                if (!(piece->protection & PROT_WRITE))
                        kernel_mprotect(piece_first(piece), (size_t) (piece_last(piece) - piece_first(piece)), PROT_READ | PROT_WRITE);
                memset(from, 0, (size_t) (to - from));
                if (!(piece->protection & PROT_WRITE))
                        kernel_mprotect(piece_first(piece), (size_t) (piece_last(piece) - piece_first(piece)), piece->protection);
                return 0;
        case MADV_DONTFORK:
        case MADV_DOFORK:
        case MADV_WIPEONFORK:
        case MADV_KEEPONFORK:
        case MADV_DONTDUMP:
        case MADV_DODUMP:
                return kernel_madvise(piece_first(piece), (size_t) (piece_last(piece) - piece_first(piece)), (int) advice);
        default:
                /* A wish about pages that these do not need: they are there, huge, and stay. */
                return 0;
        }
}

static int advise_others(char *from, size_t bytes, long advice) {
        return kernel_madvise(from, bytes, (int) advice);
}

PUBLIC int madvise(void *at, size_t bytes, int advice) {
        char *from = at, *to = from + align_up(bytes, preload.small_page);
        bool has_to_end_there = advice == MADV_DONTFORK || advice == MADV_WIPEONFORK || advice == MADV_DONTDUMP || advice == MADV_DOFORK ||
                                advice == MADV_KEEPONFORK || advice == MADV_DODUMP;
        int result = -1;

        if (!piece_count || (uintptr_t) at % preload.small_page || !bytes)
                return kernel_madvise(at, bytes, advice);
        pthread_mutex_lock(&lock);
        if (!pieces_touch(from, to))
                result = kernel_madvise(at, bytes, advice);
        else if (!has_to_end_there || pieces_isolate(from, to))
                result = pieces_each(from, to, advise, advise_others, advice);
        pthread_mutex_unlock(&lock);
        return result;
}

PUBLIC int posix_madvise(void *at, size_t bytes, int advice) {
        int saved = errno, result;

        /* As the C library: what would lose contents is none of its wishes. */
        if (advice == POSIX_MADV_DONTNEED)
                return 0;
        result = madvise(at, bytes, advice) < 0 ? errno : 0;
        errno = saved;
        return result;
}

/* Pages that are there already have to move, because the program's would have come after this. */
PUBLIC long mbind(void *at, unsigned long bytes, int mode, const unsigned long *nodes, unsigned long most, unsigned flags) {
        char *from = at, *to = from + bytes;
        size_t i;

        pthread_mutex_lock(&lock);
        i = pieces_find(from);
        if (piece_count && pieces_touch(from, to) && pieces[i].from <= from && to <= piece_last(&pieces[i])) {
                from = (char *) align_down((uintptr_t) from, pieces[i].page);
                bytes = align_up((uintptr_t) to, pieces[i].page) - (uintptr_t) from;
                flags |= MPOL_MF_MOVE;
        }
        pthread_mutex_unlock(&lock);
        return syscall(SYS_mbind, from, bytes, mode, nodes, most, flags);
}

/* Makes a piece longer where it is; whether there was room in its last huge page. */
static bool lengthen(size_t i, char *to) {
        if (to > piece_last(&pieces[i]) || (i + 1 < piece_count && pieces[i + 1].from < to))
                return false;
        memset(pieces[i].to, 0, (size_t) (to - pieces[i].to));
        pieces[i].to = to;
        return true;
}

/* To other pages. Nobody may use the old ones meanwhile, because they go. */
static void *move(char *from, size_t bytes, size_t new_bytes, int flags, void *target) {
        char *to;
        struct piece old;

        if (flags & MREMAP_FIXED || !is_large(new_bytes))
                to = kernel_mmap(NULL, new_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        else
                to = map(new_bytes);
        if (to == MAP_FAILED)
                return MAP_FAILED;
        /* Its list may be another one by now. */
        old = pieces[pieces_find(from)];
        if (!(old.protection & PROT_READ))
                kernel_mprotect(piece_first(&old), (size_t) (piece_last(&old) - piece_first(&old)), PROT_READ);
        memcpy(to, from, bytes < new_bytes ? bytes : new_bytes);
        if (old.protection != (PROT_READ | PROT_WRITE))
                protect_range(to, to + new_bytes, old.protection);
        pieces_unmap(from, from + bytes);
        if (!(flags & MREMAP_FIXED))
                return to;
        if (!make_room(target, (char *) target + new_bytes))
                return MAP_FAILED;
        return kernel_mremap(to, new_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, target);
}

static void *remap(size_t i, char *from, size_t bytes, size_t new_bytes, int flags, void *target) {
        if (pieces[i].from > from || pieces[i].to < from + bytes || !bytes || !new_bytes) {
                errno = EFAULT;
                return MAP_FAILED;
        }
        if (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) {
                errno = EINVAL;
                return MAP_FAILED;
        }
        if (flags & MREMAP_FIXED)
                return move(from, bytes, new_bytes, flags, target);
        if (new_bytes <= bytes)
                return new_bytes == bytes || pieces_unmap(from + new_bytes, from + bytes) == 0 ? from : MAP_FAILED;
        if (pieces[i].to == from + bytes && lengthen(i, from + new_bytes))
                return from;
        if (flags & MREMAP_MAYMOVE)
                return move(from, bytes, new_bytes, flags, target);
        errno = ENOMEM;
        return MAP_FAILED;
}

PUBLIC void *mremap(void *at, size_t bytes, size_t new_bytes, int flags, ...) {
        void *target = NULL, *result;
        va_list more;
        size_t i;

        va_start(more, flags);
        if (flags & ~MREMAP_MAYMOVE)
                target = va_arg(more, void *);
        va_end(more);
        if (!piece_count || (uintptr_t) at % preload.small_page)
                return kernel_mremap(at, bytes, new_bytes, flags, target);
        bytes = align_up(bytes, preload.small_page);
        new_bytes = align_up(new_bytes, preload.small_page);
        pthread_mutex_lock(&lock);
        i = pieces_find(at);
        if (pieces_touch(at, (char *) at + bytes))
                result = remap(i, at, bytes, new_bytes, flags, target);
        else
                result = kernel_mremap(at, bytes, new_bytes, flags, target);
        pthread_mutex_unlock(&lock);
        return result;
}

bool maps_have(const void *pointer) {
        bool has;

        pthread_mutex_lock(&lock);
        has = pieces_touch(pointer, (const char *) pointer + 1);
        pthread_mutex_unlock(&lock);
        return has;
}

static void before_fork(void) {
        pthread_mutex_lock(&lock);
}

static void after_fork(void) {
        pthread_mutex_unlock(&lock);
}

void maps_start(void) {
        pthread_atfork(before_fork, after_fork, after_fork);
}
