/* Files that a store was given the names of; between the store*.c files. */
#ifndef NODEOS_STORE_NAMED_H
#define NODEOS_STORE_NAMED_H

#include <sys/types.h>

#include "store_files.h"

struct named_files {
        struct files files; /* for files_read and others, by what named_add returned */
        uint32_t flags;
        uint64_t count;
        struct named {
                char *path;
                dev_t device;
                ino_t inode;
        } *names;
};

/* Room for so many names. */
int named_begin(struct named_files *named, uint32_t count, uint32_t flags);
/* Looks whether a file is there, makes it as flags say, and keeps its name; it is not kept open. bytes 0: as far as it goes, and
 * *ret_bytes says how far. One that was added just before is not added again. */
int named_add(struct named_files *named, const char *path, uint64_t offset, uint64_t bytes, uint64_t *ret_file, uint64_t *ret_bytes);
/* All are added. Files are opened when they are needed from here on: ESTALE when another has the name by then. */
int named_ready(struct named_files *named);
void named_end(struct named_files *named);

#endif
