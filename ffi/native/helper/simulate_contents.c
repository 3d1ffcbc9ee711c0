/* What is in the files of a simulated package. See simulate_files.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate.h"

/* A number that is open: a file that is read in parts is that of one moment. */
struct open_number {
        char text[24];
        size_t size;
};

/* Root may open every file; sysfs refuses all the same what a file is not made for. */
int contents_open(const struct request *request) {
        const struct fuse_open_in *in = request->body;
        struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };
        uint32_t access;

        if (request->size < sizeof(*in))
                return files_answer(request, -EINVAL, NULL, 0);
        access = in->flags & O_ACCMODE;
        if ((access != O_RDONLY && !(request->node->mode & 0222)) || (access != O_WRONLY && !(request->node->mode & 0444)))
                return files_answer(request, -EACCES, NULL, 0);
        if (request->node->kind == NODE_NUMBER) {
                out.fh = (uint64_t) (uintptr_t) calloc(1, sizeof(struct open_number));
                if (!out.fh)
                        return files_answer(request, -ENOMEM, NULL, 0);
        }
        return files_answer(request, 0, &out, sizeof(out));
}

int contents_release(const struct request *request) {
        const struct fuse_release_in *in = request->body;

        if (request->size >= sizeof(*in))
                free((struct open_number *) (uintptr_t) in->fh);
        return files_answer(request, 0, NULL, 0);
}

static int answer_part(const struct request *request, const char *text, size_t size, const struct fuse_read_in *in) {
        size_t from = in->offset < size ? (size_t) in->offset : size, count = size - from < in->size ? size - from : in->size;

        return files_answer(request, 0, text + from, count);
}

static int read_registers(const struct request *request, const struct fuse_read_in *in) {
        uint64_t bits;
        int error = in->size == sizeof(bits) ? image_register_read(request->image, request->node, in->offset, &bits) : -EINVAL;

        return error < 0 ? files_answer(request, error, NULL, 0) : files_answer(request, 0, &bits, sizeof(bits));
}

static int read_number(const struct request *request, const struct fuse_read_in *in) {
        struct open_number *number = (struct open_number *) (uintptr_t) in->fh;

        if (in->offset == 0 || number->size == 0)
                number->size = (size_t) snprintf(number->text, sizeof(number->text), "%lld\n",
                                                 (long long) image_value(request->image, request->node->data));
        return answer_part(request, number->text, number->size, in);
}

int contents_read(const struct request *request) {
        const struct fuse_read_in *in = request->body;

        if (request->size < sizeof(*in))
                return files_answer(request, -EINVAL, NULL, 0);
        switch (request->node->kind) {
        case NODE_REGISTERS:
                return read_registers(request, in);
        case NODE_NUMBER:
                return read_number(request, in);
        case NODE_TEXT:
                return answer_part(request, request->image->texts + request->node->data, request->node->count, in);
        }
        return files_answer(request, -EISDIR, NULL, 0);
}

int contents_write(const struct request *request) {
        const struct fuse_write_in *in = request->body;
        const struct fuse_write_out out = { .size = request->size >= sizeof(*in) ? in->size : 0 };
        const char *data = (const char *) request->body + sizeof(*in);
        uint64_t bits;
        int error = -EINVAL;

        if (request->size < sizeof(*in) || request->size - sizeof(*in) < in->size)
                return files_answer(request, -EINVAL, NULL, 0);
        if (request->node->kind == NODE_NUMBER)
                error = image_number_write(request->image, request->node, data, in->size);
        if (request->node->kind == NODE_REGISTERS && in->size == sizeof(bits)) {
                memcpy(&bits, data, sizeof(bits));
                error = image_register_write(request->image, request->node, in->offset, bits);
        }
        return error < 0 ? files_answer(request, error, NULL, 0) : files_answer(request, 0, &out, sizeof(out));
}

int contents_read_link(const struct request *request) {
        if (request->node->kind != NODE_LINK)
                return files_answer(request, -EINVAL, NULL, 0);
        return files_answer(request, 0, request->image->texts + request->node->data, request->node->count);
}
