/* What programs have of large mappings in huge pages: a list of pieces. preload_pieces.h says what they are. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "preload_pieces.h"

struct piece pieces[PIECES_MAX];
size_t piece_count;

extern char __libc_single_threaded __attribute__((weak));

bool piece_alone(void) {
        return &__libc_single_threaded && __libc_single_threaded;
}

char *piece_first(const struct piece *piece) {
        return (char *) align_down((uintptr_t) piece->from, piece->page);
}

char *piece_last(const struct piece *piece) {
        return (char *) align_up((uintptr_t) piece->to, piece->page);
}

/* The first piece whose pages reach beyond an address. */
size_t pieces_find(const char *at) {
        size_t low = 0, high = piece_count;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (piece_last(&pieces[middle]) <= at)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool pieces_touch(const char *from, const char *to) {
        size_t i = pieces_find(from);

        return i < piece_count && piece_first(&pieces[i]) < to;
}

bool pieces_insert(size_t i, struct piece piece) {
        if (piece_count == PIECES_MAX) {
                errno = ENOMEM;
                return false;
        }
        memmove(&pieces[i + 1], &pieces[i], (piece_count++ - i) * sizeof(piece));
        pieces[i] = piece;
        return true;
}

static void erase(size_t i) {
        memmove(&pieces[i], &pieces[i + 1], (--piece_count - i) * sizeof(*pieces));
}

/* Makes a border between pieces of an address within one. */
static bool split(char *at) {
        size_t i = pieces_find(at);

        for (; i < piece_count && pieces[i].from < at; i++)
                if (pieces[i].to > at) {
                        struct piece rest = pieces[i];

                        rest.from = at;
                        if (!pieces_insert(i + 1, rest))
                                return false;
                        pieces[i].to = at;
                        return true;
                }
        return true;
}

/* Turns the huge page at an address into ordinary ones; what is in it stays, for whom has some of it. */
static bool break_up(char *at) {
        size_t i = pieces_find(at), page, end;
        sigset_t all, old;
        char *from, *copy;

        if (i == piece_count || piece_first(&pieces[i]) > at)
                return true;
        page = pieces[i].page;
        from = (char *) align_down((uintptr_t) at, page);
        if (!split(from) || !split(from + page))
                return false;
        copy = piece_alone() ? kernel_mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
        if (copy == MAP_FAILED) {
                errno = ENOMEM;
                return false;
        }
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &old);
        kernel_mprotect(from, page, PROT_READ | PROT_WRITE);
        i = end = pieces_find(from);
        for (; end < piece_count && pieces[end].from < from + page; end++)
                memcpy(copy + (pieces[end].from - from), pieces[end].from, (size_t) (pieces[end].to - pieces[end].from));
        if (kernel_mremap(copy, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, from) == from) {
                /* What nobody has any more is gone. */
                char *done = from;

                for (size_t k = i; k < end; done = pieces[k++].to) {
                        if (pieces[k].from > done)
                                kernel_munmap(done, (size_t) (pieces[k].from - done));
                        if (pieces[k].protection != (PROT_READ | PROT_WRITE))
                                kernel_mprotect(pieces[k].from, (size_t) (pieces[k].to - pieces[k].from), pieces[k].protection);
                }
                if (done < from + page)
                        kernel_munmap(done, (size_t) (from + page - done));
                while (end-- > i)
                        erase(i);
                preload.map_bytes -= page;
                preload.left_bytes += page;
        }
        sigprocmask(SIG_SETMASK, &old, NULL);
        return true;
}

/* Makes a border at an address that a kernel with huge pages accepts: none of them has something on the other side. */
static bool isolate_end(char *at, bool is_from) {
        for (size_t i = pieces_find(at); i < piece_count; i++) {
                char *page = (char *) align_down((uintptr_t) at, pieces[i].page);

                if (page == at || pieces[i].from >= page + pieces[i].page)
                        break;
                if (is_from ? pieces[i].from < at : pieces[i].to > at)
                        return break_up(at);
        }
        return split(at);
}

bool pieces_isolate(char *from, char *to) {
        return isolate_end(from, true) && isolate_end(to, false);
}

/* Calls the kernel for the parts of a range that are none of ours, and `ours` for the pieces. */
int pieces_each(char *from, char *to, int (*ours)(struct piece *, char *, char *, long), int (*others)(char *, size_t, long), long what) {
        int result = 0;
        char *done = from;

        for (size_t i = pieces_find(from); done < to; i++) {
                struct piece *piece = i < piece_count && piece_first(&pieces[i]) < to ? &pieces[i] : NULL;
                char *next = piece ? piece_first(piece) : to;

                if (next > done && others(done, (size_t) (next - done), what) < 0)
                        result = -1;
                if (!piece)
                        break;
                if (piece->from < to && piece->to > from &&
                    ours(piece, piece->from > from ? piece->from : from, piece->to < to ? piece->to : to, what) < 0)
                        result = -1;
                done = piece_last(piece);
        }
        return result;
}

static int unmap_others(char *from, size_t bytes, long unused) {
        (void) unused;
        return kernel_munmap(from, bytes);
}

int piece_keep(struct piece *piece, char *from, char *to, long unused) {
        (void) piece;
        (void) from;
        (void) to;
        (void) unused;
        return 0;
}

/* Takes a range from the pieces, and from the kernel the pages that none needs then. */
int pieces_forget(char *from, char *to) {
        if (!split(from) || !split(to))
                return -1;
        for (size_t i = pieces_find(from); i < piece_count && pieces[i].from < to;) {
                struct piece gone = pieces[i];
                char *first = piece_first(&gone), *last = piece_last(&gone);

                if (gone.to <= from || gone.from < from) {
                        i++;
                        continue;
                }
                if (i > 0 && piece_last(&pieces[i - 1]) > first)
                        first += gone.page;
                if (i + 1 < piece_count && piece_first(&pieces[i + 1]) < last)
                        last -= gone.page;
                erase(i);
                if (last > first) {
                        pages_give(first, (size_t) (last - first));
                        preload.map_bytes -= (size_t) (last - first);
                }
        }
        return 0;
}

int pieces_unmap(char *from, char *to) {
        int result = pieces_each(from, to, piece_keep, unmap_others, 0);

        return pieces_forget(from, to) < 0 ? -1 : result;
}
