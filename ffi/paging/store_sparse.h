/* Between the store_sparse*.c files. */
#ifndef NODEOS_STORE_SPARSE_H
#define NODEOS_STORE_SPARSE_H

#include <stdint.h>

/* Opens the directory of a sparse store, makes what is missing of it as flags say, and reads its sizes. A writer has it alone.
 * Returns its descriptor, or -errno:
 * ENOENT     it has no metadata, and was not to be made
 * EBUSY      another store writes to it
 * EEXIST     it is there, of other sizes than were asked for
 * ENOTEMPTY  it has other files
 * EUCLEAN    what its metadata says makes no sense */
int sparse_open(const char *directory, uint32_t flags, uint64_t *bytes, uint64_t *granule);

/* Whether a store of such sizes can be. */
int sparse_sizes_ok(uint64_t bytes, uint64_t granule);

#endif
