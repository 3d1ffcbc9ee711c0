/* Big-endian values to floats of this machine: loops that compilers make vectors of. None multiplies and adds in one step, which would
 * round otherwise than the definition. */
#include "store_fits_decode.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

typedef uint16_t raw_16 __attribute__((aligned(1), may_alias));
typedef uint32_t raw_32 __attribute__((aligned(1), may_alias));
typedef uint64_t raw_64 __attribute__((aligned(1), may_alias));

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SWAP(bits, value) __builtin_bswap##bits(value)
#else
#define SWAP(bits, value) (value)
#endif

static int16_t whole_16(uint16_t raw) {
        return (int16_t) SWAP(16, raw);
}

static int32_t whole_32(uint32_t raw) {
        return (int32_t) SWAP(32, raw);
}

static int64_t whole_64(uint64_t raw) {
        return (int64_t) SWAP(64, raw);
}

static uint8_t whole_8(uint8_t raw) {
        return raw;
}

static float real_32(uint32_t raw) {
        float value;

        raw = SWAP(32, raw);
        memcpy(&value, &raw, sizeof(value));
        return value;
}

static double real_64(uint64_t raw) {
        double value;

        raw = SWAP(64, raw);
        memcpy(&value, &raw, sizeof(value));
        return value;
}

/* What a rule says is copied first: `to` could be anything, so that the compiler would read it again after each value. */
#define SCALE(raw, value_of)                                                                                                           \
        do {                                                                                                                           \
                const double scale = rule->scale, zero = rule->zero;                                                                   \
                const raw *values = from;                                                                                              \
                                                                                                                                       \
                for (uint64_t i = 0; i < count; i++)                                                                                   \
                        to[i] = (float) (zero + scale * (double) value_of(values[i]));                                                 \
        } while (0)

#define SCALE_BLANK(raw, type, value_of)                                                                                               \
        do {                                                                                                                           \
                const double scale = rule->scale, zero = rule->zero;                                                                   \
                const type blank = (type) rule->blank;                                                                                 \
                const raw *values = from;                                                                                              \
                                                                                                                                       \
                for (uint64_t i = 0; i < count; i++) {                                                                                 \
                        type value = value_of(values[i]);                                                                              \
                        float scaled = (float) (zero + scale * (double) value);                                                        \
                                                                                                                                       \
                        to[i] = value == blank ? NAN : scaled;                                                                         \
                }                                                                                                                      \
        } while (0)

static void decode_8(const struct fits_rule *rule, const void *from, fits_float *restrict to, uint64_t count) {
        if (rule->has_blank)
                SCALE_BLANK(uint8_t, uint8_t, whole_8);
        else
                SCALE(uint8_t, whole_8);
}

static void decode_16(const struct fits_rule *rule, const void *from, fits_float *restrict to, uint64_t count) {
        if (rule->has_blank)
                SCALE_BLANK(raw_16, int16_t, whole_16);
        else
                SCALE(raw_16, whole_16);
}

static void decode_32(const struct fits_rule *rule, const void *from, fits_float *restrict to, uint64_t count) {
        if (rule->has_blank)
                SCALE_BLANK(raw_32, int32_t, whole_32);
        else
                SCALE(raw_32, whole_32);
}

static void decode_64(const struct fits_rule *rule, const void *from, fits_float *restrict to, uint64_t count) {
        if (rule->has_blank)
                SCALE_BLANK(raw_64, int64_t, whole_64);
        else
                SCALE(raw_64, whole_64);
}

static inline __attribute__((always_inline)) void swap(const raw_32 *from, raw_32 *restrict to, uint64_t count) {
        for (uint64_t i = 0; i < count; i++)
                to[i] = SWAP(32, from[i]);
}

#ifdef __x86_64__
/* Swaps bytes with one shuffle: three times as fast. */
__attribute__((target("avx2"))) static void swap_avx2(const raw_32 *from, raw_32 *restrict to, uint64_t count) {
        swap(from, to, count);
}
#define CAN_SHUFFLE __builtin_cpu_supports("avx2")
#else
#define swap_avx2 swap
#define CAN_SHUFFLE 0
#endif

static void decode_float(const struct fits_rule *rule, const void *from, fits_float *restrict to, uint64_t count) {
        if (!rule->is_plain)
                SCALE(raw_32, real_32);
        else if (CAN_SHUFFLE)
                swap_avx2(from, (raw_32 *) to, count);
        else
                swap(from, (raw_32 *) to, count);
}

static void decode_double(const struct fits_rule *rule, const void *from, fits_float *restrict to, uint64_t count) {
        SCALE(raw_64, real_64);
}

fits_decoder *fits_decoder_for(int32_t bitpix) {
        switch (bitpix) {
        case 8:
                return decode_8;
        case 16:
                return decode_16;
        case 32:
                return decode_32;
        case 64:
                return decode_64;
        case -32:
                return decode_float;
        case -64:
                return decode_double;
        default:
                return NULL;
        }
}
