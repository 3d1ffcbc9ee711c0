/* nodeos-helper simulate: runs a program that sees a simulated package in place of the machine's. We serve the files; the
 * program and all that it starts are our children, and end with us. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"
#include "simulate.h"

static const char usage[] =
        "usage: nodeos-helper simulate --image FILE --at DIR [--over PATHS] -- PROGRAM [ARGUMENT]...\n"
        "\n"
        "  --image FILE   what lib/power/simulated shares with us: files, and their values\n"
        "  --at DIR       an empty directory; the files appear there, for the program only\n"
        "  --over PATHS   directories below DIR, by comma, that the program finds below / as well\n"
        "\n"
        "Exit status: that of the program, 128 and the signal that ended it, 125 when it cannot be simulated, 2 usage.\n";

struct simulation {
        struct image image;
        int connection; /* to the kernel */
        int signals, starter; /* descriptors that become readable: signals, the end of who started us */
        pid_t program;
        int status; /* -1 while the program runs */
        bool is_alone; /* who started us ended first */
};

static int signals_open(sigset_t *ret_before) {
        sigset_t wanted;

        sigemptyset(&wanted);
        sigaddset(&wanted, SIGCHLD);
        sigaddset(&wanted, SIGUSR1);
        sigaddset(&wanted, SIGTERM);
        sigaddset(&wanted, SIGINT);
        sigaddset(&wanted, SIGHUP);
        sigaddset(&wanted, SIGQUIT);
        sigprocmask(SIG_BLOCK, &wanted, ret_before);
        return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A view of the mounts that is ours, with the files of the image in it. Returns -1 or an exit status. */
static int mount_privately(struct simulation *simulation, const char *at) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return fail(125, "Cannot simulate a package: no namespace of mounts for us, which takes root: %s", strerror(errno));
        simulation->connection = files_mount(at);
        if (simulation->connection == -ENOENT || simulation->connection == -ENODEV || simulation->connection == -ENXIO)
                return fail(125, "Cannot simulate a package: no /dev/fuse, which the module fuse of the kernel has, or no %s", at);
        if (simulation->connection < 0)
                return fail(125, "Cannot mount simulated files at %s: %s", at, strerror(-simulation->connection));
        return -1;
}

/* The child. Whoever holds the connection open while nobody answers could wait for itself. */
static int run_program(struct simulation *simulation, const sigset_t *signals, const char *at, const char *over, char **command) {
        int status;

        close(simulation->connection);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        status = mounts_cover(at, over);
        if (status >= 0)
                return status;
        sigprocmask(SIG_SETMASK, signals, NULL);
        execvp(command[0], command);
        return fail(errno == ENOENT ? 127 : 126, "Cannot run %s: %s", command[0], strerror(errno));
}

/* Takes what ended: the program, and what it left to us. */
static void reap(struct simulation *simulation) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
                if (pid == simulation->program)
                        simulation->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A terminal sends its signals to the program as well; what a process sends to us is meant for it, but for SIGUSR1: the end. */
static void take_signals(struct simulation *simulation) {
        struct signalfd_siginfo info;

        while (read(simulation->signals, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGCHLD)
                        reap(simulation);
                else if (info.ssi_signo == SIGUSR1)
                        simulation->status = simulation->status < 0 ? 128 + SIGKILL : simulation->status;
                else if (info.ssi_code <= 0 && simulation->status < 0)
                        kill(simulation->program, (int) info.ssi_signo);
        }
}

/* Answers the kernel until the program ends or who started us does. */
static int serve(struct simulation *simulation) {
        struct pollfd polled[] = {
                { .fd = simulation->connection, .events = POLLIN },
                { .fd = simulation->signals, .events = POLLIN },
                { .fd = simulation->starter, .events = POLLIN },
        };

        while (simulation->status < 0) {
                int error = poll(polled, 3, -1) < 0 ? -errno : 0;

                if (error == -EINTR)
                        continue;
                simulation->is_alone = error == 0 && polled[2].revents;
                if (simulation->is_alone)
                        return fail(125, "Cannot go on: the simulation ended");
                if (error == 0 && polled[1].revents)
                        take_signals(simulation);
                if (error == 0 && polled[0].revents)
                        error = files_serve(simulation->connection, &simulation->image);
                if (error < 0)
                        return fail(125, "Cannot serve simulated files: %s", strerror(-error));
        }
        return simulation->status;
}

/* Ends our children, and theirs, which become ours. Who waits for an answer of ours cannot be killed: no more requests first. */
static void end_children(const struct simulation *simulation) {
        char path[64], list[4096];

        close(simulation->connection);
        snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        for (;;) {
                FILE *children = fopen(path, "re");
                size_t size = children ? fread(list, 1, sizeof(list) - 1, children) : 0;

                if (children)
                        fclose(children);
                list[size] = 0;
                if (size == 0)
                        return;
                for (char *next = list, *end; *next && *next != '\n'; next = end + (*end == ' ')) {
                        pid_t pid = (pid_t) strtol(next, &end, 10);

                        if (end == next || pid <= 1)
                                break;
                        kill(pid, SIGKILL);
                }
                if (waitpid(-1, NULL, 0) < 0 && errno != EINTR)
                        return;
        }
}

/* Removes what the simulation would have removed: its file, and the directory of both. */
static void remove_left(const char *image, const char *at) {
        char directory[PATH_MAX];

        unlink(image);
        umount2(at, MNT_DETACH);
        rmdir(at);
        if (strrchr(image, '/') && snprintf(directory, sizeof(directory), "%.*s", (int) (strrchr(image, '/') - image), image) < PATH_MAX)
                rmdir(directory);
}

static int simulate(struct simulation *simulation, const char *at, const char *over, char **command) {
        sigset_t before;
        int status;

        simulation->starter = (int) syscall(SYS_pidfd_open, getppid(), 0);
        simulation->signals = signals_open(&before);
        if (simulation->starter < 0 || simulation->signals < 0)
                return fail(125, "Cannot watch who started us: %s", strerror(errno));
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        status = mount_privately(simulation, at);
        if (status >= 0)
                return status;
        simulation->status = -1;
        simulation->program = fork();
        if (simulation->program < 0)
                return fail(125, "Cannot run %s: %s", command[0], strerror(errno));
        if (simulation->program == 0)
                exit(run_program(simulation, &before, at, over, command));
        status = serve(simulation);
        end_children(simulation);
        return status;
}

int simulate_main(int argc, char **argv) {
        const char *image = NULL, *at = NULL, *over = "";
        const struct option_spec options[] = {
                { "image", NULL, 0, 0, &image },
                { "at", NULL, 0, 0, &at },
                { "over", NULL, 0, 0, &over },
        };
        struct simulation simulation = { 0 };
        int count = 1, status, error;

        while (count < argc && strcmp(argv[count], "--"))
                count++;
        status = parse_options(count, argv, options, sizeof(options) / sizeof(*options), usage);
        if (status >= 0)
                return status;
        if (!image || !at || count + 1 >= argc)
                return fail(2, "Cannot simulate a package: --image, --at and a program behind -- are needed");
        error = image_open(image, &simulation.image);
        if (error < 0)
                return fail(125, "Cannot use the image %s: %s", image, strerror(-error));
        status = simulate(&simulation, at, over, argv + count + 1);
        if (simulation.is_alone)
                remove_left(image, at);
        return status;
}
