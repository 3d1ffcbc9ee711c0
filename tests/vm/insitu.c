/* A computation and its visualisation, in two containers: `insitu compute` relaxes a field of temperatures in POSIX shared
 * memory; `insitu view` makes a picture of every frame while it stands still. They know each other as processes of any
 * node do: a Unix socket says that a frame is ready, a signal with a checksum says that it was seen, and the last picture
 * comes back by a named pipe. Each prints one line of JSON, and fails when the other saw something else than it did. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 48, HEIGHT = 24, STEPS_PER_FRAME = 20, CPUS_MAX = 64, PATIENCE_SECONDS = 100 };

struct field {
        double now[HEIGHT][WIDTH];
};

static cpu_set_t seen_cpus;

static _Noreturn void die(const char *what) {
        fprintf(stderr, "insitu: %s: %s\n", what, strerror(errno));
        exit(1);
}

static void require(int holds, const char *what) {
        if (!holds) {
                errno = EPROTO;
                die(what);
        }
        CPU_SET(sched_getcpu(), &seen_cpus);
}

static const char *path_of(const char *directory, const char *name) {
        static char paths[4][256];
        static int next;
        char *path = paths[next++ % 4];

        snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
        return path;
}

/* Jacobi's iteration: each inner point becomes the mean of its neighbours; the upper edge is hot. */
static void relax(struct field *field) {
        static struct field former;

        former = *field;
        for (int y = 1; y < HEIGHT - 1; y++)
                for (int x = 1; x < WIDTH - 1; x++)
                        field->now[y][x] = (former.now[y - 1][x] + former.now[y + 1][x] + former.now[y][x - 1] + former.now[y][x + 1]) / 4;
}

/* A picture in the portable graymap format, as text. */
static size_t paint(const struct field *field, char *picture, size_t size) {
        size_t used = (size_t) snprintf(picture, size, "P2\n%d %d\n255\n", WIDTH, HEIGHT);

        for (int y = 0; y < HEIGHT; y++)
                for (int x = 0; x < WIDTH; x++)
                        used += (size_t) snprintf(picture + used, size - used, "%d%c", (int) (field->now[y][x] * 255), x < WIDTH - 1 ? ' ' : '\n');
        return used;
}

/* FNV-1a, short enough for the value of a signal. */
static int checksum(const char *data, size_t size) {
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ (uint8_t) data[i]) * 16777619u;
        return (int) (hash & 0x7fffffff);
}

static struct field *share(const char *name, int flags) {
        struct field *field;
        int fd = shm_open(name, flags, 0600);

        if (fd < 0 || (flags & O_CREAT && ftruncate(fd, sizeof(*field)) < 0))
                die("share memory");
        field = mmap(NULL, sizeof(*field), flags & O_CREAT ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
        if (field == MAP_FAILED)
                die("map the field");
        close(fd);
        return field;
}

static pid_t peer_of(int fd) {
        struct ucred peer;
        socklen_t size = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                die("ask who is there");
        return peer.pid;
}

/* Waits for SIGUSR1 of one process, and returns the value that came with it. */
static int signal_of(pid_t pid, const sigset_t *signals) {
        struct timespec patience = { .tv_sec = PATIENCE_SECONDS };
        siginfo_t info;

        if (sigtimedwait(signals, &info, &patience) < 0)
                die("wait for the signal");
        require(info.si_code == SI_QUEUE && info.si_pid == pid, "the signal of the other one");
        return info.si_value.sival_int;
}

static void print_cpus(const char *name, const cpu_set_t *cpus) {
        const char *comma = "";

        printf(",\"%s\":[", name);
        for (int cpu = 0; cpu < CPUS_MAX; cpu++)
                if (CPU_ISSET(cpu, cpus)) {
                        printf("%s%d", comma, cpu);
                        comma = ",";
                }
        printf("]");
}

static void report(const char *role, pid_t peer, int frames, int sum) {
        const char *container = getenv("NODEOS_CONTAINER");
        cpu_set_t allowed;

        if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
                die("ask for the CPUs");
        printf("{\"role\":\"%s\",\"container\":\"%s\",\"pid\":%d,\"peer\":%d,\"frames\":%d,\"checksum\":%d,\"policy\":%d", role,
               container ? container : "", getpid(), peer, frames, sum, sched_getscheduler(0) & ~SCHED_RESET_ON_FORK);
        print_cpus("seen", &seen_cpus);
        print_cpus("allowed", &allowed);
        printf("}\n");
}

static int connect_patiently(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        for (int tries = 0; tries < PATIENCE_SECONDS * 20; tries++) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
                        return fd;
                close(fd);
                usleep(50000);
        }
        die("reach the viewer");
}

static int compute(const char *directory, int frames, const sigset_t *signals) {
        static char own[32768], theirs[sizeof(own)];
        struct field *field;
        size_t size = 0, got = 0;
        char name[64];
        int fd, fifo, sum = 0;
        pid_t viewer;
        ssize_t n;

        snprintf(name, sizeof(name), "/insitu-%d", getpid());
        field = share(name, O_RDWR | O_CREAT | O_EXCL);
        for (int x = 0; x < WIDTH; x++)
                field->now[0][x] = 1;
        if (mkfifo(path_of(directory, "picture"), 0600) < 0)
                die("make the pipe");
        fd = connect_patiently(path_of(directory, "socket"));
        viewer = peer_of(fd);
        for (int frame = 1; frame <= frames; frame++) {
                for (int step = 0; step < STEPS_PER_FRAME; step++)
                        relax(field);
                if (write(fd, &frame, sizeof(frame)) != sizeof(frame))
                        die("say that a frame is ready");
                size = paint(field, own, sizeof(own));
                sum = checksum(own, size);
                require(signal_of(viewer, signals) == sum, "the viewer saw the same frame");
        }
        fifo = open(path_of(directory, "picture"), O_RDONLY | O_CLOEXEC);
        while ((n = read(fifo, theirs + got, sizeof(theirs) - got)) > 0)
                got += (size_t) n;
        require(got == size && !memcmp(own, theirs, size), "the picture is the field's");
        /* Now it may end. */
        if (sigqueue(viewer, SIGUSR1, (union sigval){ .sival_int = frames }) < 0)
                die("signal the viewer");
        shm_unlink(name);
        report("compute", viewer, frames, sum);
        return 0;
}

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 1) < 0)
                die("listen");
        return fd;
}

static int view(const char *directory, int frames, const sigset_t *signals) {
        static char picture[32768];
        const struct field *field;
        int frame, fd, fifo, sum = 0;
        size_t size = 0;
        char name[64];
        pid_t solver;
        FILE *file;

        fd = accept(listen_at(path_of(directory, "socket")), NULL, NULL);
        if (fd < 0)
                die("accept");
        solver = peer_of(fd);
        snprintf(name, sizeof(name), "/insitu-%d", solver);
        field = share(name, O_RDONLY);
        for (int expected = 1; expected <= frames; expected++) {
                if (read(fd, &frame, sizeof(frame)) != sizeof(frame))
                        die("hear of a frame");
                require(frame == expected, "frames come in order");
                size = paint(field, picture, sizeof(picture));
                sum = checksum(picture, size);
                if (sigqueue(solver, SIGUSR1, (union sigval){ .sival_int = sum }) < 0)
                        die("signal the solver");
        }
        file = fopen(path_of(directory, "last.pgm"), "w");
        if (!file || fwrite(picture, 1, size, file) != size || fclose(file))
                die("keep the picture");
        fifo = open(path_of(directory, "picture"), O_WRONLY | O_CLOEXEC);
        if (fifo < 0 || write(fifo, picture, size) != (ssize_t) size)
                die("send the picture");
        close(fifo);
        require(signal_of(solver, signals) == frames, "the solver is content");
        report("view", solver, frames, sum);
        return 0;
}

int main(int argc, char **argv) {
        sigset_t signals;

        /* Blocked from the start: a signal that comes early waits. */
        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR1);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        /* Whoever waits in vain, for the socket or the pipe, ends. */
        alarm(PATIENCE_SECONDS);
        if (argc == 4 && !strcmp(argv[1], "compute"))
                return compute(argv[2], atoi(argv[3]), &signals);
        if (argc == 4 && !strcmp(argv[1], "view"))
                return view(argv[2], atoi(argv[3]), &signals);
        fputs("usage: insitu compute|view DIRECTORY FRAMES\n", stderr);
        return 2;
}
