/* A libzstd.so.1 for tests: it halves a page by forgetting half of it. With FAKE_ZSTD_BROKEN it cannot unpack. */
#include <stdlib.h>
#include <string.h>

void *ZSTD_createCCtx(void) {
        return malloc(1);
}

size_t ZSTD_freeCCtx(void *context) {
        free(context);
        return 0;
}

void *ZSTD_createDCtx(void) {
        return malloc(1);
}

size_t ZSTD_freeDCtx(void *context) {
        free(context);
        return 0;
}

size_t ZSTD_compressCCtx(void *context, void *to, size_t to_bytes, const void *from, size_t bytes, int level) {
        (void) context, (void) to_bytes, (void) level;
        memcpy(to, from, bytes / 2);
        return bytes / 2;
}

unsigned ZSTD_isError(size_t result) {
        return result > (size_t) -200;
}

int ZSTD_minCLevel(void) {
        return -7;
}

int ZSTD_maxCLevel(void) {
        return 22;
}

#ifndef FAKE_ZSTD_OLD
size_t ZSTD_decompressDCtx(void *context, void *to, size_t to_bytes, const void *from, size_t bytes) {
        (void) context, (void) to_bytes;
        memcpy(to, from, bytes);
        memset((char *) to + bytes, 0, bytes);
        return getenv("FAKE_ZSTD_BROKEN") ? (size_t) -20 : 2 * bytes;
}
#endif
