/* usage: histories SEED STEPS: in an empty directory, as root; prints each call with its result, and at the end what is left.
 * "histories report" says what a program finds that was executed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "histories.h"

enum { LEADER, THREAD, THREAD_WITH_DIRECTORY, THREAD_WITH_FILES, CHILD, CHILD_WITH_OUR_FILES };

struct world *world;
char here[4096];

uint32_t pick(uint32_t below) {
        world->seed = world->seed * 1664525u + 1013904223u;
        return (world->seed >> 8) % below;
}

void say(const char *format, ...) {
        size_t room = OUTPUT - world->used;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(world->output + world->used, room, format, arguments);
        va_end(arguments);
        if (n > 0 && (size_t) n < room)
                world->used += (size_t) n;
}

void say_text(const char *text, long length) {
        size_t prefix = strlen(here);
        int in_brackets = 0;

        say(" \"");
        for (long i = 0; i < length; i++) {
                if ((size_t) (length - i) >= prefix && !memcmp(text + i, here, prefix)) {
                        say("HERE");
                        i += (long) prefix - 1;
                        continue;
                }
                in_brackets = text[i] == '[' ? 1 : text[i] == ']' ? 0 : in_brackets;
                if (in_brackets && text[i] >= '0' && text[i] <= '9')
                        continue;
                say(text[i] >= ' ' && text[i] < 127 ? "%c" : "\\%02x", text[i] & 255);
        }
        say("\"");
}

const char *error_name(int error) {
        const char *name = strerrorname_np(error);

        return name ? name : "?";
}

long made(const char *name, long result) {
        int error = errno;

        if (result == -1)
                say(" %s=%s", name, error_name(error));
        else
                say(" %s=%ld", name, result);
        return result == -1 ? -error : result;
}

static void count_signal(int number) {
        world->signals += number;
}

static void fail(const char *what) {
        printf("%s failed: %s\n", what, error_name(errno));
        exit(98);
}

/* --- taking turns ------------------------------------------------------------------------------------------------------------- */

static void futex(int operation, uint32_t value) {
        static const struct timespec patience = { .tv_sec = 2 };

        syscall(SYS_futex, &world->turn, operation, value, operation == FUTEX_WAIT ? &patience : NULL, NULL, 0);
}

static void pass_to(uint32_t next) {
        __atomic_store_n(&world->turn, next, __ATOMIC_SEQ_CST);
        futex(FUTEX_WAKE, INT_MAX);
}

static void wait_for_turn(uint32_t actor) {
        for (uint32_t now; (now = __atomic_load_n(&world->turn, __ATOMIC_SEQ_CST)) != actor;) {
                futex(FUTEX_WAIT, now);
                /* A program that crashed. */
                if (getpid() != world->pid && getppid() != world->pid)
                        _exit(96);
        }
}

static void call_any(int actor) {
        static const struct {
                void (*call)(void);
                uint32_t weight;
        } kinds[] = {
                { call_on_names, 9 }, { call_on_attributes, 5 }, { call_on_data, 8 }, { call_on_descriptors, 6 }, { call_on_locks, 2 },
        };
        uint32_t which = pick(35);

        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); which -= kinds[i++].weight)
                if (which < kinds[i].weight) {
                        kinds[i].call();
                        return;
                }
        call_on_state(actor);
}

static void act(int actor) {
        world->signals = 0;
        say("%u %d", world->step, actor);
        call_any(actor);
        if (world->signals)
                say(" signals=%d", world->signals);
        say("\n");
}

/* Everybody's life: a step when it is one's turn; who comes next is random. At the end all say what they have. */
static void live(int actor) {
        world->tids[actor] = (int32_t) syscall(SYS_gettid);
        for (;;) {
                wait_for_turn((uint32_t) actor);
                if (world->over)
                        return;
                if (world->step >= world->steps)
                        break;
                act(actor);
                world->step++;
                pass_to(world->step < world->steps ? pick(ACTORS) : 0);
        }
        say("end of %d:", actor);
        say_descriptors();
        say("\n");
        world->over = actor == ACTORS - 1;
        pass_to(world->over ? 0 : (uint32_t) actor + 1);
}

/* --- who acts --------------------------------------------------------------------------------------------------------------------- */

static void *thread_main(void *argument) {
        int actor = (int) (intptr_t) argument;

        if (syscall(SYS_unshare, actor == THREAD_WITH_DIRECTORY ? CLONE_FS : actor == THREAD_WITH_FILES ? CLONE_FILES : 0) < 0)
                fail("unshare");
        live(actor);
        return NULL;
}

static pid_t start_child(int actor) {
        pid_t pid = (pid_t) syscall(SYS_clone, SIGCHLD | (actor == CHILD_WITH_OUR_FILES ? CLONE_FILES | CLONE_FS : 0), 0, 0, 0, 0);

        if (pid < 0)
                fail("clone");
        if (!pid) {
                live(actor);
                _exit(0);
        }
        return pid;
}

/* What an executed program finds: its umask, its rights, and its descriptors. */
static int report(void) {
        mode_t mask = umask(0);

        dprintf(1, "umask=%o uid=%u euid=%u gid=%u fds=", mask, getuid(), geteuid(), getgid());
        for (int i = 3; i < 40; i++)
                if (fcntl(i, F_GETFD) >= 0)
                        dprintf(1, "%d,", i);
        return access("qf1", R_OK) ? 3 : 4;
}

/* Deep below: who climbs by a link that leads up finds nothing of anybody's. */
static void go_down(void) {
        for (int i = 0; i < 9; i++)
                if (mkdir("level", 0777) < 0 || chmod("level", 0777) < 0 || chdir("level") < 0)
                        fail("mkdir");
        if (!getcwd(here, sizeof(here)))
                fail("getcwd");
}

static void write_output(void) {
        struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

        setrlimit(RLIMIT_FSIZE, &all);
        for (size_t at = 0; at < world->used;) {
                ssize_t n = write(1, world->output + at, world->used - at);

                if (n <= 0)
                        fail("write");
                at += (size_t) n;
        }
}

int main(int argc, char **argv) {
        struct sigaction action = { .sa_handler = count_signal };
        pthread_t threads[THREAD_WITH_FILES + 1];
        pid_t children[ACTORS];
        int start;

        if (argc == 2 && !strcmp(argv[1], "report"))
                return report();
        if (argc != 3)
                return 2;
        world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (world == MAP_FAILED)
                fail("mmap");
        close_range(3, ~0u, 0);
        go_down();
        world->pid = getpid();
        world->seed = (uint32_t) atoi(argv[1]);
        world->steps = (uint32_t) atoi(argv[2]);
        world->may_leave_root = world->seed % 4 == 0;
        world->turn = UINT32_MAX;
        sigaction(SIGXFSZ, &action, NULL);
        sigaction(SIGPIPE, &action, NULL);
        arguments_prepare();
        start = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fcntl(start, F_DUPFD_CLOEXEC, START) != START || close(start) < 0)
                fail("open");
        /* Some room below the fewest that there may be: a forwarder has another error for who may have less, and has no more. */
        for (int i = FD_END - 6; i < FD_FEWEST; i++)
                dup3(START, i, O_CLOEXEC);
        for (int i = CHILD; i <= CHILD_WITH_OUR_FILES; i++)
                children[i] = start_child(i);
        for (int i = THREAD; i <= THREAD_WITH_FILES; i++)
                pthread_create(&threads[i], NULL, thread_main, (void *) (intptr_t) i);
        /* All have what they were born with before anybody changes it. */
        for (int i = 1; i < ACTORS; i++)
                while (!*(volatile int32_t *) &world->tids[i])
                        usleep(100);
        pass_to(0);
        live(LEADER);
        wait_for_turn(0);
        for (int i = CHILD; i <= CHILD_WITH_OUR_FILES; i++) {
                int status = 0;

                waitpid(children[i], &status, 0);
                if (status)
                        say("child %d ended %x\n", i, (unsigned int) status);
        }
        for (int i = THREAD; i <= THREAD_WITH_FILES; i++)
                pthread_join(threads[i], NULL);
        say("what is left:");
        say_tree(START, 0);
        say("\n");
        write_output();
        return 0;
}
