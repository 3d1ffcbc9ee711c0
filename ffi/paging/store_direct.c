/* Transfers past the page cache, of any alignment. What does not fill whole blocks is read into memory of our own; what does not is
 * written through the page cache, where two threads may write parts of the same block: the kernel writes them out before it reads
 * or writes them directly. */
#include <errno.h>
#include <string.h>

#include "store_medium.h"

static bool is_aligned(const void *memory, uint64_t offset) {
        return !(((uintptr_t) memory | offset) & (MEDIUM_BLOCK - 1));
}

/* By way of our own memory: whole blocks around each piece. The last may end with the file. */
static int read_around(int fd, char *buffer, uint64_t bytes, uint64_t offset) {
        char *bounce = bounce_take();
        int error = bounce ? 0 : -ENOMEM;

        while (bytes && error == 0) {
                uint64_t before = offset & (MEDIUM_BLOCK - 1);
                uint64_t piece = min_u64(bytes, BOUNCE_BYTES - before);
                uint64_t got = 0;

                error = file_read_some(fd, bounce, (before + piece + MEDIUM_BLOCK - 1) & ~(MEDIUM_BLOCK - 1), offset - before, &got);
                if (error == 0 && got < before + piece)
                        error = -ENODATA;
                if (error == 0)
                        memcpy(buffer, bounce + before, piece);
                buffer += piece;
                bytes -= piece;
                offset += piece;
        }
        if (bounce)
                bounce_give(bounce);
        return error;
}

int direct_read(const struct medium *medium, void *buffer, uint64_t bytes, uint64_t offset) {
        uint64_t whole = is_aligned(buffer, offset) ? bytes & ~(MEDIUM_BLOCK - 1) : 0;
        int error = whole ? file_read(medium->direct_fd, buffer, whole, offset) : 0;

        if (error == 0 && whole < bytes)
                error = read_around(medium->direct_fd, (char *) buffer + whole, bytes - whole, offset + whole);
        return error;
}

/* Whole blocks from memory of any alignment. */
static int write_blocks(int fd, const char *buffer, uint64_t bytes, uint64_t offset) {
        char *bounce;
        int error = 0;

        if (is_aligned(buffer, 0))
                return file_write(fd, buffer, bytes, offset);
        bounce = bounce_take();
        if (!bounce)
                return -ENOMEM;
        for (uint64_t at = 0; at < bytes && error == 0; at += BOUNCE_BYTES) {
                uint64_t piece = min_u64(bytes - at, BOUNCE_BYTES);

                memcpy(bounce, buffer + at, piece);
                error = file_write(fd, bounce, piece, offset + at);
        }
        bounce_give(bounce);
        return error;
}

int direct_write(const struct medium *medium, const void *buffer, uint64_t bytes, uint64_t offset) {
        const char *from = buffer;
        uint64_t head = min_u64(-offset & (MEDIUM_BLOCK - 1), bytes);
        uint64_t whole = (bytes - head) & ~(MEDIUM_BLOCK - 1);
        uint64_t tail = bytes - head - whole;
        int error = head ? file_write(medium->fd, from, head, offset) : 0;

        if (error == 0 && whole)
                error = write_blocks(medium->direct_fd, from + head, whole, offset + head);
        if (error == 0 && tail)
                error = file_write(medium->fd, from + head + whole, tail, offset + head + whole);
        return error;
}
