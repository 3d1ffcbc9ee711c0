/* Stores that lie in many files; between the store*.c files. */
#ifndef NODEOS_STORE_FILES_H
#define NODEOS_STORE_FILES_H

#include "store_descriptors.h"
#include "store_medium.h"

/* Each file has two descriptors: 2 * i, and 2 * i + 1 past the page cache, which is used with NODEOS_STORE_DIRECT alone. */
struct files {
        struct descriptors descriptors;
        bool is_direct;
        uint8_t *written; /* by file: whether it was, since its last sync */
};

int files_begin(struct files *files, uint64_t count, uint32_t flags);
void files_end(struct files *files);
/* All of a range of one file. ENOENT: there is no such file, and it was not to be made. */
int files_read(struct files *files, uint64_t file, void *buffer, uint64_t bytes, uint64_t offset);
int files_write(struct files *files, uint64_t file, const void *buffer, uint64_t bytes, uint64_t offset);
/* Syncs those of some files that were written. All are tried; returns the first error. */
int files_sync(struct files *files, uint64_t first, uint64_t count);

#endif
