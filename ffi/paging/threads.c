/* Threads that answer faults of a region, and those that evict for a buffer. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

#define STACK_BYTES (256 << 10)
#define SLOW_US 40

int worker_start(pthread_t *ret, void *(*run)(void *), void *argument) {
        pthread_attr_t attributes;
        sigset_t all, mask;
        int error;

        error = pthread_attr_init(&attributes);
        if (error)
                return -error;
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        /* Signals are for the program's threads, but those of faults: a store may read from a region. */
        sigfillset(&all);
        sigdelset(&all, SIGBUS);
        sigdelset(&all, SIGSEGV);
        pthread_sigmask(SIG_SETMASK, &all, &mask);
        error = pthread_create(ret, &attributes, run, argument);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        pthread_attr_destroy(&attributes);
        return -error;
}

/* A signal to a thread that sleeps in the kernel at an access to a page that cannot be had; it wakes it. Only a thread itself may
 * say that a signal is the kernel's. */
static void refuse(const struct uffd_msg *message) {
        siginfo_t info = { .si_signo = SIGBUS, .si_code = SI_QUEUE };

        info.si_addr = (void *) (uintptr_t) message->arg.pagefault.address;
        syscall(SYS_rt_tgsigqueueinfo, getpid(), message->arg.pagefault.feat.ptid, SIGBUS, &info);
}

static void answer(struct nodeos_region *region, const struct uffd_msg *message) {
        uint64_t address = message->arg.pagefault.address, page = (address - (uintptr_t) region->address) / region->page_bytes;
        bool writes = message->arg.pagefault.flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);

        if (page >= region->pages) {
                /* The program moved pages to where no store is behind them. */
                uffd_poison(region->uffd, (void *) (uintptr_t) (address & ~(SMALL_BYTES - 1)), SMALL_BYTES);
                return;
        }
        if (region->guarded && writes) {
                region_refuse_write(region, page);
                uffd_wake(region->uffd, page_address(region, page), region->page_bytes);
                return;
        }
        atomic_fetch_add(&region->faulting, 1);
        /* Who faults while the region is unmapped waits in the kernel until it is. */
        if (!atomic_load(&region->closing)) {
                int error = region_fault(region, page, writes, 0);

                if (error < 0 && !region->poisons)
                        refuse(message);
                else if (error)
                        uffd_wake(region->uffd, page_address(region, page), region->page_bytes);
        }
        atomic_fetch_sub(&region->faulting, 1);
}

static void *run_handler(void *argument);

/* What this thread answers faults of, and whether others wait until it reads the next one. */
static __thread __attribute__((tls_model("initial-exec"))) struct {
        struct nodeos_region *region;
        bool reads;
} handler;

/* Of a handler that waits, and was the last that did not. */
static void add_handler(struct nodeos_region *region) {
        lock_take(&region->spawning);
        if (!atomic_load(&region->closing) && atomic_load(&region->waiting) >= region->threads_count && region->threads_count < THREADS_MAX &&
            worker_start(&region->threads[region->threads_count], run_handler, region) == 0)
                region->threads_count++;
        lock_release(&region->spawning);
}

void handler_waits(void) {
        struct nodeos_region *region = handler.region;

        if (!region)
                return;
        if (handler.reads)
                lock_release(&region->reader);
        handler.reads = false;
        if (atomic_fetch_add(&region->waiting, 1) + 1 >= region->threads_count)
                add_handler(region);
}

void handler_goes_on(void) {
        if (handler.region)
                atomic_fetch_sub(&handler.region->waiting, 1);
}

/* Whether others should go on reading while we answer: a hand-over costs more than a read of what the kernel has in memory. */
static bool is_slow(struct nodeos_region *region) {
        return !(region->store->flags & NODEOS_STORE_SIGNAL_SAFE) || atomic_load_explicit(&region->read_us, memory_order_relaxed) > SLOW_US;
}

static void *run_handler(void *argument) {
        static const char zeroes[SMALL_BYTES] __attribute__((aligned(4096)));
        struct nodeos_region *region = argument;
        bool is_over = false;

        handler.region = region;
        pthread_setname_np(pthread_self(), "nodeos-fault");
        while (!is_over) {
                struct uffd_msg message;
                ssize_t n;

                if (!handler.reads)
                        lock_take(&region->reader);
                n = read(region->uffd, &message, sizeof message);
                is_over = (n < 0 && errno != EINTR && errno != EAGAIN) ||
                          (n == sizeof message && message.event == UFFD_EVENT_PAGEFAULT &&
                           message.arg.pagefault.address - (uintptr_t) region->bell < SMALL_BYTES);
                handler.reads = !is_over && !is_slow(region);
                if (!handler.reads)
                        lock_release(&region->reader);
                if (n != sizeof message)
                        continue;
                if (is_over)
                        uffd_copy(region->uffd, region->bell, zeroes, SMALL_BYTES, false, true);
                else if (message.event == UFFD_EVENT_PAGEFAULT)
                        answer(region, &message);
                else
                        event_handle(region, &message);
        }
        return NULL;
}

int threads_start(struct nodeos_region *region, uint32_t count) {
        int error = 0;

        lock_take(&region->spawning);
        for (uint32_t i = 0; i < count && !error; i++) {
                error = worker_start(&region->threads[i], run_handler, region);
                region->threads_count += !error;
        }
        lock_release(&region->spawning);
        if (error)
                threads_stop(region);
        return error;
}

/* A touch of the bell ends one thread: it is a fault like others, so that none has to look for anything else. */
void threads_stop(struct nodeos_region *region) {
        /* The region is closing, or was never mapped: who adds one now is the last. */
        lock_take(&region->spawning);
        lock_release(&region->spawning);
        for (uint32_t i = 0; i < region->threads_count; i++) {
                *(volatile char *) region->bell;
                madvise(region->bell, SMALL_BYTES, MADV_DONTNEED);
        }
        for (uint32_t i = 0; i < region->threads_count; i++)
                pthread_join(region->threads[i], NULL);
        region->threads_count = 0;
}

static bool is_above(const struct nodeos_buffer *buffer, uint32_t percent) {
        return buffer->resident * 100 > buffer_available(buffer) * percent;
}

/* A batch, and on from there down to the low watermark. Returns whether it freed any. */
static bool evict_down(struct nodeos_buffer *buffer, struct slot *slot) {
        uint64_t freed = 0, all = 0;

        do {
                victims_choose(buffer, slot, BATCH, 0);
                freed = slot->victims_count ? victims_evict(buffer, slot, NULL) : 0;
                all += freed;
        } while (freed && !atomic_load(&buffer->stop) && is_above(buffer, buffer->low_percent));
        return all > 0;
}

static void *run_evictor(void *argument) {
        struct nodeos_buffer *buffer = argument;
        bool helps = true;

        pthread_setname_np(pthread_self(), "nodeos-evict");
        lock_take(&buffer->lock);
        while (!atomic_load(&buffer->stop)) {
                struct slot *slot;

                if (!buffer->evictor_asked && !(helps && is_above(buffer, buffer->high_percent))) {
                        event_wait(&buffer->evictor_wanted, &buffer->lock);
                        helps = true;
                        continue;
                }
                buffer->evictor_asked = false;
                slot = slot_take(buffer, 0);
                helps = evict_down(buffer, slot);
                slot_give(buffer, slot);
                /* Who asked for us tries again, also when nothing could be written. */
                event_happens(&buffer->room);
        }
        lock_release(&buffer->lock);
        return NULL;
}

int evictors_start(struct nodeos_buffer *buffer, uint32_t count) {
        if (!count)
                return 0;
        if (count > THREADS_MAX)
                return -EINVAL;
        atomic_store(&buffer->stop, 0);
        free(buffer->evictor_threads);
        buffer->evictor_threads = calloc(count, sizeof *buffer->evictor_threads);
        if (!buffer->evictor_threads)
                return -ENOMEM;
        while (buffer->evictors < count) {
                int error = worker_start(&buffer->evictor_threads[buffer->evictors], run_evictor, buffer);

                if (error) {
                        evictors_stop(buffer);
                        return error;
                }
                buffer->evictors++;
        }
        return 0;
}

void evictors_stop(struct nodeos_buffer *buffer) {
        lock_take(&buffer->lock);
        atomic_store(&buffer->stop, 1);
        event_happens(&buffer->evictor_wanted);
        lock_release(&buffer->lock);
        for (uint32_t i = 0; i < buffer->evictors; i++)
                pthread_join(buffer->evictor_threads[i], NULL);
        buffer->evictors = 0;
}
