/* nodeos_cores.h: the side of a program. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cores.h"
#include "nodeos_cores.h"

#define API __attribute__((visibility("default")))

static struct {
        pthread_once_t once;
        struct cores_page *page;        /* NULL: nobody asks */
        _Atomic int slot;               /* of this process; -1: none yet, -2: there was none free */
        _Atomic uint64_t seen;          /* the wish that nodeos_cores_wanted() saw last */
} cores = { .once = PTHREAD_ONCE_INIT, .slot = -1 };

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* A child is another process, with a slot of its own once it asks. */
static void forget_slot(void) {
        atomic_store(&cores.slot, -1);
}

/* A file that is not ours, or not whole, is none. */
static struct cores_page *map_page(const char *path) {
        struct cores_page *page;
        struct stat status;
        int fd;

        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return NULL;
        page = MAP_FAILED;
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= CORES_PAGE_BYTES)
                page = mmap(NULL, CORES_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (page == MAP_FAILED)
                return NULL;
        if (memcmp(page->magic, CORES_MAGIC, sizeof(page->magic)) == 0)
                return page;
        munmap(page, CORES_PAGE_BYTES);
        return NULL;
}

static void open_page(void) {
        const char *path = getenv("NODEOS_CORES");

        _Static_assert(sizeof(struct cores_page) <= CORES_PAGE_BYTES, "the page has room for it");
        if (!path || !*path)
                return;
        cores.page = map_page(path);
        if (cores.page)
                pthread_atfork(NULL, NULL, forget_slot);
}

static struct cores_page *page_of(void) {
        pthread_once(&cores.once, open_page);
        return cores.page;
}

/* The slot of this process; NULL when all are taken. Threads that come at the same time may take two: the second one is given back. */
static struct cores_slot *take_slot(struct cores_page *page) {
        int slot = atomic_load(&cores.slot), mine = -2, none = -1;

        if (slot >= 0)
                return &page->slots[slot];
        if (slot == -2)
                return NULL;
        for (int index = 0; index < CORES_SLOTS && mine < 0; index++) {
                uint64_t nobody = 0;

                if (atomic_compare_exchange_strong(&page->slots[index].owner, &nobody, (uint64_t) getpid()))
                        mine = index;
        }
        if (mine >= 0)
                atomic_store(&page->slots[mine].answer, 0);
        if (atomic_compare_exchange_strong(&cores.slot, &none, mine))
                return mine < 0 ? NULL : &page->slots[mine];
        if (mine >= 0)
                atomic_store(&page->slots[mine].owner, 0);
        return none < 0 ? NULL : &page->slots[none];
}

/* A process that ends on its own makes room; the governor sees to the others. */
__attribute__((destructor)) static void leave_slot(void) {
        int slot = atomic_load(&cores.slot);

        if (cores.page && slot >= 0)
                atomic_store(&cores.page->slots[slot].owner, 0);
}

/* The part of one process: the first ones get what cannot be divided. */
static int part_of(struct cores_page *page, const struct cores_slot *own, uint32_t all) {
        uint32_t before = 0, count = 0;

        for (const struct cores_slot *slot = page->slots; slot < page->slots + CORES_SLOTS; slot++)
                if (slot == own || atomic_load_explicit(&slot->owner, memory_order_relaxed)) {
                        count++;
                        before += slot < own;
                }
        all = all / count + (before < all % count);
        return all ? (int) all : 1;
}

API int nodeos_cores_wanted(void) {
        struct cores_page *page = page_of();
        struct cores_slot *slot = page ? take_slot(page) : NULL;
        uint64_t wish;

        if (!slot)
                return 0;
        wish = atomic_load(&page->wish);
        if (!wish || !cores_is_word(wish) || atomic_load(&page->lease_ns) < now_ns())
                return 0;
        atomic_store(&cores.seen, wish);
        return part_of(page, slot, cores_count(wish));
}

API void nodeos_cores_active(int count) {
        struct cores_page *page = page_of();
        struct cores_slot *slot = page ? take_slot(page) : NULL;
        uint64_t wish = atomic_load(&cores.seen), answer;

        if (!slot || !wish || count < 1)
                return;
        answer = cores_word(cores_request(wish), count < 0xffff ? (uint32_t) count : 0xffff);
        // The line is the governor's to read: it is written when there is something new.
        if (atomic_load_explicit(&slot->answer, memory_order_relaxed) != answer)
                atomic_store(&slot->answer, answer);
}

API void nodeos_heartbeat(void) {
        struct cores_page *page = page_of();

        if (page)
                atomic_store(&page->beat_ns[atomic_fetch_add(&page->beats, 1) % CORES_BEATS], now_ns());
}
