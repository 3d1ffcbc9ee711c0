/* A store behind a tier of compressed memory; see store_compressed.h. */
#define _GNU_SOURCE
#include "store_compressed.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* What our own accesses may raise goes through. */
static void hold_signals(sigset_t *old) {
        sigset_t all;

        sigfillset(&all);
        sigdelset(&all, SIGBUS);
        sigdelset(&all, SIGSEGV);
        pthread_sigmask(SIG_SETMASK, &all, old);
}

static void let_signals(const sigset_t *old) {
        pthread_sigmask(SIG_SETMASK, old, NULL);
}

static int read_compressed(struct nodeos_store *store, void *buffer, uint64_t bytes, uint64_t offset) {
        sigset_t old;
        int error;

        if (!is_within(store, bytes, offset))
                return -EINVAL;
        hold_signals(&old);
        error = compressed_read((struct compressed_store *) store, buffer, offset / PAGE, (offset + bytes + PAGE - 1) / PAGE);
        let_signals(&old);
        return error;
}

static int write_compressed(struct nodeos_store *store, const void *buffer, uint64_t bytes, uint64_t offset) {
        struct compressed_store *all = (struct compressed_store *) store;
        sigset_t old;
        int error = 0;

        if (!is_within(store, bytes, offset))
                return -EINVAL;
        hold_signals(&old);
        for (uint64_t at = 0; at < bytes && error == 0; at += PAGE)
                error = compressed_keep(all, (offset + at) / PAGE, (const char *) buffer + at, BLOB_DIRTY);
        let_signals(&old);
        return error;
}

static int sync_compressed(struct nodeos_store *store, uint64_t bytes, uint64_t offset) {
        struct compressed_store *all = (struct compressed_store *) store;
        uint64_t last = bytes ? (offset + bytes - 1) / PAGE : UINT64_MAX;
        sigset_t old;
        int error;

        if (offset > store->bytes || bytes > store->bytes - offset)
                return -EINVAL;
        if (!all->below)
                return 0;
        hold_signals(&old);
        error = compressed_flush(all, offset / PAGE, last);
        if (error == 0 && all->below->calls->sync)
                error = all->below->calls->sync(all->below, bytes, offset);
        let_signals(&old);
        return error;
}

static void close_compressed(struct nodeos_store *store) {
        struct compressed_store *all = (struct compressed_store *) store;

        if (all->below) {
                if (store->flags & NODEOS_STORE_WRITE)
                        sync_compressed(store, 0, 0);
                nodeos_store_close(all->below);
        }
        tier_end(&all->tier);
        zstd_end(&all->zstd);
        free(all);
}

static const struct nodeos_store_calls reads = { .read = read_compressed, .close = close_compressed };
static const struct nodeos_store_calls writes = {
        .read = read_compressed, .write = write_compressed, .sync = sync_compressed, .close = close_compressed,
};

static int begin(struct compressed_store *all, uint64_t tier_bytes, int level) {
        int error = tier_begin(&all->tier, tier_bytes);

        return error < 0 ? error : zstd_begin(&all->zstd, level);
}

int nodeos_store_compressed(struct nodeos_store *below, uint64_t bytes, uint64_t tier_bytes, int level, struct nodeos_store **ret) {
        uint32_t flags = below ? below->flags : NODEOS_STORE_WRITE | NODEOS_STORE_SIGNAL_SAFE;
        struct compressed_store *all = NULL;
        int error = -EINVAL;

        if (ret && (below ? bytes == 0 || bytes == below->bytes : bytes != 0 && bytes <= INT64_MAX)) {
                all = calloc(1, sizeof(*all));
                error = all ? begin(all, tier_bytes, level) : -ENOMEM;
        }
        if (error < 0) {
                if (all)
                        close_compressed(&all->store);
                nodeos_store_close(below);
                return error;
        }
        all->below = below;
        all->store = (struct nodeos_store) {
                .calls = flags & NODEOS_STORE_WRITE ? &writes : &reads,
                .bytes = below ? below->bytes : bytes,
                .block_bytes = ZSTD_PAGE,
                .flags = flags & (NODEOS_STORE_WRITE | NODEOS_STORE_SIGNAL_SAFE),
                .plain_fd = -1,
        };
        *ret = &all->store;
        return 0;
}
