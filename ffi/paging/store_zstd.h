/* Compression of pages with the libzstd of the machine, opened when it is needed; between the store*.c files. */
#ifndef NODEOS_STORE_ZSTD_H
#define NODEOS_STORE_ZSTD_H

#include <stdint.h>

#define ZSTD_PAGE 4096u

/* What one thread at a time needs. Contexts are warm: no call asks malloc for more. About 2 KiB of stack are used. */
struct zstd_work {
        void *compressor, *decompressor;
        char plain[ZSTD_PAGE], packed[ZSTD_PAGE];
};

enum { ZSTD_WORKS = 4 };

struct zstd {
        int level;
        uint32_t busy;  /* a bit for each of the works */
        uint32_t given; /* count that is waited on */
        struct zstd_work works[ZSTD_WORKS];
        struct zstd_work writer; /* of one thread that may not wait for those */
};

/* EOPNOTSUPP: there is no libzstd.so.1, or it lacks what we call. EINVAL: it has no such level. */
int zstd_begin(struct zstd *zstd, int level);
void zstd_end(struct zstd *zstd);

/* Waits while other threads have all. */
struct zstd_work *zstd_take(struct zstd *zstd);
void zstd_give(struct zstd *zstd, struct zstd_work *work);

/* Packs work->plain into work->packed. Returns the bytes: 0 of a page of zeroes, ZSTD_PAGE of one that does not get smaller. */
uint32_t zstd_pack(const struct zstd *zstd, struct zstd_work *work);
/* And back, out of packed. EIO: that is not what was packed. */
int zstd_unpack(struct zstd_work *work, const void *packed, uint32_t bytes, void *plain);

#endif
