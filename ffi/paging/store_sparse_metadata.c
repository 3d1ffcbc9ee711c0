/* The directory of a sparse store. Its file _metadata is text of three lines:
 *
 *      nodeos sparse store 1
 *      bytes 1099511627776
 *      granule 1048576
 *
 * It is there whole or not at all: written under another name and synced, then given its own. So are the others: the file of granule
 * n, whose name is n in decimal, is made in full length (as a hole) before it has its name; what has no file is zeroes. A name that
 * begins with a dot is what a program that was killed left unfinished, and the next that writes removes it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_medium.h"
#include "store_sparse.h"

#define METADATA "_metadata"
#define UNFINISHED "._metadata"

enum { GRANULES_MAX = 1 << 24 };

int sparse_sizes_ok(uint64_t bytes, uint64_t granule) {
        return bytes && bytes <= INT64_MAX && granule && granule <= INT64_MAX && granule % 4096 == 0 &&
               (bytes - 1) / granule < GRANULES_MAX;
}

static int read_metadata(int directory, uint64_t *bytes, uint64_t *granule) {
        char text[256], rest;
        uint64_t got = 0;
        int fd = openat(directory, METADATA, O_RDONLY | O_CLOEXEC);
        int error;

        if (fd < 0)
                return -errno;
        error = file_read_some(fd, text, sizeof(text) - 1, 0, &got);
        close(fd);
        if (error < 0)
                return error;
        text[got] = '\0';
        if (sscanf(text, "nodeos sparse store 1\nbytes %lu\ngranule %lu\n%c", bytes, granule, &rest) != 2)
                return -EUCLEAN;
        return sparse_sizes_ok(*bytes, *granule) ? 0 : -EUCLEAN;
}

static int write_metadata(int directory, uint64_t bytes, uint64_t granule) {
        char text[256];
        int length = snprintf(text, sizeof(text), "nodeos sparse store 1\nbytes %lu\ngranule %lu\n", bytes, granule);
        int fd = openat(directory, UNFINISHED, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        int error;

        if (fd < 0)
                return -errno;
        error = file_write(fd, text, (uint64_t) length, 0);
        if (error == 0 && (fsync(fd) < 0 || renameat(directory, UNFINISHED, directory, METADATA) < 0 || fsync(directory) < 0))
                error = -errno;
        close(fd);
        return error;
}

/* Removes what is unfinished. ENOTEMPTY: with `only`, there is more. */
static int sweep(int directory, bool only) {
        DIR *listing;
        struct dirent *entry;
        int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int error = 0;

        if (own < 0)
                return -errno;
        listing = fdopendir(own);
        if (!listing) {
                close(own);
                return -ENOMEM;
        }
        while ((entry = readdir(listing)))
                if (strncmp(entry->d_name, UNFINISHED, strlen(UNFINISHED)) == 0 || strncmp(entry->d_name, ".granule-", 9) == 0)
                        unlinkat(directory, entry->d_name, 0);
                else if (only && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        error = -ENOTEMPTY;
        closedir(listing);
        return error;
}

/* With the directory locked, if flags are a writer's. */
static int agree(int directory, uint32_t flags, uint64_t *bytes, uint64_t *granule) {
        uint64_t its_bytes, its_granule;
        int error = read_metadata(directory, &its_bytes, &its_granule);

        if (error == -ENOENT && flags & NODEOS_STORE_CREATE) {
                error = sweep(directory, true);
                return error < 0 ? error : write_metadata(directory, *bytes, *granule);
        }
        if (error < 0)
                return error;
        if ((*bytes && *bytes != its_bytes) || (*granule && *granule != its_granule))
                return -EEXIST;
        *bytes = its_bytes;
        *granule = its_granule;
        return flags & NODEOS_STORE_WRITE ? sweep(directory, false) : 0;
}

int sparse_open(const char *path, uint32_t flags, uint64_t *bytes, uint64_t *granule) {
        int directory, error = 0;

        if (flags & NODEOS_STORE_CREATE && mkdir(path, 0777) < 0 && errno != EEXIST)
                return -errno;
        directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return -errno;
        if (flags & NODEOS_STORE_WRITE && flock(directory, LOCK_EX | LOCK_NB) < 0)
                error = errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (error == 0)
                error = agree(directory, flags, bytes, granule);
        if (error < 0)
                close(directory);
        return error < 0 ? error : directory;
}
