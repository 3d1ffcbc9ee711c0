/* nodeos-helper simulate: a package that is not there, as device files that programs read as they are. The simulation itself
 * is elsewhere (lib/power/simulated) and shares a file with us, the image: what files there are, and two copies of the values,
 * of which it fills one while we read the other. What programs write goes into a ring, which it empties. */
#ifndef NODEOS_SIMULATE_H
#define NODEOS_SIMULATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAGIC UINT64_C(0x31306d6973646f6e) /* "nodsim01" */
#define IMAGE_RING 256
#define IMAGE_NONE UINT32_MAX

/* ffi/simulated_device.ts writes these structures field by field. */
struct image_head {
        uint64_t magic;
        uint32_t node_count, register_count, value_count, text_bytes;
        uint64_t published; /* by the simulation: values are in copy published % 2 */
        uint64_t produced;  /* by us: writes in the ring so far */
        uint64_t unused[3];
};

struct image_write {
        uint32_t value, unused;
        uint64_t bits;
};

enum node_kind { NODE_DIRECTORY, NODE_LINK, NODE_TEXT, NODE_NUMBER, NODE_REGISTERS };

/* A file. The first one is the root; all others come after their directory. */
struct image_node {
        uint32_t parent, kind, mode, name;
        uint32_t data, count; /* text of a link or a file and its length; a value and 1; the first register and their number */
        uint32_t guard;       /* value whose bits in lock say that this number is read-only; IMAGE_NONE for none */
        uint32_t unused;
        uint64_t lock;
        int64_t low, high; /* what may be written */
};

struct image_register {
        uint32_t number, value;
        uint64_t writable; /* bits that a write changes; none in a register that is read-only */
        uint64_t reserved; /* bits that are a fault when they are set */
        uint64_t lock;     /* bits that make it read-only while one is set */
};

struct image {
        struct image_head *head;
        struct image_write *ring;
        const struct image_node *nodes;
        const struct image_register *registers;
        const char *texts;
        const uint64_t *copies; /* twice: how many writes the simulation has seen, and the values */
};

/* Maps an image and checks it. Returns 0 or -errno, -EBADMSG for a file that is none. */
int image_open(const char *path, struct image *ret_image);
/* A value as it is now: what was written to it last, until the simulation has seen that. */
uint64_t image_value(const struct image *image, uint32_t value);
/* Returns 0, or -EBUSY while the ring is full. */
int image_set(const struct image *image, uint32_t value, uint64_t bits);
/* As rdmsr and wrmsr: -EIO for a register that is not there, or that refuses. */
int image_register_read(const struct image *image, const struct image_node *node, uint64_t number, uint64_t *ret_bits);
int image_register_write(const struct image *image, const struct image_node *node, uint64_t number, uint64_t bits);
/* A decimal number with or without the end of a line, as the kernel takes it: -EINVAL, -EACCES when it is locked. */
int image_number_write(const struct image *image, const struct image_node *node, const char *text, size_t size);

/* Mounts the files of the image on a directory. Returns the connection, or -errno. */
int files_mount(const char *directory);
/* Answers one request. Returns 0, -ENODEV when the connection is over, or another -errno. */
int files_serve(int connection, const struct image *image);

/* A request of the kernel, by the protocol that it speaks on /dev/fuse. */
struct request {
        int connection;
        const struct image *image;
        const struct image_node *node; /* NULL where there is none */
        const struct fuse_in_header *header;
        const void *body;
        size_t size; /* of the body */
};

/* Each answers a request, and returns what files_serve returns. */
int contents_open(const struct request *request);
int contents_release(const struct request *request);
int contents_read(const struct request *request);
int contents_write(const struct request *request);
int contents_read_link(const struct request *request);
/* Sends an error, or 0 and data. */
int files_answer(const struct request *request, int error, const void *data, size_t size);

/* Puts directories of the mounted files, named by comma, over those of the machine. Returns -1 or the exit status after words
 * about what is wrong. */
int mounts_cover(const char *at, const char *paths);

#endif
