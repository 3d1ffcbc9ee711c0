/* The same touches of the same file, by several ways to have it in memory. main.c has the patterns, ways.c and bare.c the ways. */
#ifndef PAGING_BENCH_H
#define PAGING_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE 4096ul

struct setting {
        const char *path;
        uint64_t pages, buffer_pages;
        uint64_t window; /* pages that a bare loop reads at once */
        unsigned threads;
        bool writes;
};

struct way {
        const char *name;
        /* The address of the file's first page. */
        char *(*open)(const struct setting *setting);
        /* What was written is in the file afterwards. */
        void (*close)(void);
};

extern const struct way ways[];

char *bare_thread_open(const struct setting *setting);
char *bare_thread_move_open(const struct setting *setting);
char *bare_signal_open(const struct setting *setting);
char *bare_signal_move_open(const struct setting *setting);
void bare_close(void);

_Noreturn void die(const char *what);

#endif
