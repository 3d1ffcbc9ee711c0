/* The memory that we share with the simulation. See simulate.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../internal.h"
#include "simulate.h"

_Static_assert(sizeof(struct image_head) == 64 && sizeof(struct image_write) == 16, "layout of the image");
_Static_assert(sizeof(struct image_node) == 56 && sizeof(struct image_register) == 32, "layout of the image");

#define COUNT_MAX 65536

static bool is_text(const struct image *image, uint32_t offset, uint32_t size) {
        return (uint64_t) offset + size <= image->head->text_bytes;
}

static bool is_sound_node(const struct image *image, uint32_t index) {
        const struct image_node *node = &image->nodes[index];
        const struct image_head *head = image->head;

        if ((index && node->parent >= index) || node->name >= head->text_bytes)
                return false;
        if (node->guard != IMAGE_NONE && node->guard >= head->value_count)
                return false;
        switch (node->kind) {
        case NODE_DIRECTORY:
                return true;
        case NODE_LINK:
        case NODE_TEXT:
                return is_text(image, node->data, node->count);
        case NODE_NUMBER:
                return node->data < head->value_count;
        case NODE_REGISTERS:
                return (uint64_t) node->data + node->count <= head->register_count;
        }
        return false;
}

static bool is_sound(const struct image *image) {
        const struct image_head *head = image->head;

        if (!head->node_count || image->nodes[0].kind != NODE_DIRECTORY || !head->text_bytes || image->texts[head->text_bytes - 1])
                return false;
        for (uint32_t i = 0; i < head->node_count; i++)
                if (!is_sound_node(image, i))
                        return false;
        for (uint32_t i = 0; i < head->register_count; i++)
                if (image->registers[i].value >= head->value_count)
                        return false;
        return true;
}

/* Finds the parts of a mapped image. Returns false when they do not fit in. */
static bool divide(struct image *image, size_t size) {
        const struct image_head *head = image->head;
        size_t ring = sizeof(*head), nodes = ring + IMAGE_RING * sizeof(*image->ring), registers, copies, texts;

        if (size < nodes || head->magic != IMAGE_MAGIC || head->node_count > COUNT_MAX || head->register_count > COUNT_MAX ||
            head->value_count > COUNT_MAX)
                return false;
        registers = nodes + head->node_count * sizeof(*image->nodes);
        copies = registers + head->register_count * sizeof(*image->registers);
        texts = copies + 2 * (1 + (size_t) head->value_count) * sizeof(*image->copies);
        if (size != texts + head->text_bytes)
                return false;
        image->ring = (struct image_write *) ((char *) image->head + ring);
        image->nodes = (const struct image_node *) ((const char *) image->head + nodes);
        image->registers = (const struct image_register *) ((const char *) image->head + registers);
        image->copies = (const uint64_t *) ((const char *) image->head + copies);
        image->texts = (const char *) image->head + texts;
        return true;
}

int image_open(const char *path, struct image *ret_image) {
        CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        if (status.st_size < (off_t) sizeof(*ret_image->head))
                return -EBADMSG;
        ret_image->head = mmap(NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (ret_image->head == MAP_FAILED)
                return -errno;
        return divide(ret_image, (size_t) status.st_size) && is_sound(ret_image) ? 0 : -EBADMSG;
}

/* One word of the copy that is current. While we read, the next one may have been published: then this copy is filled anew. */
static uint64_t current_word(const struct image *image, size_t word, uint64_t *ret_seen) {
        for (;;) {
                uint64_t published = __atomic_load_n(&image->head->published, __ATOMIC_ACQUIRE), bits;
                const uint64_t *copy = &image->copies[published % 2 * (1 + (size_t) image->head->value_count)];

                *ret_seen = __atomic_load_n(copy, __ATOMIC_ACQUIRE);
                bits = __atomic_load_n(&copy[word], __ATOMIC_ACQUIRE);
                if (__atomic_load_n(&image->head->published, __ATOMIC_ACQUIRE) == published)
                        return bits;
        }
}

uint64_t image_value(const struct image *image, uint32_t value) {
        uint64_t seen, bits = current_word(image, 1 + (size_t) value, &seen);

        for (uint64_t i = image->head->produced; i > seen; i--)
                if (image->ring[(i - 1) % IMAGE_RING].value == value)
                        return image->ring[(i - 1) % IMAGE_RING].bits;
        return bits;
}

int image_set(const struct image *image, uint32_t value, uint64_t bits) {
        uint64_t produced = image->head->produced, seen;

        current_word(image, 0, &seen);
        if (produced - seen >= IMAGE_RING)
                return -EBUSY;
        image->ring[produced % IMAGE_RING] = (struct image_write) { .value = value, .bits = bits };
        __atomic_store_n(&image->head->produced, produced + 1, __ATOMIC_RELEASE);
        return 0;
}

static const struct image_register *find_register(const struct image *image, const struct image_node *node, uint64_t number) {
        for (uint32_t i = node->data; i < node->data + node->count; i++)
                if (image->registers[i].number == number)
                        return &image->registers[i];
        return NULL;
}

int image_register_read(const struct image *image, const struct image_node *node, uint64_t number, uint64_t *ret_bits) {
        const struct image_register *found = find_register(image, node, number);

        if (!found)
                return -EIO;
        *ret_bits = image_value(image, found->value);
        return 0;
}

int image_register_write(const struct image *image, const struct image_node *node, uint64_t number, uint64_t bits) {
        const struct image_register *found = find_register(image, node, number);
        uint64_t old;

        if (!found || !found->writable || (bits & found->reserved))
                return -EIO;
        old = image_value(image, found->value);
        if (old & found->lock)
                return -EIO;
        return image_set(image, found->value, (old & ~found->writable) | (bits & found->writable));
}

int image_number_write(const struct image *image, const struct image_node *node, const char *text, size_t size) {
        char copy[32], *end;
        long long number;

        if (size == 0 || size >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, text, size);
        copy[size] = 0;
        errno = 0;
        number = strtoll(copy, &end, 10);
        if (end == copy || errno || (*end && strcmp(end, "\n")) || number < node->low || number > node->high)
                return -EINVAL;
        if (node->guard != IMAGE_NONE && (image_value(image, node->guard) & node->lock))
                return -EACCES;
        return image_set(image, node->data, (uint64_t) number);
}
