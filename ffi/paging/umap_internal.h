/* What the files of UMap's calls have of each other; not an interface. */
#ifndef NODEOS_PAGING_UMAP_INTERNAL_H
#define NODEOS_PAGING_UMAP_INTERNAL_H

#include "nodeos_umap.h"

/* -EINVAL: a variable of the environment has no meaning. */
int umap_settings_error(void);
void umap_buffer_options(struct nodeos_buffer_options *ret);
/* All but address, bytes and protection. */
void umap_region_options(struct nodeos_region_options *ret);
/* Of the buffer that is there, if one is. */
int umap_buffer_resize(uint64_t bytes);

/* A store of what begins behind an offset of another, which it takes over. ENODATA: nothing does. EINVAL: within a block. */
int umap_part_make(struct nodeos_store *store, uint64_t offset, struct nodeos_store **ret);

#endif
