/* Huge pages within the container's shares of NUMA nodes; memory_share.h says how they are kept. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "memory_share.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* The lock is held for so many bytes at once, or one page, so that others get their turn. */
#define SLICE ((size_t) 32 << 20)
#define BITS (8 * sizeof(long))

/* Where memory of a thread comes from. */
struct place {
        int mode;
        unsigned long nodes[SHARE_NODES_MAX / BITS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* This thread's own place, when it was looked up, and whether it is at another one now. */
static struct place own;
static bool is_known, is_away;
/* The share after the one that the last page came from. */
static unsigned turn;
/* There were several at the last look. */
static bool had_several;

static void before_fork(void) {
        pthread_mutex_lock(&lock);
}

static void after_fork(void) {
        pthread_mutex_unlock(&lock);
}

/* Before the heaps register theirs: whoever forks takes their locks first then, as whoever allocates does. */
__attribute__((constructor(102))) static void start(void) {
        if (share_file_is_known())
                pthread_atfork(before_fork, after_fork, after_fork);
}

static int read_place(struct place *ret_place) {
        memset(ret_place, 0, sizeof(*ret_place));
        return (int) syscall(SYS_get_mempolicy, &ret_place->mode, ret_place->nodes, SHARE_NODES_MAX + 1ul, NULL, 0);
}

/* The kernel takes one bit fewer than it is told. */
static int go_to(const struct place *place) {
        return (int) syscall(SYS_set_mempolicy, place->mode, place->nodes, SHARE_NODES_MAX + 1ul);
}

static bool has(const struct place *place, unsigned node) {
        return place->nodes[node / BITS] >> node % BITS & 1;
}

static bool knows_own(void) {
        return is_known = is_known || read_place(&own) == 0;
}

static int go_to_node(unsigned node) {
        struct place place = { .mode = MPOL_BIND };

        if (!knows_own())
                return -1;
        is_away = true;
        place.nodes[node / BITS] = 1ul << node % BITS;
        return go_to(&place);
}

static void go_back(void) {
        if (is_away)
                go_to(&own);
        is_away = is_known = false;
}

static bool has_room(const struct share *share, size_t page, bool is_own) {
        return !share->is_dry && share->bytes >= page && share->used <= share->bytes - page && (!is_own || has(&own, share->node));
}

/* The share that the next page comes from, or NULL when none has room: of nodes that the thread has chosen for itself first. */
static struct share *choose(size_t page) {
        for (int i = 0; i < 2; i++) {
                struct share *found = shares.policy == SHARE_BIND ? share_file_nearest(has_room, page, i == 0) : NULL;

                for (unsigned k = 0; !found && k < (unsigned) shares.count; k++) {
                        struct share *next = &shares.of[shares.policy == SHARE_INTERLEAVE ? (turn + k) % (unsigned) shares.count : k];

                        if (has_room(next, page, i == 0))
                                found = next;
                }
                if (found)
                        return found;
        }
        return NULL;
}

static bool populate(char *at, size_t bytes) {
        return syscall(SYS_madvise, at, bytes, MADV_POPULATE_WRITE) == 0;
}

/* Pages of one node, as many as are wanted and it has room for. Bytes, 0 when there is none. */
static size_t take_some(char *at, size_t bytes, size_t page) {
        for (struct share *share; (share = choose(page)); share->is_dry = true) {
                size_t most = shares.policy == SHARE_INTERLEAVE || page > SLICE ? page : SLICE;
                size_t room = (share->bytes - share->used) / page * page;

                if (most > room)
                        most = room;
                if (most > bytes)
                        most = bytes;
                turn = (unsigned) (share - shares.of) + 1;
                if (go_to_node(share->node) == 0 && populate(at, most)) {
                        share->used += most;
                        return most;
                }
        }
        return 0;
}

/* With the lock on several shares: a slice. Bytes. */
static size_t take_slice(char *at, size_t bytes, size_t page) {
        size_t taken = 0, some = 1;

        /* What cannot be counted is not taken. */
        if (!share_file_count() || !knows_own())
                return 0;
        for (; some && taken < bytes && taken < SLICE; taken += some)
                some = take_some(at + taken, bytes - taken, page);
        return taken;
}

/* Whether nobody has to be asked: there is no file, or this process cannot look, for want of a descriptor or of a right, and
 * there was nothing to keep when it could. */
static bool is_free(int error) {
        return error == ENOENT || error == ENOTDIR ||
               (!had_several && (error == EMFILE || error == ENFILE || error == EACCES || error == EPERM || error == ENOMEM));
}

/* One turn with the lock. Bytes that are there now: 0 when none can be had, -1 when nobody has to be asked. */
static ssize_t take_turn(char *at, size_t bytes, size_t page) {
        int fd = share_file_open(had_several ? LOCK_EX : LOCK_SH, page);
        size_t taken = 0;

        if (fd < 0)
                return is_free(errno) ? -1 : 0;
        had_several = shares.count > 1;
        if (had_several)
                taken = take_slice(at, bytes, page);
        /* Of one node, the container's limit is the share. */
        else if ((!shares.count || go_to_node(shares.of[0].node) == 0) && populate(at, bytes))
                taken = bytes;
        share_file_close(fd);
        return (ssize_t) taken;
}

int share_populate(void *at, size_t bytes, size_t page) {
        int saved = errno;
        size_t done = 0;
        ssize_t taken = 1;

        if (!share_file_is_known())
                return 0;
        pthread_mutex_lock(&lock);
        memset(&shares, 0, sizeof(shares));
        for (; done < bytes && taken > 0; done += taken > 0 ? (size_t) taken : 0)
                taken = take_turn((char *) at + done, bytes - done, page);
        go_back();
        pthread_mutex_unlock(&lock);
        errno = saved;
        if (done == bytes)
                return 1;
        if (taken < 0)
                return 0;
        errno = ENOMEM;
        return -1;
}

void *share_map(size_t bytes, int flags) {
        static const struct place anywhere = { .mode = MPOL_DEFAULT };
        int protection = PROT_READ | PROT_WRITE;
        void *at = (void *) syscall(SYS_mmap, NULL, bytes, protection, flags, -1, 0);
        struct place place;

        if (at != MAP_FAILED || errno != ENOMEM || !share_file_is_known())
                return at;
        /* The kernel promises no more than the thread's nodes have, and those may be from before another unit was granted. */
        if (read_place(&place) == 0 && place.mode != MPOL_DEFAULT && go_to(&anywhere) == 0) {
                at = (void *) syscall(SYS_mmap, NULL, bytes, protection, flags, -1, 0);
                go_to(&place);
        }
        if (at == MAP_FAILED)
                errno = ENOMEM;
        return at;
}
