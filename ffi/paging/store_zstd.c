#define _GNU_SOURCE
#include "store_zstd.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "store_wait.h"

/* The part of the interface of libzstd that is stable, and that we call. */
static struct {
        void *(*compressor_new)(void);
        size_t (*compressor_free)(void *compressor);
        void *(*decompressor_new)(void);
        size_t (*decompressor_free)(void *decompressor);
        size_t (*compress)(void *compressor, void *to, size_t to_bytes, const void *from, size_t bytes, int level);
        size_t (*decompress)(void *decompressor, void *to, size_t to_bytes, const void *from, size_t bytes);
        unsigned (*is_error)(size_t result);
        int (*level_min)(void);
        int (*level_max)(void);
} library;
static int library_error;

static void open_library(void) {
        static const struct {
                const char *name;
                void *to;
        } symbols[] = {
                { "ZSTD_createCCtx", &library.compressor_new },   { "ZSTD_freeCCtx", &library.compressor_free },
                { "ZSTD_createDCtx", &library.decompressor_new }, { "ZSTD_freeDCtx", &library.decompressor_free },
                { "ZSTD_compressCCtx", &library.compress },       { "ZSTD_decompressDCtx", &library.decompress },
                { "ZSTD_isError", &library.is_error },            { "ZSTD_minCLevel", &library.level_min },
                { "ZSTD_maxCLevel", &library.level_max },
        };
        void *opened = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);

        library_error = opened ? 0 : -EOPNOTSUPP;
        for (size_t i = 0; opened && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
                void *found = dlsym(opened, symbols[i].name);

                if (!found)
                        library_error = -EOPNOTSUPP;
                memcpy(symbols[i].to, &found, sizeof(found));
        }
}

/* Contexts get their memory at their first use. */
static int warm(struct zstd *zstd, struct zstd_work *work) {
        uint32_t bytes;

        for (uint32_t i = 0; i < ZSTD_PAGE; i++)
                work->plain[i] = (char) (i * i >> 7);
        bytes = zstd_pack(zstd, work);
        return zstd_unpack(work, work->packed, bytes, work->plain);
}

static int begin_work(struct zstd *zstd, struct zstd_work *work) {
        work->compressor = library.compressor_new();
        work->decompressor = library.decompressor_new();
        return work->compressor && work->decompressor ? warm(zstd, work) : -ENOMEM;
}

static void end_work(struct zstd_work *work) {
        if (work->compressor)
                library.compressor_free(work->compressor);
        if (work->decompressor)
                library.decompressor_free(work->decompressor);
}

int zstd_begin(struct zstd *zstd, int level) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        int error;

        pthread_once(&once, open_library);
        if (library_error < 0)
                return library_error;
        if (level < library.level_min() || level > library.level_max())
                return -EINVAL;
        zstd->level = level;
        error = begin_work(zstd, &zstd->writer);
        for (unsigned i = 0; i < ZSTD_WORKS && error == 0; i++)
                error = begin_work(zstd, &zstd->works[i]);
        return error;
}

void zstd_end(struct zstd *zstd) {
        end_work(&zstd->writer);
        for (unsigned i = 0; i < ZSTD_WORKS; i++)
                end_work(&zstd->works[i]);
}

struct zstd_work *zstd_take(struct zstd *zstd) {
        for (;;) {
                uint32_t given = __atomic_load_n(&zstd->given, __ATOMIC_SEQ_CST);
                uint32_t busy = __atomic_load_n(&zstd->busy, __ATOMIC_SEQ_CST);

                while (busy != (1u << ZSTD_WORKS) - 1) {
                        int free = __builtin_ctz(~busy);

                        if (__atomic_compare_exchange_n(&zstd->busy, &busy, busy | 1u << free, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                                return &zstd->works[free];
                }
                wait_while(&zstd->given, given, FOREVER);
        }
}

void zstd_give(struct zstd *zstd, struct zstd_work *work) {
        uint32_t busy = __atomic_fetch_and(&zstd->busy, ~(1u << (work - zstd->works)), __ATOMIC_SEQ_CST);

        // Who waits saw all of them busy.
        if (busy != (1u << ZSTD_WORKS) - 1)
                return;
        __atomic_fetch_add(&zstd->given, 1, __ATOMIC_SEQ_CST);
        wake(&zstd->given, INT_MAX);
}

static int is_zero(const char *page) {
        return page[0] == 0 && memcmp(page, page + 1, ZSTD_PAGE - 1) == 0;
}

uint32_t zstd_pack(const struct zstd *zstd, struct zstd_work *work) {
        size_t bytes;

        if (is_zero(work->plain))
                return 0;
        bytes = library.compress(work->compressor, work->packed, ZSTD_PAGE - 1, work->plain, ZSTD_PAGE, zstd->level);
        if (!library.is_error(bytes))
                return (uint32_t) bytes;
        memcpy(work->packed, work->plain, ZSTD_PAGE);
        return ZSTD_PAGE;
}

int zstd_unpack(struct zstd_work *work, const void *packed, uint32_t bytes, void *plain) {
        if (bytes == 0)
                memset(plain, 0, ZSTD_PAGE);
        else if (bytes == ZSTD_PAGE)
                memcpy(plain, packed, ZSTD_PAGE);
        else if (library.decompress(work->decompressor, plain, ZSTD_PAGE, packed, bytes) != ZSTD_PAGE)
                return -EIO;
        return 0;
}
