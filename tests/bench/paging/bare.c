/* The least that answers faults of user space: a window of fixed size, oldest windows first out. What nobody can do without is in
 * here and nothing else: no limit that holds, no errors, no second region. Each pattern is given the window that suits it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "bench.h"

/* Headers older than Linux 6.8 lack these. */
struct bare_move {
        uint64_t to, from, bytes, mode;
        int64_t moved;
};
#define BARE_MOVE _IOWR(UFFDIO, 0x05, struct bare_move)
#define BARE_FEATURE_MOVE (1u << 16)

enum { ABSENT, FILLING, CLEAN, DIRTY };
enum { STAGES = 80, BATCH = 64 };

static struct {
        int uffd, fd, pidfd;
        char *range;
        char *stages, *moving; /* of threads: to read into, and where pages move that are read over */
        uint64_t bytes, window_bytes, windows, slots; /* slots: windows that fit into the buffer */
        uint64_t first, last, resident;               /* of the ring */
        uint8_t *states;
        uint32_t *ring;
        bool writes, moves;
        atomic_flag lock;
        atomic_uint stage_count;
} bare = { .lock = ATOMIC_FLAG_INIT };

static __thread char *stage, *moved;

static void lock(void) {
        while (atomic_flag_test_and_set_explicit(&bare.lock, memory_order_acquire))
                sched_yield();
}

static void unlock(void) {
        atomic_flag_clear_explicit(&bare.lock, memory_order_release);
}

static char *address_of(uint64_t window) {
        return bare.range + window * bare.window_bytes;
}

static void copy(uint64_t window, const char *from, bool protects) {
        struct uffdio_copy copy = {
                .dst = (uintptr_t) address_of(window),
                .src = (uintptr_t) from,
                .len = bare.window_bytes,
                .mode = protects ? UFFDIO_COPY_MODE_WP : 0,
        };

        if (ioctl(bare.uffd, UFFDIO_COPY, &copy) < 0)
                die("UFFDIO_COPY");
}

static void move(char *to, char *from) {
        struct bare_move move = { .to = (uintptr_t) to, .from = (uintptr_t) from, .bytes = bare.window_bytes };

        if (ioctl(bare.uffd, BARE_MOVE, &move) < 0)
                die("UFFDIO_MOVE");
}

static void protect(uint64_t window, bool protects) {
        struct uffdio_writeprotect change = {
                .range = { (uintptr_t) address_of(window), bare.window_bytes },
                .mode = protects ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
        };

        if (ioctl(bare.uffd, UFFDIO_WRITEPROTECT, &change) < 0)
                die("UFFDIO_WRITEPROTECT");
}

static void wake(uint64_t window) {
        struct uffdio_range range = { (uintptr_t) address_of(window), bare.window_bytes };

        ioctl(bare.uffd, UFFDIO_WAKE, &range);
}

static void write_back(uint64_t window, const char *from) {
        ssize_t n = pwrite(bare.fd, from, bare.window_bytes, (off_t) (window * bare.window_bytes));

        if (n != (ssize_t) bare.window_bytes)
                die("pwrite");
}

static void drop(const uint64_t *windows, int count) {
        struct iovec ranges[BATCH];

        for (int i = 0; i < count; i++) {
                if (bare.states[windows[i]] == DIRTY) {
                        protect(windows[i], true);
                        write_back(windows[i], address_of(windows[i]));
                }
                ranges[i] = (struct iovec) { address_of(windows[i]), bare.window_bytes };
        }
        if (count == 1 && madvise(ranges[0].iov_base, ranges[0].iov_len, MADV_DONTNEED) < 0)
                die("madvise");
        if (count > 1 && syscall(SYS_process_madvise, bare.pidfd, ranges, count, MADV_DONTNEED, 0) < 0)
                die("process_madvise");
        for (int i = 0; i < count; i++)
                bare.states[windows[i]] = ABSENT;
}

/* Takes the oldest windows out, if there is no room for another one; one of them to the stage, if that is how they are recycled. */
static int take_victims(uint64_t *victims) {
        int most = bare.moves ? 1 : (int) (bare.slots / 8 < BATCH ? bare.slots / 8 : BATCH), count = 0;

        if (++bare.resident <= bare.slots)
                return 0;
        while (count < (most ? most : 1) && bare.first < bare.last)
                victims[count++] = bare.ring[bare.first++ % bare.slots];
        bare.resident -= (uint64_t) count;
        return count;
}

static void fill(uint64_t window, bool is_write) {
        uint64_t victims[BATCH];
        char *to = stage;
        int count;

        count = take_victims(victims);
        bare.states[window] = FILLING;
        unlock();
        if (count && bare.moves) {
                move(moved, address_of(victims[0]));
                if (bare.states[victims[0]] == DIRTY)
                        write_back(victims[0], moved);
                bare.states[victims[0]] = ABSENT;
                to = moved;
        } else if (count) {
                drop(victims, count);
        }
        if (pread(bare.fd, to, bare.window_bytes, (off_t) (window * bare.window_bytes)) != (ssize_t) bare.window_bytes)
                die("pread");
        if (to == moved)
                move(address_of(window), moved);
        else
                copy(window, stage, bare.writes && !is_write);
        lock();
        bare.states[window] = is_write ? DIRTY : CLEAN;
        bare.ring[bare.last++ % bare.slots] = (uint32_t) window;
}

static void answer(const char *address, bool is_write) {
        uint64_t window = (uint64_t) (address - bare.range) / bare.window_bytes;

        lock();
        if (bare.states[window] == ABSENT) {
                fill(window, is_write);
        } else if (bare.states[window] == CLEAN && is_write) {
                bare.states[window] = DIRTY;
                protect(window, false);
        } else {
                wake(window);
        }
        unlock();
}

static void take_stage(void) {
        unsigned i = atomic_fetch_add(&bare.stage_count, 1);

        if (i >= STAGES)
                die("more threads than stages");
        stage = bare.stages + i * bare.window_bytes;
        moved = bare.moving + i * bare.window_bytes;
}

static void *answer_all(void *argument) {
        struct uffd_msg message;

        (void) argument;
        take_stage();
        while (read(bare.uffd, &message, sizeof(message)) == sizeof(message))
                answer((char *) (uintptr_t) message.arg.pagefault.address,
                       message.arg.pagefault.flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP));
        return NULL;
}

static void on_bus(int number, siginfo_t *info, void *context) {
        int kept = errno;
        const char *address = info->si_addr;

        (void) number;
        if (address < bare.range || address >= bare.range + bare.bytes)
                die("SIGBUS of somebody else");
        if (!stage)
                take_stage();
#ifdef __x86_64__
        answer(address, ((ucontext_t *) context)->uc_mcontext.gregs[REG_ERR] & 2);
#else
        (void) context;
        answer(address, bare.writes);
#endif
        errno = kept;
}

static char *take_range(uint64_t bytes) {
        char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (at == MAP_FAILED)
                die("mmap");
        madvise(at, bytes, MADV_NOHUGEPAGE);
        return at;
}

static void watch(char *at, uint64_t bytes) {
        struct uffdio_register range = {
                .range = { (uintptr_t) at, bytes },
                .mode = UFFDIO_REGISTER_MODE_MISSING | (bare.writes ? UFFDIO_REGISTER_MODE_WP : 0),
        };

        if (ioctl(bare.uffd, UFFDIO_REGISTER, &range) < 0)
                die("UFFDIO_REGISTER");
}

static char *bare_open(const struct setting *setting, bool moves, uint64_t features) {
        struct uffdio_api api = { .api = UFFD_API, .features = features };

        bare.window_bytes = setting->window * PAGE;
        bare.bytes = setting->pages * PAGE;
        bare.windows = setting->pages / setting->window;
        bare.slots = setting->buffer_pages / setting->window;
        bare.writes = setting->writes;
        bare.moves = moves;
        bare.states = calloc(bare.windows, 1);
        bare.ring = calloc(bare.slots, sizeof(*bare.ring));
        bare.fd = open(setting->path, (setting->writes ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        bare.pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);
        bare.uffd = (int) syscall(SYS_userfaultfd, O_CLOEXEC);
        if (!bare.states || !bare.ring || bare.fd < 0 || bare.pidfd < 0 || bare.uffd < 0)
                die("a bare loop");
        if (ioctl(bare.uffd, UFFDIO_API, &api) < 0)
                die("UFFDIO_API");
        bare.range = take_range(bare.bytes);
        bare.stages = take_range(STAGES * bare.window_bytes);
        bare.moving = take_range(STAGES * bare.window_bytes);
        watch(bare.range, bare.bytes);
        watch(bare.moving, STAGES * bare.window_bytes);
        return bare.range;
}

static void answer_in_signals(void) {
        struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER };

        sigaction(SIGBUS, &action, NULL);
}

static char *answer_in_thread(char *range) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, answer_all, NULL))
                die("pthread_create");
        return range;
}

char *bare_thread_open(const struct setting *setting) {
        return answer_in_thread(bare_open(setting, false, 0));
}

char *bare_thread_move_open(const struct setting *setting) {
        return answer_in_thread(bare_open(setting, true, BARE_FEATURE_MOVE));
}

char *bare_signal_open(const struct setting *setting) {
        answer_in_signals();
        return bare_open(setting, false, UFFD_FEATURE_SIGBUS);
}

char *bare_signal_move_open(const struct setting *setting) {
        answer_in_signals();
        return bare_open(setting, true, UFFD_FEATURE_SIGBUS | BARE_FEATURE_MOVE);
}

void bare_close(void) {
        uint64_t window;

        if (!bare.writes)
                return;
        for (; bare.first < bare.last; bare.first++) {
                window = bare.ring[bare.first % bare.slots];
                drop(&window, 1);
        }
}
