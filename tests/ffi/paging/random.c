/* random SEED STEPS THREADS TRACKINGS: random calls and accesses beside a model of them. A few regions of stores in files and in memory
 * share one small buffer; each thread knows what it wrote last to the pages that are its own. Stores in memory fail at random, and
 * notice calls that overlap. Prints "fine", or what is wrong, of which seed. */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "probe.h"

enum { REGIONS = 3, THREADS = 4, ROUNDS = 3, SPOT = 7, OTHER = 500 };

/* A file, or memory that may fail. */
struct place {
        struct nodeos_store base; /* of the memory; the file has one for each region */
        int fd;                   /* -1: memory */
        char path[300];
        char *memory;
        uint64_t bytes, smalls;
        atomic_bool has_failed; /* in this round, or is about to */
        atomic_int failing; /* one of how many calls; 0: none */
        atomic_bool *busy;  /* of a page of 4 KiB */
        /* What the model says: of each page the version that was written last, that is in the store at least, and protections. */
        uint32_t *written, *flushed;
        uint8_t *protection;
};

struct target {
        struct place place;
        struct nodeos_region *region;
        struct nodeos_region_options options;
        bool writable;
};

struct worker {
        pthread_t thread;
        unsigned index;
        uint64_t state;
};

static uint64_t seed, steps;
static struct target targets[REGIONS];
static struct worker workers[THREADS];
static unsigned threads;
static uint64_t trackings; /* 2: not what is scanned */
static struct nodeos_buffer *buffer;
static uint64_t unit, limit; /* bytes: of the largest page, of the buffer */
static bool drops; /* nobody writes back meanwhile */
static atomic_ulong progress;
static __thread uint64_t *dice;
static __thread const char *what = "begin";

/* What the regions are, for who looks for the reason. */
static void describe(void) {
        fprintf(stderr, " (buffer of %" PRIu64 " pages of %" PRIu64 " KiB;", limit / unit, unit >> 10);
        for (int i = 0; i < REGIONS; i++)
                fprintf(stderr, " region %d: mode %u memory %u tracking %u page %" PRIu64 " KiB%s%s;", i, targets[i].options.mode,
                        targets[i].options.memory, targets[i].options.tracking, targets[i].options.page_bytes >> 10,
                        targets[i].writable ? "" : " read only", targets[i].place.fd < 0 ? "" : " file");
        fprintf(stderr, ")\n");
}

#define FAIL(...)                                                        \
        do {                                                             \
                fprintf(stderr, "seed %" PRIu64 ", %u threads, %s: ", seed, threads, what);  \
                fprintf(stderr, __VA_ARGS__);                            \
                describe();                                              \
                _exit(1);                                                \
        } while (0)
#define SO(condition, ...)                    \
        do {                                  \
                if (!(condition))             \
                        FAIL(__VA_ARGS__);    \
        } while (0)

static uint64_t below(uint64_t end) {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        return (*dice >> 11) % end;
}

static bool one_of(uint64_t count) {
        return below(count) == 0;
}

static uint64_t content(uint64_t small, unsigned word, uint32_t version) {
        return value_of(small, word) + (word == SPOT || word == OTHER ? version * UINT64_C(0x10001) : 0);
}

/* --- stores in memory --------------------------------------------------------------------------------------------------------- */

static bool fails(struct place *place) {
        static atomic_uint turn;
        unsigned failing = (unsigned) place->failing;

        return failing && (atomic_fetch_add(&turn, 1) * 2654435761u >> 7) % failing == 0;
}

static void claim(struct place *place, uint64_t bytes, uint64_t offset, bool on) {
        SO(offset % PAGE == 0 && offset + bytes <= place->bytes && bytes > 0, "a call of %" PRIu64 " bytes at %" PRIu64, bytes, offset);
        for (uint64_t small = offset / PAGE; small * PAGE < offset + bytes; small++)
                SO(atomic_exchange(&place->busy[small], on) != on, "calls of the store overlap at page %" PRIu64, small);
}

static int place_read(struct nodeos_store *store, void *to, uint64_t bytes, uint64_t offset) {
        struct place *place = (struct place *) store;
        int error = 0;

        claim(place, bytes, offset, true);
        if (fails(place))
                error = *(char *) to & 1 ? -EIO : -ENOENT;
        else
                memcpy(to, place->memory + offset, bytes);
        claim(place, bytes, offset, false);
        return error;
}

static int place_write(struct nodeos_store *store, const void *from, uint64_t bytes, uint64_t offset) {
        struct place *place = (struct place *) store;
        bool failed = fails(place);
        /* Some pages are written before it fails. */
        uint64_t some = failed ? bytes / 2 / PAGE * PAGE : bytes;
        struct iovec to = { place->memory + offset, some }, there = { (void *) from, some };
        bool is_copied = true;

        claim(place, bytes, offset, true);
        /* Else a thread takes rights from pages just now. */
        if (drops)
                memcpy(to.iov_base, from, some);
        else if (some)
                is_copied = process_vm_readv(getpid(), &to, 1, &there, 1, 0) == (ssize_t) some;
        claim(place, bytes, offset, false);
        return !is_copied ? -EFAULT : failed ? -ENOSPC : 0;
}

static void place_close(struct nodeos_store *store) {
        (void) store;
}

static void make_place(struct place *place, bool is_file, uint64_t bytes) {
        static const struct nodeos_store_calls calls = { place_read, place_write, NULL, place_close };

        memset(place, 0, sizeof *place);
        place->bytes = bytes;
        place->smalls = (bytes + PAGE - 1) / PAGE;
        place->memory = malloc(place->smalls * PAGE);
        place->busy = calloc(place->smalls, sizeof *place->busy);
        place->written = calloc(place->smalls, sizeof *place->written);
        place->flushed = calloc(place->smalls, sizeof *place->flushed);
        place->protection = malloc(place->smalls);
        place->fd = -1;
        place->base = (struct nodeos_store) {
                .calls = &calls, .bytes = bytes, .block_bytes = 1, .flags = WRITE_SAFE, .plain_fd = -1,
        };
        for (uint64_t i = 0; i < place->smalls * WORDS; i++)
                ((uint64_t *) place->memory)[i] = content(i / WORDS, (unsigned) (i % WORDS), 0);
        if (!is_file)
                return;
        snprintf(place->path, sizeof place->path, "%s/nodeos-random-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        place->fd = mkstemp(place->path);
        SO(place->fd >= 0 && write(place->fd, place->memory, bytes) == (ssize_t) bytes, "no file: %s", strerror(errno));
}

static void end_place(struct place *place) {
        if (place->fd >= 0) {
                unlink(place->path);
                close(place->fd);
        }
        free(place->memory);
        free(place->busy);
        free(place->written);
        free(place->flushed);
        free(place->protection);
}

static bool any_may_fail(void) {
        for (int i = 0; i < REGIONS; i++)
                if (targets[i].place.has_failed)
                        return true;
        return false;
}

/* --- accesses ------------------------------------------------------------------------------------------------------------------- */

/* A page that its store did not give, or for which nothing could be evicted, is asked for again. */
static bool again(struct target *target, uint64_t small, int number) {
        struct place *place = &target->place;

        if (number == 0)
                return false;
        SO(number == SIGBUS && place->protection[small] != 2, "signal %d at page %" PRIu64 ", protection %d", number, small,
           place->protection[small]);
        /* Tiny buffers may be full of what other threads have pinned. */
        SO(any_may_fail() || (threads > 1 && nodeos_region_error(target->region, small * PAGE) % ENOMEM == 0),
           "SIGBUS at page %" PRIu64 ": %s", small, strerror(nodeos_region_error(target->region, small * PAGE)));
        /* Another thread may have forgiven a larger page. */
        SO(threads > 1 || nodeos_region_error(target->region, small * PAGE) > 0, "SIGBUS at page %" PRIu64 " has no reason", small);
        SO(nodeos_region_forgive(target->region, small * PAGE, 1) == 0, "forgive");
        return true;
}

static uint64_t load(struct target *target, uint64_t small, unsigned word) {
        uint64_t value;

        while (again(target, small, signal_of_read(words_of(target->region) + small * WORDS + word, &value)))
                ;
        return value;
}

static void check(struct target *target, uint64_t small, unsigned word, uint64_t found) {
        struct place *place = &target->place;
        uint64_t wanted = small * PAGE + word * 8 < place->bytes ? content(small, word, place->written[small]) : 0;

        if (small * PAGE + word * 8 < place->bytes && small * PAGE + word * 8 + 8 > place->bytes)
                return;
        if (found != wanted)
                for (uint32_t version = 0; version < 1000000; version++)
                        if (content(small, word, version) == found)
                                FAIL("region %d page %" PRIu64 " word %u is of version %u, not %u (flushed %u)", (int) (target - targets),
                                     small, word, version, place->written[small], place->flushed[small]);
        SO(found == wanted, "region %d page %" PRIu64 " word %u is %" PRIx64 ", not %" PRIx64, (int) (target - targets), small, word,
           found, wanted);
}

static void read_page(struct target *target, uint64_t small) {
        unsigned word = below(3) ? SPOT : (unsigned) below(WORDS);

        if (target->place.protection[small] == 2) {
                uint64_t value;

                SO(signal_of_read(words_of(target->region) + small * WORDS, &value) == SIGSEGV, "an unreadable page was read");
                return;
        }
        check(target, small, word, load(target, small, word));
}

static bool is_within(const struct place *place, uint64_t small) {
        return small * PAGE + OTHER * 8 + 8 <= place->bytes;
}

static void write_page(struct target *target, uint64_t small) {
        struct place *place = &target->place;
        volatile uint64_t *words = words_of(target->region) + small * WORDS;

        if (!target->writable || !is_within(place, small))
                return;
        if (place->protection[small]) {
                SO(signal_of_write(words, 1) == SIGSEGV, "a page without rights was written");
                return;
        }
        if (one_of(3))
                check(target, small, SPOT, load(target, small, SPOT));
        place->written[small]++;
        while (again(target, small, signal_of_write(words + SPOT, content(small, SPOT, place->written[small]))))
                ;
        while (again(target, small, signal_of_write(words + OTHER, content(small, OTHER, place->written[small]))))
                ;
}

static void touch(struct target *target, uint64_t small, bool writes) {
        progress++;
        if (writes)
                write_page(target, small);
        else
                read_page(target, small);
}

/* The pages that are a thread's own. */
static void range_of(const struct worker *worker, const struct target *target, uint64_t *ret_first, uint64_t *ret_end) {
        *ret_first = target->place.smalls * worker->index / threads;
        *ret_end = target->place.smalls * (worker->index + 1) / threads;
}

/* --- calls ---------------------------------------------------------------------------------------------------------------------- */

static void expect(const char *name, int error, bool tolerates) {
        SO(error == 0 || (tolerates && (any_may_fail() || (threads > 1 && error == -ENOMEM))), "%s: %s", name, strerror(-error));
}

static bool has_rights(const struct target *target, uint64_t first, uint64_t end) {
        for (uint64_t small = first; small < end; small++)
                if (target->place.protection[small])
                        return false;
        return true;
}

static void copy_out(struct target *target, uint64_t first, uint64_t end) {
        uint64_t *to = malloc((end - first) * PAGE), offset = first * PAGE + below(PAGE), bytes = 1 + below((end - first) * PAGE);
        int error;

        if (!has_rights(target, first, end) || offset >= target->place.bytes)
                return free(to);
        bytes = bytes < end * PAGE - offset ? bytes : end * PAGE - offset;
        bytes = bytes < target->place.bytes - offset ? bytes : target->place.bytes - offset;
        error = nodeos_region_read(target->region, (char *) to + (offset - first * PAGE), bytes, offset);
        expect("read", error, true);
        for (uint64_t at = (offset + 7) / 8 * 8; error == 0 && at + 8 <= offset + bytes; at += 8)
                check(target, at / PAGE, (unsigned) (at % PAGE / 8), to[(at - first * PAGE) / 8]);
        free(to);
}

static void copy_in(struct target *target, uint64_t first, uint64_t end) {
        struct place *place = &target->place;
        uint64_t *from = malloc((end - first) * PAGE);
        int error = -EAGAIN;

        while (end > first && !is_within(place, end - 1))
                end--;
        if (target->writable && end > first && has_rights(target, first, end)) {
                uint64_t bytes = (end * PAGE < place->bytes ? end * PAGE : place->bytes) - first * PAGE;

                for (uint64_t small = first; small < end; small++) {
                        place->written[small]++;
                        for (unsigned word = 0; word < WORDS; word++)
                                from[(small - first) * WORDS + word] = content(small, word, place->written[small]);
                }
                for (int i = 0; error && i < 1000; i++) {
                        error = nodeos_region_write(target->region, from, bytes, first * PAGE);
                        expect("write", error, true);
                        if (error)
                                nodeos_region_forgive(target->region, first * PAGE, bytes);
                        for (int j = 0; i > 50 && j < REGIONS; j++)
                                targets[j].place.failing = 0;
                        if (error && i > 50)
                                usleep(1000);
                }
                SO(error == 0, "write never succeeds: %s", strerror(-error));
        }
        free(from);
}

static void flush(struct target *target, uint64_t first, uint64_t end) {
        int error = nodeos_region_flush(target->region, first * PAGE, (end - first) * PAGE);

        expect("flush", error, true);
        for (uint64_t small = first; !error && small < end; small++)
                target->place.flushed[small] = target->place.written[small];
}

static void protect(struct target *target, uint64_t first, uint64_t end) {
        static const int protections[] = { PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };
        uint8_t kind = (uint8_t) below(3);
        int protection = protections[kind];

        if (target->options.memory == NODEOS_MEMORY_SHARED || target->options.tracking == NODEOS_TRACKING_SCAN)
                return;
        if (!target->writable && kind == 1)
                return;
        if (!target->writable && kind == 0)
                protection = PROT_READ;
        SO(mprotect((char *) nodeos_region_address(target->region) + first * PAGE, (end - first) * PAGE, protection) == 0, "mprotect");
        memset(target->place.protection + first, kind, end - first);
}

/* What is dropped is as it was flushed, or written back since. */
static void drop(struct target *target, uint64_t first, uint64_t end) {
        struct place *place = &target->place;

        if (!drops || any_may_fail() || target->options.memory == NODEOS_MEMORY_SHARED || !has_rights(target, first, end))
                return;
        SO(madvise((char *) nodeos_region_address(target->region) + first * PAGE, (end - first) * PAGE, MADV_DONTNEED) == 0, "madvise");
        if (one_of(3))
                flush(target, first, end);
        else if (one_of(2))
                expect("evict", nodeos_region_evict(target->region, first * PAGE, (end - first) * PAGE), true);
        for (uint64_t small = first; small < end; small++) {
                uint64_t found = load(target, small, SPOT);
                uint32_t version = place->written[small];

                if (!is_within(place, small))
                        continue;
                /* A flush of what was dropped said nothing. */
                while (version && found != content(small, SPOT, version))
                        version--;
                place->written[small] = version;
                place->flushed[small] = place->flushed[small] < version ? place->flushed[small] : version;
                check(target, small, SPOT, found);
        }
}

static void pin(struct target *target, uint64_t first, uint64_t end) {
        int error = nodeos_region_pin(target->region, first * PAGE, (end - first) * PAGE);

        SO(error == 0 || error == -ENOMEM || any_may_fail(), "pin: %s", strerror(-error));
        for (int i = 0; i < 5; i++)
                touch(target, first + below(end - first), one_of(2));
        if (error == 0)
                expect("unpin", nodeos_region_unpin(target->region, first * PAGE, (end - first) * PAGE), false);
}

static void have_child(struct target *target) {
        pid_t child = fork();
        int status;

        if (child == 0)
                _exit(nodeos_region_flush(target->region, 0, 0) != -ESRCH);
        SO(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child ended with %d", status);
}

/* A region that comes and goes, and what comes to its addresses afterwards. */
static void map_another(void) {
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        struct place place;
        uint64_t smalls = 8 + below(24);
        uint64_t *mine;
        void *address;

        make_place(&place, false, smalls * PAGE);
        memset(place.protection, 0, smalls);
        options.mode = 1 + (uint32_t) below(2);
        options.memory = (uint32_t) below(3);
        expect("map", nodeos_region_map(buffer, &place.base, &options, &region), false);
        address = nodeos_region_address(region);
        for (uint64_t small = 0; small < smalls; small++)
                for (int number; (number = signal_of_write(words_of(region) + small * WORDS + SPOT, content(small, SPOT, 1)));) {
                        SO(number == SIGBUS && (any_may_fail() || threads > 1), "signal %d", number);
                        nodeos_region_forgive(region, 0, 0);
                }
        expect("unmap", nodeos_region_unmap(region), false);
        mine = mmap(address, smalls * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (uint64_t i = 0; i < smalls; i++)
                mine[i * WORDS] = i + 1;
        for (uint64_t i = 0; i < smalls; i++) {
                SO(((uint64_t *) place.memory)[i * WORDS + SPOT] == content(i, SPOT, 1), "page %" PRIu64 " was not written", i);
                SO(mine[i * WORDS] == i + 1, "somebody else's page is lost");
        }
        munmap(mine, smalls * PAGE);
        end_place(&place);
}

static void step(struct worker *worker) {
        struct target *target = &targets[below(REGIONS)];
        uint64_t first, end, some, small;
        bool writes = one_of(2);

        range_of(worker, target, &first, &end);
        if (first == end)
                return;
        small = first + below(end - first);
        some = 1 + below(one_of(4) ? 64 : 8);
        some = some < end - small ? some : end - small;
        switch (below(32)) {
        case 0:
                what = "flush";
                return flush(target, small, small + some);
        case 1:
                what = "evict";
                return expect("evict", nodeos_region_evict(target->region, small * PAGE, some * PAGE), true);
        case 2:
                what = "populate";
                return expect("populate", nodeos_region_populate(target->region, small * PAGE, some * PAGE), true);
        case 3:
                what = "prefetch";
                return drops ? (void) 0 : expect("prefetch", nodeos_region_prefetch(target->region, small * PAGE, some * PAGE), false);
        case 4:
                what = "pin";
                return pin(target, small, small + some);
        case 5:
        case 6:
                what = "copy out";
                return copy_out(target, small, small + some);
        case 7:
        case 8:
                what = "copy in";
                return copy_in(target, small, small + some);
        case 9:
        case 10:
                what = "protect";
                return protect(target, small, small + some);
        case 11:
                what = "drop";
                return drop(target, small, small + some);
        case 12:
                what = "resize";
                if (one_of(4)) {
                        int error = nodeos_buffer_resize(buffer, unit * (16 + below(49)));

                        SO(error == 0 || error == -ENOMEM || any_may_fail(), "%s", strerror(-error));
                }
                return;
        case 13:
                what = "failing";
                if (target->place.fd < 0) {
                        target->place.has_failed = true;
                        target->place.failing = one_of(2) ? 0 : (int) (2 + below(30));
                }
                return;
        case 14:
                what = "child";
                return one_of(10) ? have_child(target) : (void) 0;
        case 15:
                what = "another";
                return one_of(4) ? map_another() : (void) 0;
        case 16:
        case 17:
        case 18:
                what = "stream";
                for (uint64_t to = one_of(2) ? end : small + some; small < to; small++)
                        touch(target, small, writes);
                return;
        case 19:
                what = "back";
                for (; small > first; small--)
                        touch(target, small, writes);
                return;
        case 20:
                what = "stride";
                for (uint64_t by = 2 + below(9); small < end; small += by)
                        touch(target, small, writes);
                return;
        default:
                what = "touch";
                for (int i = 0; i < 4; i++)
                        touch(target, first + below(end - first), one_of(2));
        }
}

static void *work(void *argument) {
        struct worker *worker = argument;

        dice = &worker->state;
        for (uint64_t i = 0; i < steps; i++) {
                step(worker);
                progress++;
        }
        return NULL;
}

/* Two minutes: emulated machines are slow, and what fails at random is tried until it does not. */
static void *watch(void *unused) {
        (void) unused;
        for (unsigned long before = 0, still = 0; still < 240; still = progress == before ? still + 1 : 0) {
                struct timespec pause = { 0, 500000000 };

                before = progress;
                nanosleep(&pause, NULL);
        }
        fprintf(stderr, "seed %" PRIu64 ": hangs after %lu steps", seed, (unsigned long) progress);
        describe();
        if (getenv("NODEOS_RANDOM_STAYS"))
                pause();
        _exit(1);
}

/* --- rounds --------------------------------------------------------------------------------------------------------------------- */

static void map_target(struct target *target) {
        static const uint64_t sizes[] = { 1, 1, 1, 3, 16, 512 };
        struct place *place = &target->place;
        struct nodeos_store *store = &place->base;
        uint64_t size;

        do
                size = sizes[below(6)] * PAGE;
        while (size > unit);
        target->options = new_options();
        target->options.mode = 1 + (uint32_t) below(2);
        target->options.memory = (uint32_t) below(3);
        target->options.tracking = (uint32_t) below(trackings);
        target->options.page_bytes = size;
        target->options.threads = 1 + (uint32_t) below(3);
        target->options.window_pages = one_of(3) ? 1 + (uint32_t) below(64) : 0;
        target->writable = !one_of(6);
        target->options.read_only = !target->writable;
        if (!target->writable && one_of(3))
                target->options.memory = NODEOS_MEMORY_SHARED;
        if (place->fd >= 0)
                SO(nodeos_store_file(place->path, NODEOS_STORE_WRITE | (one_of(4) ? NODEOS_STORE_DIRECT : 0), 0, 0, &store) == 0, "store");
        place->base.flags = one_of(4) && target->options.mode == 2 ? NODEOS_STORE_WRITE : WRITE_SAFE;
        memset(place->protection, 0, place->smalls);
        expect("map", nodeos_region_map(buffer, store, &target->options, &target->region), false);
}

static void unmap_target(struct target *target) {
        struct place *place = &target->place;
        struct nodeos_region_statistics is;
        char *base = nodeos_region_address(target->region);

        if (one_of(2))
                mprotect(base, place->smalls * PAGE, target->writable ? PROT_READ | PROT_WRITE : PROT_READ);
        nodeos_region_forgive(target->region, 0, 0);
        static char name[REGIONS][20];

        sprintf(name[target - targets], "end of %d", (int) (target - targets));
        what = name[target - targets];
        expect("flush at the end", nodeos_region_flush(target->region, 0, 0), false);
        if (one_of(2)) {
                expect("evict at the end", nodeos_region_evict(target->region, 0, 0), false);
                nodeos_region_statistics(target->region, &is);
                SO(is.resident_pages == 0 && is.dirty_pages == 0 && is.pinned_pages == 0,
                   "resident %" PRIu64 " dirty %" PRIu64 " pinned %" PRIu64, is.resident_pages, is.dirty_pages, is.pinned_pages);
        }
        expect("unmap", nodeos_region_unmap(target->region), false);
        if (place->fd >= 0)
                SO(pread(place->fd, place->memory, place->bytes, 0) == (ssize_t) place->bytes, "the file has another size");
        for (uint64_t small = 0; small < place->smalls; small++)
                for (unsigned word = 0; word < WORDS && small * PAGE + word * 8 + 8 <= place->bytes; word++)
                        check(target, small, word, ((uint64_t *) place->memory)[small * WORDS + word]);
        memcpy(place->flushed, place->written, place->smalls * sizeof *place->flushed);
}

static void run_round(void) {
        what = "map";
        for (int i = 0; i < REGIONS; i++)
                map_target(&targets[i]);
        for (unsigned i = 0; i < threads; i++) {
                workers[i].index = i;
                workers[i].state = below(UINT64_MAX) | 1;
                SO(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create");
        }
        for (unsigned i = 0; i < threads; i++)
                pthread_join(workers[i].thread, NULL);
        what = "end";
        for (int i = 0; i < REGIONS; i++) {
                targets[i].place.failing = 0;
                targets[i].place.has_failed = false;
        }
        for (int i = 0; i < REGIONS; i++)
                unmap_target(&targets[i]);
        progress++;
}

int main(int count, char **args) {
        struct nodeos_buffer_options options = { .size = sizeof options };
        pthread_t watcher;
        uint64_t state;

        if (count != 5)
                return 2;
        seed = strtoull(args[1], NULL, 0);
        steps = strtoull(args[2], NULL, 0);
        state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
        dice = &state;
        for (int i = 0; i < 20; i++)
                below(2);
        catch_faults();
        pthread_create(&watcher, NULL, watch, NULL);
        trackings = strtoull(args[4], NULL, 0);
        threads = 1 + (unsigned) below(strtoull(args[3], NULL, 0));
        drops = threads == 1 && one_of(2);
        unit = (one_of(16) ? 512 : one_of(3) ? 16 : one_of(3) ? 3 : 1) * PAGE;
        limit = unit * (16 + below(49));
        options.bytes = limit;
        options.evictors = drops ? 0 : (uint32_t) below(3);
        options.high_percent = options.evictors ? 60 + (uint32_t) below(41) : 0;
        options.low_percent = options.evictors ? 30 + (uint32_t) below(31) : 0;
        expect("buffer", nodeos_buffer_create(&options, &buffer), false);
        for (int i = 0; i < REGIONS; i++)
                make_place(&targets[i].place, one_of(3),
                           unit * (1 + below(unit > 16 * PAGE ? 30 : 100)) - (one_of(2) ? 8 * below(WORDS) : 0));
        for (int i = 0; i < ROUNDS; i++)
                run_round();
        expect("close", nodeos_buffer_close(buffer), false);
        for (int i = 0; i < REGIONS; i++)
                end_place(&targets[i].place);
        return puts("fine"), 0;
}
