/* Forwarding signals: what another process sends to us alone is meant for our program. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>

#include "internal.h"

static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH };

enum { FORWARDED = sizeof(forwarded) / sizeof(*forwarded) };

static int target = -1;    /* pidfd of the program, once there is one */
static unsigned int early; /* bit i: forwarded[i] came and was not passed on yet */
static int forwarding;
static struct sigaction former[FORWARDED];

/* Any thread may take a signal at any moment: whoever sees both a signal and a program passes it on, once. */
static void pass_on(void) {
        int fd = __atomic_load_n(&target, __ATOMIC_SEQ_CST);
        unsigned int bits = fd < 0 ? 0 : __atomic_exchange_n(&early, 0, __ATOMIC_SEQ_CST);

        for (; bits; bits &= bits - 1)
                syscall(SYS_pidfd_send_signal, fd, forwarded[__builtin_ctz(bits)], NULL, 0);
}

/* What the terminal sends (SI_KERNEL) goes to the whole foreground group, the program included; only what some process
 * sent to us alone is passed on. */
static void forward(int signal, siginfo_t *info, void *context) {
        int saved = errno;

        (void) context;
        for (int i = 0; i < FORWARDED; i++)
                if (forwarded[i] == signal && info->si_code <= 0)
                        __atomic_fetch_or(&early, 1u << i, __ATOMIC_SEQ_CST);
        pass_on();
        errno = saved;
}

int forward_start(void) {
        struct sigaction action = { .sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART };

        if (forwarding)
                return -EBUSY;
        early = 0;
        for (int i = 0; i < FORWARDED; i++) {
                if (sigaction(forwarded[i], NULL, &former[i]) < 0)
                        return -errno;
                /* A signal that the user had us ignore (nohup) stays ignored, by the program as well. */
                if (former[i].sa_handler != SIG_IGN && sigaction(forwarded[i], &action, NULL) < 0)
                        return -errno;
        }
        forwarding = 1;
        return 0;
}

void forward_to(int pidfd) {
        __atomic_store_n(&target, pidfd, __ATOMIC_SEQ_CST);
        pass_on();
}

void forward_stop(void) {
        for (int i = 0; i < FORWARDED; i++)
                sigaction(forwarded[i], &former[i], NULL);
        forwarding = 0;
        __atomic_store_n(&target, -1, __ATOMIC_SEQ_CST);
}

void forward_stop_for(int pidfd) {
        if (forwarding && __atomic_load_n(&target, __ATOMIC_SEQ_CST) == pidfd)
                forward_stop();
}
