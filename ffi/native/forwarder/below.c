/* Opens that make or cut a file. Afterwards it would be too late to find that the file system, FUSE, let us do that only
 * because we are root: it has mounted itself for root alone, and the caller would have been refused. So the directory is
 * opened and looked at first, and the file below it, not through a link at its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../internal.h"
#include "serve.h"

/* Splits a path: the directory stays in `path`, the name is returned; NULL where there is none. */
static const char *split(char *path, char *ret_name, bool is_directory) {
        char *slash = is_directory ? NULL : strrchr(path, '/');

        if (is_directory)
                return ".";
        strcpy(ret_name, slash ? slash + 1 : path);
        if (slash)
                slash[1] = 0;
        else
                strcpy(path, ".");
        return *ret_name ? ret_name : NULL;
}

int below_open(int directory, const char *path, const struct open_how *how) {
        bool is_directory = (how->flags & O_TMPFILE) == O_TMPFILE;
        struct open_how look = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = how->resolve }, last = *how;
        char start[PATH_ROOM], room[PATH_ROOM];
        const char *name;
        CLEANUP_FD int parent = -1;

        if (!*path)
                return (int) syscall(SYS_openat2, directory, path, how, sizeof(*how));
        strcpy(start, path);
        name = split(start, room, is_directory);
        if (name)
                parent = (int) syscall(SYS_openat2, directory, start, &look, sizeof(look));
        /* Where the directory is not to be had, the kernel may look at something else first. */
        if (parent < 0 || is_private_system(file_system_of(parent))) {
                errno = ELOOP;
                return -1;
        }
        last.resolve |= RESOLVE_NO_SYMLINKS;
        return (int) syscall(SYS_openat2, parent, name, &last, sizeof(last));
}
