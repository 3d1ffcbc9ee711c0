/* Descriptors of many files, of which a bounded number is open; between the store*.c files. take and give may be called in a signal
 * handler, and wait for nobody: each file has one word, which changes by compare-and-swap alone. */
#ifndef NODEOS_STORE_DESCRIPTORS_H
#define NODEOS_STORE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/* So many stay open, or a quarter of what the process may have, if that is fewer. */
enum { DESCRIPTORS_OPEN = 256 };

struct descriptors {
        uint64_t *words; /* of each file: its descriptor + 1 << 32, how many use it below; 0: closed */
        uint64_t count;
        uint32_t open, limit;
        uint64_t hand;
        /* Opens a file, with `make` also one that is not there. Returns its descriptor, or -errno. */
        int (*open_file)(void *owner, uint64_t index, bool make);
        void *owner;
};

int descriptors_begin(struct descriptors *descriptors, uint64_t count);
void descriptors_end(struct descriptors *descriptors);
/* The descriptor of a file, open until `give`; or -errno. */
int descriptors_take(struct descriptors *descriptors, uint64_t index, bool make);
void descriptors_give(struct descriptors *descriptors, uint64_t index);

#endif
