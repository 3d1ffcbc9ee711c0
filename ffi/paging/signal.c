/* Faults that are answered in the thread that has them: the handler of SIGBUS. What is not ours goes to who had it before. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "paging.h"

static struct sigaction before;
static struct lock install_lock;

_Static_assert(sizeof(sigset_t) <= sizeof(((struct calm *) NULL)->mask), "a mask of signals has its room");

/* All signals but those that a thread gives itself by what it does. */
static void mask_all(sigset_t *set) {
        static const int own[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };

        sigfillset(set);
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
                sigdelset(set, own[i]);
}

static unsigned generation;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* Locks may be held by threads that the child does not have, and descriptors are the parent's. */
static void begin_child(void) {
        generation++;
        registry_reset();
        prefetch_reset();
        events_reset();
        buffer_reset();
        atomic_store(&install_lock.word, 0);
}

static void watch_forks(void) {
        pthread_atfork(NULL, NULL, begin_child);
}

unsigned process_generation(void) {
        pthread_once(&fork_once, watch_forks);
        return generation;
}

int calm_begin(struct calm *calm, const struct nodeos_region *region) {
        sigset_t all;

        if (region && region->generation != generation)
                return -ESRCH;
        mask_all(&all);
        pthread_sigmask(SIG_BLOCK, &all, (sigset_t *) (void *) calm->mask);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &calm->cancel);
        return 0;
}

void calm_end(const struct calm *calm) {
        int ignored;

        pthread_setcancelstate(calm->cancel, &ignored);
        pthread_sigmask(SIG_SETMASK, (const sigset_t *) (const void *) calm->mask, NULL);
}

static bool is_write(const ucontext_t *context) {
#if defined(__x86_64__)
        return context->uc_mcontext.gregs[REG_ERR] & 2;
#elif defined(__aarch64__)
        /* Records follow the registers: a size behind each magic number. ESR bit 6 (WnR) says that it was a write. */
        const char *at = (const char *) context->uc_mcontext.__reserved, *end = at + sizeof context->uc_mcontext.__reserved;

        while (end - at >= 16) {
                uint32_t head[2];
                uint64_t esr;

                memcpy(head, at, sizeof head);
                if (head[0] == 0x45535201) {
                        memcpy(&esr, at + 8, sizeof esr);
                        return esr & 0x40;
                }
                if (!head[0] || !head[1])
                        break;
                at += head[1];
        }
        return true;
#else
#error "say how a write fault is told from a read fault"
#endif
}

/* Not ours, or a page that cannot be had: as if we were not there. */
static void pass_on(int signal_number, siginfo_t *info, void *context) {
        sigset_t mask = ((ucontext_t *) context)->uc_sigmask;

        if (!(before.sa_flags & SA_SIGINFO) && (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)) {
                signal(SIGBUS, SIG_DFL);
                /* An access will fault again as we return; what somebody sent has to be sent again. */
                if (info->si_code <= 0)
                        raise(SIGBUS);
                return;
        }
        sigorset(&mask, &mask, &before.sa_mask);
        if (!(before.sa_flags & SA_NODEFER))
                sigaddset(&mask, SIGBUS);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        if (before.sa_flags & SA_SIGINFO)
                before.sa_sigaction(signal_number, info, context);
        else
                before.sa_handler(signal_number);
}

/* 0: go on; else somebody else's. */
static int answer(const char *address, bool writes) {
        struct nodeos_region *region = registry_get(address);
        unsigned char present;
        int error = 0;

        if (!region) {
                /* Unmapped since: the access says so itself. */
                char *page = (char *) ((uintptr_t) address & ~(uintptr_t) (SMALL_BYTES - 1));

                return mincore(page, SMALL_BYTES, &present) < 0 && errno == ENOMEM ? 0 : -EFAULT;
        }
        if (region->mode != NODEOS_MODE_SIGNAL) {
                region_release(region);
                return -EFAULT;
        }
        atomic_fetch_add(&region->faulting, 1);
        if (atomic_load(&region->closing)) {
                atomic_fetch_sub(&region->faulting, 1);
                region_wait_closed(region);
        } else {
                uint64_t page = (uint64_t) (address - region->address) / region->page_bytes;

                if (writes && region->guarded)
                        region_refuse_write(region, page);
                else
                        error = region_fault(region, page, writes, IN_SIGNAL);
                atomic_fetch_sub(&region->faulting, 1);
        }
        region_release(region);
        return error;
}

static void on_bus(int signal_number, siginfo_t *info, void *context) {
        int saved = errno, cancel, ignored, error = -EFAULT;

        if (info->si_code > 0) {
                pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
                error = answer(info->si_addr, is_write(context));
                pthread_setcancelstate(cancel, &ignored);
        }
        errno = saved;
        if (error < 0)
                pass_on(signal_number, info, context);
}

int signal_install(void) {
        struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK }, found;
        int error = 0;

        mask_all(&action.sa_mask);
        lock_take(&install_lock);
        /* Somebody may have put another over it since. */
        if (sigaction(SIGBUS, NULL, &found) < 0)
                error = -errno;
        else if (!(found.sa_flags & SA_SIGINFO) || found.sa_sigaction != on_bus) {
                before = found;
                if (sigaction(SIGBUS, &action, NULL) < 0)
                        error = -errno;
        }
        lock_release(&install_lock);
        return error;
}
