/* A list of what the program still has of its large mappings, to the byte: pieces, ascending; the lock is preload_map.c's.
 *
 * A huge page is mapped as long as a piece has some of it. munmap takes from the pieces, and from the kernel what no piece needs
 * any more. What cannot be had by halves (protection, another mapping in its place) turns the huge pages at its ends into
 * ordinary ones, with their contents. That is done while there is one thread, because another could write meanwhile. */
#ifndef NODEOS_PRELOAD_PIECES_H
#define NODEOS_PRELOAD_PIECES_H

#include "preload.h"

enum { PIECES_MAX = 4096 };

struct piece {
        char *from, *to;
        size_t page;
        int protection;
};

extern struct piece pieces[PIECES_MAX] __attribute__((visibility("hidden")));
extern size_t piece_count __attribute__((visibility("hidden")));

/* Whether the program has one thread, and had no others. */
bool piece_alone(void);
/* The bounds of its huge pages. */
char *piece_first(const struct piece *piece);
char *piece_last(const struct piece *piece);

/* The first piece whose pages reach beyond an address. */
size_t pieces_find(const char *at);
/* Whether huge pages of ours are in a range. */
bool pieces_touch(const char *from, const char *to);
/* False and ENOMEM: the list is full. */
bool pieces_insert(size_t i, struct piece piece);
/* Makes that pieces begin and end at both addresses, and share no huge page with others there. False and ENOMEM. */
bool pieces_isolate(char *from, char *to);
/* Calls `others` for the parts of a range that are none of ours, and `ours` for the pieces. 0, or -1 and errno. */
int pieces_each(char *from, char *to, int (*ours)(struct piece *, char *, char *, long), int (*others)(char *, size_t, long), long what);
/* For `ours`: nothing to do. */
int piece_keep(struct piece *piece, char *from, char *to, long unused);
/* Takes a range from the pieces, and from the kernel the pages that none needs then; `unmap` also what is none of ours. */
int pieces_forget(char *from, char *to);
int pieces_unmap(char *from, char *to);

#endif
