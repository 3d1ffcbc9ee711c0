#include "store_kinds.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fail(const char *file, int line, const char *condition, const char *format, ...) {
        va_list arguments;

        fprintf(stderr, "%s:%d: not so: %s ", file, line, condition);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        _Exit(1);
}

uint64_t next_random(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

const char *path_in(const char *directory, const char *name) {
        static char paths[64][256];
        static unsigned used;
        char *path = paths[used++ % 64];

        snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
        return path;
}

static uint32_t writes(bool again) {
        return NODEOS_STORE_WRITE | (again ? 0 : NODEOS_STORE_CREATE);
}

static int open_file(const char *directory, bool again, struct nodeos_store **ret) {
        return nodeos_store_file(path_in(directory, "file"), writes(again), 0, BYTES, ret);
}

static int open_file_at(const char *directory, bool again, struct nodeos_store **ret) {
        return nodeos_store_file(path_in(directory, "file"), writes(again), 123, BYTES, ret);
}

static int open_direct(const char *directory, bool again, struct nodeos_store **ret) {
        return nodeos_store_file(path_in(directory, "file"), writes(again) | NODEOS_STORE_DIRECT, 2 * PAGE, BYTES, ret);
}

static int open_direct_at(const char *directory, bool again, struct nodeos_store **ret) {
        return nodeos_store_file(path_in(directory, "file"), writes(again) | NODEOS_STORE_DIRECT, 123, BYTES, ret);
}

static int open_descriptor(const char *directory, bool again, struct nodeos_store **ret) {
        FILE *file = fopen(path_in(directory, "file"), again ? "r+" : "w+");
        int error;

        CHECK(file);
        error = nodeos_store_descriptor(fileno(file), writes(again), 0, BYTES, ret);
        fclose(file);
        return error;
}

/* Pages lie in one file each, but for those that lie over two. */
static int open_parts_with(const char *directory, uint32_t flags, uint64_t odd, struct nodeos_store **ret) {
        struct nodeos_store_part parts[9];
        uint64_t left = BYTES;
        char name[16];

        for (unsigned i = 0; i < 9; i++) {
                uint64_t bytes = i == 8 ? left : (i % 4 * 17 + 1) * PAGE + i * odd;

                snprintf(name, sizeof(name), "part%u", i == 4 ? 3 : i);
                // Part 4 lies behind part 3 in the same file.
                parts[i] = (struct nodeos_store_part) { path_in(directory, name), i == 4 ? 100 * PAGE : i * odd, bytes };
                left -= bytes;
        }
        return nodeos_store_parts(parts, 9, flags, ret);
}

static int open_parts(const char *directory, bool again, struct nodeos_store **ret) {
        return open_parts_with(directory, writes(again), 0, ret);
}

static int open_parts_odd(const char *directory, bool again, struct nodeos_store **ret) {
        return open_parts_with(directory, writes(again), 11, ret);
}

static int open_parts_direct(const char *directory, bool again, struct nodeos_store **ret) {
        return open_parts_with(directory, writes(again) | NODEOS_STORE_DIRECT, 11, ret);
}

static int open_sparse(const char *directory, bool again, struct nodeos_store **ret) {
        return nodeos_store_sparse(path_in(directory, "sparse"), writes(again), again ? 0 : BYTES, again ? 0 : 7 * PAGE, ret);
}

static int open_sparse_direct(const char *directory, bool again, struct nodeos_store **ret) {
        return nodeos_store_sparse(path_in(directory, "sparse"), writes(again) | NODEOS_STORE_DIRECT, again ? 0 : BYTES,
                                   again ? 0 : 32 * PAGE, ret);
}

static int open_compressed(const char *directory, bool again, struct nodeos_store **ret) {
        (void) directory, (void) again;
        return nodeos_store_compressed(NULL, BYTES, 2 * BYTES, 1, ret);
}

/* The tier has room for few pages. */
static int open_compressed_file(const char *directory, bool again, struct nodeos_store **ret) {
        struct nodeos_store *below;
        int error = open_file(directory, again, &below);

        return error < 0 ? error : nodeos_store_compressed(below, 0, 100 << 10, 1, ret);
}

unsigned char served_memory[BYTES];
pthread_t server_thread;

void *serve_until_closed(void *server) {
        int32_t number = (int32_t) (intptr_t) server;
        struct nodeos_served_request request;
        int error;

        while ((error = nodeos_served_next(number, -1, &request)) == 0) {
                switch (request.operation) {
                case NODEOS_SERVED_READ:
                        CHECK(nodeos_served_answer(number, request.id, 0, served_memory + request.offset, request.bytes) == 0);
                        break;
                case NODEOS_SERVED_WRITE:
                        CHECK(nodeos_served_take(number, request.id, served_memory + request.offset, request.bytes) == 0);
                        /* fall through */
                case NODEOS_SERVED_SYNC:
                        CHECK(nodeos_served_answer(number, request.id, 0, NULL, 0) == 0);
                        break;
                default:
                        CHECK(false, "operation %u", request.operation);
                }
        }
        CHECK(error == -ESHUTDOWN);
        return NULL;
}

static void *serve_and_release(void *server) {
        serve_until_closed(server);
        CHECK(nodeos_served_release((int32_t) (intptr_t) server) == 0);
        return NULL;
}

static int open_served(const char *directory, bool again, struct nodeos_store **ret) {
        int32_t server;
        int error = nodeos_store_served_new(BYTES, 1, NODEOS_STORE_WRITE, 60000, ret, &server);

        (void) directory;
        if (!again)
                memset(served_memory, 0, BYTES);
        return error < 0 ? error : pthread_create(&server_thread, NULL, serve_and_release, (void *) (intptr_t) server);
}

/* --- FITS ------------------------------------------------------------------------------------------------------------------ */

static const int32_t bitpixes[] = { -32, 16, 8, 64, -64, 32, -32, 16 };
enum { TILES = 10 };
static float fits_values[200000];

static void put(FILE *file, uint64_t bits, unsigned bytes) {
        while (bytes--)
                fputc((int) (bits >> 8 * bytes & 0xff), file);
}

/* One stored value: what is written, and what is to be read. */
static float stored(FILE *file, const struct nodeos_store_tile *tile, uint64_t *random) {
        uint64_t bits = next_random(random);
        int width = abs(tile->bitpix);
        int64_t whole = bits % 5 == 0 ? tile->blank : (int64_t) bits >> (64 - width);
        float real;
        double wide;

        if (tile->bitpix > 0) {
                if (tile->bitpix == 8)
                        whole &= 0xff;
                put(file, (uint64_t) whole, (unsigned) width / 8);
                return tile->has_blank && whole == tile->blank ? NAN : (float) (tile->zero + tile->scale * (double) whole);
        }
        if (tile->bitpix == -32) {
                uint32_t word = (uint32_t) bits;

                put(file, word, 4);
                memcpy(&real, &word, sizeof(real));
                return tile->scale == 1 && tile->zero == 0 ? real : (float) (tile->zero + tile->scale * (double) real);
        }
        // Within what a float holds, and beyond.
        bits = bits % 7 == 0 ? bits : (bits & ~(UINT64_C(0x7ff) << 52)) | UINT64_C(1020) << 52;
        put(file, bits, 8);
        memcpy(&wide, &bits, sizeof(wide));
        return (float) (tile->zero + tile->scale * wide);
}

static int open_fits(const char *directory, bool again, struct nodeos_store **ret) {
        struct nodeos_store_tile tiles[TILES] = { 0 };
        uint64_t random = 99, at = 0;
        char name[16];

        for (unsigned i = 0; i < TILES; i++) {
                struct nodeos_store_tile *tile = &tiles[i];
                FILE *file;

                // 1: a page has many tiles. 9: missing. 5: nothing in it.
                *tile = (struct nodeos_store_tile) { .count = i == 1 ? 3 : i == 5 ? 0 : 9000 + 1117 * i, .bitpix = 16 };
                if (i == 9) {
                        for (uint64_t k = 0; k < tile->count; k++)
                                fits_values[at++] = NAN;
                        continue;
                }
                snprintf(name, sizeof(name), "tile%u", i);
                tile->path = path_in(directory, name);
                tile->file_offset = 2880 * i + i % 2;
                tile->bitpix = bitpixes[i % 8];
                tile->has_blank = i % 2;
                tile->blank = tile->bitpix == 8 ? 200 : -77;
                tile->scale = i == 0 ? 1 : 1.0 / 3 + i;
                tile->zero = i == 0 ? 0 : 32768.25;
                file = fopen(again ? "/dev/null" : tile->path, "w");
                CHECK(file);
                fseek(file, (long) tile->file_offset, SEEK_SET);
                for (uint64_t k = 0; k < tile->count; k++)
                        fits_values[at++] = stored(file, tile, &random);
                fclose(file);
        }
        return nodeos_store_fits(tiles, TILES, ret);
}

static const unsigned char *fits_shows(void) {
        return (const unsigned char *) fits_values;
}

const struct kind kinds[] = {
        { "file", open_file, NULL, true, true },
        { "file-at-odd-offset", open_file_at, NULL, true, false },
        { "file-direct", open_direct, NULL, true, true },
        { "file-direct-at-odd-offset", open_direct_at, NULL, true, false },
        { "descriptor", open_descriptor, NULL, true, true },
        { "parts", open_parts, NULL, true, true },
        { "parts-of-odd-sizes", open_parts_odd, NULL, true, false },
        { "parts-direct", open_parts_direct, NULL, true, false },
        { "sparse", open_sparse, NULL, true, true },
        { "sparse-direct", open_sparse_direct, NULL, true, true },
        { "fits", open_fits, fits_shows, false, false },
        { "compressed", open_compressed, NULL, false, false },
        { "compressed-before-file", open_compressed_file, NULL, true, true },
        { "served", open_served, NULL, true, false },
        { NULL, NULL, NULL, false, false },
};
