/* Between the store_fits*.c files. */
#ifndef NODEOS_STORE_FITS_DECODE_H
#define NODEOS_STORE_FITS_DECODE_H

#include <stdbool.h>
#include <stdint.h>

/* How stored values become floats: (float) (zero + scale * (double) stored), and BLANK becomes NaN. */
struct fits_rule {
        double scale, zero;
        int64_t blank;
        bool has_blank;
        bool is_plain; /* 32-bit floats that keep their bits */
};

/* Memory may have any alignment. */
typedef float fits_float __attribute__((aligned(1), may_alias));
typedef void fits_decoder(const struct fits_rule *rule, const void *from, fits_float *to, uint64_t count);

/* The decoder for a BITPIX, or NULL when there is no such. */
fits_decoder *fits_decoder_for(int32_t bitpix);
/* Bytes of a stored value. */
static inline uint64_t fits_bytes(int32_t bitpix) {
        return (uint64_t) (bitpix < 0 ? -bitpix : bitpix) / 8;
}

#endif
