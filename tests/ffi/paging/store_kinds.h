/* Stores of all kinds, each with what it has to show; for store_conformance.c. */
#ifndef STORE_KINDS_H
#define STORE_KINDS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "nodeos_paging.h"
#include "store_served.h"

#define PAGE UINT64_C(4096)
/* Of each writable store: its end is in the middle of a page. */
#define BYTES (300 * PAGE + 777)

struct kind {
        const char *name;
        /* Opens the store in a directory, which is empty at first, or opens it again. */
        int (*open)(const char *directory, bool again, struct nodeos_store **ret);
        /* What a read-only store shows, ret->bytes of it; NULL of one that can be written, and shows zeroes at first. */
        const unsigned char *(*shows)(void);
        bool survives; /* what was written is there when it is opened again */
        bool has_whole_pages; /* also of a process that was killed */
};

extern const struct kind kinds[];

/* Ends the program with a message. */
#define CHECK(condition, ...)                                                                                                          \
        do {                                                                                                                           \
                if (!(condition))                                                                                                      \
                        fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__);                                                         \
        } while (0)
void fail(const char *file, int line, const char *condition, const char *format, ...) __attribute__((format(printf, 4, 5), noreturn));

uint64_t next_random(uint64_t *state);
/* A path in a directory; a few are valid at a time. */
const char *path_in(const char *directory, const char *name);
/* Serves requests out of memory until its store is closed. */
void *serve_until_closed(void *server);
extern unsigned char served_memory[BYTES];
extern pthread_t server_thread;

#endif
