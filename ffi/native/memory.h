/* Between the memory*.c files. */
#ifndef NODEOS_MEMORY_H
#define NODEOS_MEMORY_H

#include "internal.h"

/* The tree that memory is handed out in: one directory of a container below it, file systems and links below that. */
#define MEMORY_STATE "/run/nodeos"
#define MEMORY_TREE MEMORY_STATE "/memory"

/* The part of a path below MEMORY_STATE, or NULL when it is none of a directory or file below MEMORY_TREE. */
const char *memory_rest(const char *path);
/* Opens MEMORY_STATE; with `ours`, only when nobody but us can change it. Returns the descriptor, or -errno. */
int memory_open_state(int ours);
/* Opens the directory that a path of the tree lies in, through no link; ret_name becomes the path's last part. Returns the
 * descriptor (O_PATH), or -errno: -EACCES outside the tree. */
int memory_open_parent(const char *path, int ours, const char **ret_name);
/* Makes the directories of a path of the tree, for everybody to look through, and that of its last part with `last`. */
int memory_make_directories(const char *path, int last);
/* Removes the directories above a path's last part, as far as nothing is in them. */
void memory_prune(const char *path);

/* nodeos_memory_populate, by a child of this process. */
int memory_populate_here(const char *path, int64_t from, int64_t to, int64_t keep, int32_t node, uint32_t uid, uint32_t gid,
                         const char *cgroups);

/* Whether a path is that of a device of memory, /dev/daxN.M. */
int memory_is_device(const char *path);

#endif
