/* Tiles of FITS files as one array of floats. Stored values are read into memory of our own, and decoded from there. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "store_fits_decode.h"
#include "store_named.h"

struct tile {
        uint64_t start; /* value in the store */
        uint64_t count;
        uint64_t file, file_offset;
        uint64_t bytes; /* of a stored value; 0: the tile is missing */
        fits_decoder *decode;
        struct fits_rule rule;
};

struct fits_store {
        struct nodeos_store store;
        struct named_files named;
        uint32_t count;
        struct tile tiles[];
};

static struct tile *tile_at(struct fits_store *all, uint64_t value) {
        uint32_t low = 0, high = all->count;

        while (high - low > 1) {
                uint32_t middle = low + (high - low) / 2;

                if (all->tiles[middle].start <= value)
                        low = middle;
                else
                        high = middle;
        }
        return &all->tiles[low];
}

static int decode(struct fits_store *all, const struct tile *tile, uint64_t first, uint64_t count, fits_float *to) {
        char *bounce = bounce_take();
        int error = bounce ? 0 : -ENOMEM;

        while (count && error == 0) {
                uint64_t piece = min_u64(count, BOUNCE_BYTES / tile->bytes);

                error = files_read(&all->named.files, tile->file, bounce, piece * tile->bytes, tile->file_offset + first * tile->bytes);
                if (error == 0)
                        tile->decode(&tile->rule, bounce, to, piece);
                to += piece;
                first += piece;
                count -= piece;
        }
        if (bounce)
                bounce_give(bounce);
        return error;
}

static int read_fits(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        struct fits_store *all = (struct fits_store *) store;
        uint64_t value = offset / sizeof(float), count = bytes / sizeof(float);
        fits_float *to = buffer;
        int error = is_within(store, bytes, offset) ? 0 : -EINVAL;

        for (struct tile *tile = tile_at(all, value); count && error == 0; tile++) {
                uint64_t first = value - tile->start;
                uint64_t piece = min_u64(count, tile->count - first);

                if (tile->bytes)
                        error = piece ? decode(all, tile, first, piece, to) : 0;
                else
                        for (uint64_t i = 0; i < piece; i++)
                                to[i] = NAN;
                to += piece;
                value += piece;
                count -= piece;
        }
        return error;
}

static void close_fits(struct nodeos_store *store) {
        named_end(&((struct fits_store *) store)->named);
        free(store);
}

static const struct nodeos_store_calls reads = { .read = read_fits, .close = close_fits };

static struct fits_rule rule_of(const struct nodeos_store_tile *given) {
        static const int64_t lowest[] = { 0, INT16_MIN, 0, INT32_MIN, 0, 0, 0, INT64_MIN };
        static const int64_t highest[] = { UINT8_MAX, INT16_MAX, 0, INT32_MAX, 0, 0, 0, INT64_MAX };
        uint64_t at = fits_bytes(given->bitpix) - 1;

        // A BLANK that no stored value can have is none, and floats have NaN.
        return (struct fits_rule) {
                .scale = given->scale,
                .zero = given->zero,
                .blank = given->blank,
                .has_blank = given->has_blank && given->bitpix > 0 && given->blank >= lowest[at] && given->blank <= highest[at],
                .is_plain = given->bitpix == -32 && given->scale == 1 && given->zero == 0,
        };
}

static int add(struct fits_store *all, struct tile *tile, const struct nodeos_store_tile *given) {
        uint64_t bytes;

        tile->start = all->store.bytes / sizeof(float);
        tile->count = given->count;
        if (given->count > (INT64_MAX - all->store.bytes) / sizeof(double))
                return -EINVAL;
        all->store.bytes += given->count * sizeof(float);
        if (!given->path || !given->count)
                return 0;
        tile->decode = fits_decoder_for(given->bitpix);
        if (!tile->decode)
                return -EINVAL;
        tile->bytes = fits_bytes(given->bitpix);
        tile->rule = rule_of(given);
        tile->file_offset = given->file_offset;
        return named_add(&all->named, given->path, given->file_offset, given->count * tile->bytes, &tile->file, &bytes);
}

int nodeos_store_fits(const struct nodeos_store_tile *tiles, uint32_t count, struct nodeos_store **ret) {
        struct fits_store *all;
        int error;

        if (!tiles || count == 0 || !ret)
                return -EINVAL;
        all = calloc(1, sizeof(*all) + count * sizeof(all->tiles[0]));
        if (!all)
                return -ENOMEM;
        all->count = count;
        all->store = (struct nodeos_store) {
                .calls = &reads,
                .block_bytes = sizeof(float),
                .flags = NODEOS_STORE_SIGNAL_SAFE,
                .plain_fd = -1,
        };
        error = named_begin(&all->named, count, 0);
        for (uint32_t i = 0; i < count && error == 0; i++)
                error = add(all, &all->tiles[i], &tiles[i]);
        if (error == 0)
                error = all->store.bytes ? named_ready(&all->named) : -EINVAL;
        if (error < 0)
                close_fits(&all->store);
        else
                *ret = &all->store;
        return error;
}
