/* The files of a simulated package, by the protocol that the kernel speaks on /dev/fuse. Source: linux/fuse.h, and
 * Documentation/filesystems/fuse.rst. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "../internal.h"
#include "simulate.h"

#define WRITE_MAX 4096
#define ATTRIBUTE_BYTES 4096 /* what sysfs says of each of its files */
#define VALID_SECONDS 3600   /* files never change, only what is in them */
#define MINOR_MIN 23         /* since then the answer to INIT has its present size */

int files_mount(const char *directory) {
        CLEANUP_FD int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[96];
        int result;

        if (fd < 0)
                return -errno;
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", fd);
        if (mount("nodeos-simulated", directory, "fuse", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
                return -errno;
        result = fd;
        fd = -1;
        return result;
}

int files_answer(const struct request *request, int error, const void *data, size_t size) {
        struct fuse_out_header header = { .len = (uint32_t) (sizeof(header) + size), .error = error, .unique = request->header->unique };
        const struct iovec parts[] = { { &header, sizeof(header) }, { (void *) data, size } };

        /* ENOENT: who asked was interrupted, and waits no more. */
        return writev(request->connection, parts, size ? 2 : 1) < 0 && errno != ENOENT ? -errno : 0;
}

static const struct image_node *node_of(const struct image *image, uint64_t id) {
        return id >= 1 && id <= image->head->node_count ? &image->nodes[id - 1] : NULL;
}

static struct fuse_attr attributes_of(const struct image *image, const struct image_node *node) {
        static const uint32_t types[] = { [NODE_DIRECTORY] = S_IFDIR, [NODE_LINK] = S_IFLNK };
        static uint64_t start;
        uint32_t type = node->kind <= NODE_LINK ? types[node->kind] : S_IFREG;

        if (!start)
                start = (uint64_t) time(NULL);
        return (struct fuse_attr) {
                .ino = (uint64_t) (node - image->nodes) + 1,
                .size = node->kind == NODE_LINK ? node->count : node->kind == NODE_TEXT || node->kind == NODE_NUMBER ? ATTRIBUTE_BYTES : 0,
                .mode = type | node->mode,
                .nlink = type == S_IFDIR ? 2 : 1,
                .atime = start,
                .mtime = start,
                .ctime = start,
                .blksize = ATTRIBUTE_BYTES,
        };
}

static int init(const struct request *request) {
        const struct fuse_init_in *in = request->body;
        struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION };

        if (request->size < 8 || in->major < FUSE_KERNEL_VERSION || (in->major == FUSE_KERNEL_VERSION && in->minor < MINOR_MIN))
                return files_answer(request, -EPROTO, NULL, 0);
        if (in->major == FUSE_KERNEL_VERSION && in->minor < out.minor)
                out.minor = in->minor;
        out.max_write = WRITE_MAX;
        out.time_gran = 1;
        return files_answer(request, 0, &out, sizeof(out));
}

static int lookup(const struct request *request) {
        const struct image *image = request->image;
        uint32_t parent = (uint32_t) request->header->nodeid - 1;

        if (!memchr(request->body, 0, request->size))
                return files_answer(request, -EINVAL, NULL, 0);
        for (uint32_t i = 1; i < image->head->node_count; i++)
                if (image->nodes[i].parent == parent && !strcmp(image->texts + image->nodes[i].name, request->body)) {
                        struct fuse_entry_out out = { .nodeid = i + 1, .entry_valid = VALID_SECONDS, .attr_valid = VALID_SECONDS };

                        out.attr = attributes_of(image, &image->nodes[i]);
                        return files_answer(request, 0, &out, sizeof(out));
                }
        return files_answer(request, -ENOENT, NULL, 0);
}

static int get_attributes(const struct request *request) {
        struct fuse_attr_out out = { .attr_valid = VALID_SECONDS, .attr = attributes_of(request->image, request->node) };

        return files_answer(request, 0, &out, sizeof(out));
}

/* A shell cuts the file off that it writes to. As in sysfs, nothing comes of it. */
static int set_attributes(const struct request *request) {
        const struct fuse_setattr_in *in = request->body;

        if (request->size < sizeof(*in) || (in->valid & (FATTR_MODE | FATTR_UID | FATTR_GID)))
                return files_answer(request, -EPERM, NULL, 0);
        return get_attributes(request);
}

static int open_directory(const struct request *request) {
        const struct fuse_open_out out = { 0 };

        return files_answer(request, 0, &out, sizeof(out));
}

/* Names from offset on; that of an entry is the index of the file after it. */
static int read_directory(const struct request *request) {
        const struct fuse_read_in *in = request->body;
        const struct image *image = request->image;
        _Alignas(8) char out[4096];
        size_t size = 0;

        if (request->size < sizeof(*in))
                return files_answer(request, -EINVAL, NULL, 0);
        for (uint64_t i = in->offset ? in->offset : 1; i < image->head->node_count; i++) {
                const struct image_node *node = &image->nodes[i];
                const char *name = image->texts + node->name;
                struct fuse_dirent entry = { .ino = i + 1, .off = i + 1, .namelen = (uint32_t) strlen(name) };
                size_t need = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);

                if (node->parent != request->header->nodeid - 1)
                        continue;
                if (size + need > sizeof(out) || size + need > in->size)
                        break;
                entry.type = attributes_of(image, node).mode >> 12;
                memset(out + size, 0, need);
                memcpy(out + size, &entry, FUSE_NAME_OFFSET);
                memcpy(out + size + FUSE_NAME_OFFSET, name, entry.namelen);
                size += need;
        }
        return files_answer(request, 0, out, size);
}

static int statistics(const struct request *request) {
        const struct fuse_statfs_out out = { .st = { .bsize = ATTRIBUTE_BYTES, .namelen = 255, .frsize = ATTRIBUTE_BYTES } };

        return files_answer(request, 0, &out, sizeof(out));
}

static int dispatch(const struct request *request) {
        switch (request->header->opcode) {
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
                return 0; /* has no answer */
        case FUSE_INIT:
                return init(request);
        case FUSE_DESTROY:
                return files_answer(request, 0, NULL, 0);
        case FUSE_STATFS:
                return statistics(request);
        }
        if (!request->node)
                return files_answer(request, -ENOENT, NULL, 0);
        switch (request->header->opcode) {
        case FUSE_LOOKUP:
                return lookup(request);
        case FUSE_GETATTR:
                return get_attributes(request);
        case FUSE_SETATTR:
                return set_attributes(request);
        case FUSE_READLINK:
                return contents_read_link(request);
        case FUSE_OPEN:
                return contents_open(request);
        case FUSE_READ:
                return contents_read(request);
        case FUSE_WRITE:
                return contents_write(request);
        case FUSE_OPENDIR:
                return open_directory(request);
        case FUSE_READDIR:
                return read_directory(request);
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
                return contents_release(request);
        }
        return files_answer(request, -ENOSYS, NULL, 0);
}

int files_serve(int connection, const struct image *image) {
        _Alignas(8) static char buffer[FUSE_MIN_READ_BUFFER + WRITE_MAX];
        const struct fuse_in_header *header = (const struct fuse_in_header *) buffer;
        struct request request = { .connection = connection, .image = image, .header = header, .body = header + 1 };
        ssize_t size = read(connection, buffer, sizeof(buffer));

        /* ENOENT: who asked was interrupted before we read it. */
        if (size < 0)
                return errno == EINTR || errno == EAGAIN || errno == ENOENT ? 0 : -errno;
        if ((size_t) size < sizeof(*header) || header->len != (size_t) size)
                return -EPROTO;
        request.size = (size_t) size - sizeof(*header);
        request.node = node_of(image, header->nodeid);
        return dispatch(&request);
}
