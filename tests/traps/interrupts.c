/* Signals that come while a call is executed. A call may fail with EINTR, but then it must not have been executed; and no
 * call is executed twice. */
#define _GNU_SOURCE
#include "trap.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>

enum { CALLS = 800 };

static volatile sig_atomic_t signals_seen;

static void count_signal(int number) {
        (void) number;
        signals_seen++;
}

static void every_ms(int flags) {
        struct sigaction action = {.sa_handler = count_signal, .sa_flags = flags};
        struct itimerval interval = {{0, 1000}, {0, 1000}};

        MUST(sigaction(SIGALRM, &action, NULL));
        MUST(setitimer(ITIMER_REAL, &interval, NULL));
}

static void no_more(void) {
        struct itimerval never = {0};

        MUST(setitimer(ITIMER_REAL, &never, NULL));
}

static bool is_there(const char *path) {
        int result;

        do
                result = access(path, F_OK);
        while (result < 0 && errno == EINTR);
        return result == 0;
}

/* Calls mkdir until it is executed; a directory that is there although the call failed, or that it finds, was made before. */
static void make_once(const char *path) {
        while (mkdir(path, 0755) < 0) {
                if (errno == EEXIST)
                        FAIL("mkdir was executed twice");
                EXPECT(errno, EINTR);
                if (is_there(path))
                        FAIL("mkdir was executed, and failed with EINTR");
        }
}

static void at_1_khz(int flags) {
        char name[32];

        every_ms(flags);
        for (int i = 0; i < CALLS; i++) {
                snprintf(name, sizeof(name), "d%d", i);
                make_once(name);
        }
        // On a fast machine that was over before the first signal: there is nothing to see then.
        for (int i = CALLS; signals_seen < 200; i++) {
                snprintf(name, sizeof(name), "d%d", i);
                make_once(name);
        }
        no_more();
}

static void without_restart(void) {
        at_1_khz(0);
}

/* With SA_RESTART nobody sees an EINTR that a bare kernel would not give. */
static void with_restart(void) {
        char name[32];

        every_ms(SA_RESTART);
        for (int i = 0; i < CALLS || signals_seen < 200; i++) {
                snprintf(name, sizeof(name), "d%d", i);
                MUST(mkdir(name, 0755));
                MUST(rmdir(name));
        }
        no_more();
}

/* Descriptors that come with a signal are neither lost nor given twice. */
static void descriptors(void) {
        int first, fd;

        make_file("f", 0644, "");
        first = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        MUST(close(first));
        every_ms(0);
        for (int i = 0; i < CALLS || signals_seen < 200; i++) {
                do
                        fd = open("f", O_RDONLY | O_CLOEXEC);
                while (fd < 0 && errno == EINTR);
                EXPECT(fd, first);
                MUST(close(fd));
        }
        no_more();
}

static volatile sig_atomic_t made_by_handler;

static void make_in_handler(int number) {
        char name[32];
        int saved = errno;

        (void) number;
        snprintf(name, sizeof(name), "h%d", made_by_handler++);
        MUST(mkdir(name, 0755));
        errno = saved;
}

static void in_handlers(void) {
        struct sigaction action = {.sa_handler = make_in_handler, .sa_flags = SA_RESTART};
        struct itimerval interval = {{0, 2000}, {0, 2000}};
        struct stat status;
        int made = 0;
        char name[32];

        MUST(sigaction(SIGALRM, &action, NULL));
        MUST(setitimer(ITIMER_REAL, &interval, NULL));
        for (; made < 500 || made_by_handler < 50; made++) {
                snprintf(name, sizeof(name), "d%d", made);
                MUST(mkdir(name, 0755));
        }
        no_more();
        MUST(stat(".", &status));
        EXPECT(status.st_nlink, 2 + made + made_by_handler);
}

static sigjmp_buf out;

static void jump_out(int number) {
        (void) number;
        siglongjmp(out, 1);
}

/* A program that leaves a call by its handler, and makes the next one. */
static void jumps(void) {
        struct itimerval once = {{0, 0}, {0, 1500}};
        volatile int jumped = 0;
        struct stat status;
        struct sigaction action = {.sa_handler = jump_out};

        MUST(sigaction(SIGALRM, &action, NULL));
        while (jumped < 100) {
                if (sigsetjmp(out, 1) == 0) {
                        MUST(setitimer(ITIMER_REAL, &once, NULL));
                        for (;;)
                                if (stat(".", &status) < 0)
                                        EXPECT(errno, EINTR);
                }
                jumped++;
        }
        MUST(stat(".", &status));
        HOLDS(S_ISDIR(status.st_mode));
}

/* Opening a FIFO is a wait, which a signal ends as everywhere. */
static void fifo(void) {
        struct sigaction action = {.sa_handler = count_signal};
        struct itimerval once = {{0, 0}, {0, 50000}};

        MUST(mkfifo("fifo", 0600));
        MUST(sigaction(SIGALRM, &action, NULL));
        MUST(setitimer(ITIMER_REAL, &once, NULL));
        FAILS(open("fifo", O_RDONLY | O_CLOEXEC), EINTR);
        EXPECT(signals_seen, 1);
}

static void blocked_signals(void) {
        sigset_t signals;
        int number;

        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR1);
        MUST(sigprocmask(SIG_BLOCK, &signals, NULL));
        MUST(kill(getpid(), SIGUSR1));
        for (int i = 0; i < 50; i++)
                MUST(mkdir("d", 0755) < 0 ? -1 : rmdir("d"));
        EXPECT(sigwait(&signals, &number), 0);
        EXPECT(number, SIGUSR1);
}

static _Noreturn void make_for_ever(void) {
        char name[32];

        for (int i = 0;; i++) {
                snprintf(name, sizeof(name), "d%d", i % 100);
                MUST(mkdir(name, 0755));
                MUST(rmdir(name));
        }
}

/* A stopped process goes on where it was. */
static void stopped(void) {
        pid_t pid = (pid_t) MUST(fork());
        int status;

        if (pid == 0)
                make_for_ever();
        for (int i = 0; i < 40; i++) {
                pause_ms(3);
                MUST(kill(pid, SIGSTOP));
                EXPECT(waitpid(pid, &status, WUNTRACED), pid);
                HOLDS(WIFSTOPPED(status));
                MUST(kill(pid, SIGCONT));
        }
        pause_ms(10);
        EXPECT(waitpid(pid, &status, WNOHANG), 0);
        MUST(kill(pid, SIGKILL));
        EXPECT(ended(pid), 128 + SIGKILL);
}

static void *signal_process(void *done) {
        while (!*(volatile bool *) done) {
                MUST(kill(getpid(), SIGUSR1));
                pause_ms(1);
        }
        return NULL;
}

/* Signals that another thread sends hit whichever thread is in a call. */
static void between_threads(void) {
        struct sigaction action = {.sa_handler = count_signal};
        static bool done;
        pthread_t thread;
        char name[32];

        MUST(sigaction(SIGUSR1, &action, NULL));
        EXPECT(pthread_create(&thread, NULL, signal_process, &done), 0);
        for (int i = 0; i < 1000; i++) {
                snprintf(name, sizeof(name), "d%d", i);
                make_once(name);
        }
        *(volatile bool *) &done = true;
        EXPECT(pthread_join(thread, NULL), 0);
}

TRAPS({"at 1000 signals a second every call is executed once", without_restart},
      {"with SA_RESTART signals are not seen by calls", with_restart},
      {"signals lose no descriptors", descriptors},
      {"handlers make calls", in_handlers},
      {"a handler may jump out of a call", jumps},
      {"a signal ends the wait for a FIFO", fifo},
      {"a blocked signal waits", blocked_signals},
      {"a stopped process goes on", stopped},
      {"threads signal each other", between_threads})
