/* What guest tests run inside containers: it looks at itself and prints one line of JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 64, CPUS_MAX = 64 };

static double now_seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void print_cpus(const char *name, const cpu_set_t *cpus) {
        const char *comma = "";

        printf("\"%s\":[", name);
        for (int cpu = 0; cpu < CPUS_MAX; cpu++)
                if (CPU_ISSET(cpu, cpus)) {
                        printf("%s%d", comma, cpu);
                        comma = ",";
                }
        printf("]");
}

/* The line of a file that starts with `start`, without its newline. */
static int read_line(const char *path, const char *start, char *line, size_t size) {
        FILE *file = fopen(path, "r");
        int found = 0;

        while (file && !found && fgets(line, (int) size, file))
                found = !strncmp(line, start, strlen(start));
        if (file)
                fclose(file);
        line[found ? strcspn(line, "\n") : 0] = 0;
        return !found;
}

/* Taken before anything else: what the program was born with. */
static int facts(int born_on) {
        struct sched_param parameters;
        cpu_set_t allowed;
        char cgroup[2048];

        if (read_line("/proc/self/cgroup", "0::", cgroup, sizeof(cgroup)) || sched_getaffinity(0, sizeof(allowed), &allowed) < 0 ||
            sched_getparam(0, &parameters) < 0)
                return 1;
        printf("{\"cgroup\":\"%s\",\"cpu\":%d,\"policy\":%d,\"priority\":%d,", cgroup, born_on, sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, parameters.sched_priority);
        print_cpus("allowed", &allowed);
        printf("}\n");
        return 0;
}

struct spinner {
        pthread_t thread;
        cpu_set_t seen, allowed;
        double work;
};

static double from_seconds, end_seconds;

/* Notes where it runs in the second half: by then it has been placed. */
static void *spin(void *argument) {
        struct spinner *spinner = argument;

        /* As workers do, which wait for something to do first. */
        usleep(100000);
        for (double now = 0; now < end_seconds || !CPU_COUNT(&spinner->seen); now = now_seconds()) {
                if (now > from_seconds)
                        CPU_SET(sched_getcpu(), &spinner->seen);
                for (int i = 0; i < 10000; i++)
                        spinner->work += 1.0 / (i + 1);
        }
        sched_getaffinity(0, sizeof(spinner->allowed), &spinner->allowed);
        return NULL;
}

static int spin_all(int count, double seconds) {
        static struct spinner spinners[THREADS_MAX];

        from_seconds = now_seconds() + seconds / 2;
        end_seconds = now_seconds() + seconds;
        for (int i = 1; i < count; i++)
                if (pthread_create(&spinners[i].thread, NULL, spin, &spinners[i]))
                        return 1;
        spin(&spinners[0]);
        printf("[");
        for (int i = 0; i < count; i++) {
                if (i > 0)
                        pthread_join(spinners[i].thread, NULL);
                printf("%s{", i ? "," : "");
                print_cpus("seen", &spinners[i].seen);
                printf(",");
                print_cpus("allowed", &spinners[i].allowed);
                printf("}");
        }
        printf("]\n");
        return 0;
}

/* Takes memory, and tells from which nodes its cgroup has it. */
static int take(size_t mib) {
        char cgroup[2048], path[4096], line[2048];
        char *memory = malloc(mib << 20);

        if (!memory || read_line("/proc/self/cgroup", "0::", cgroup, sizeof(cgroup)))
                return 1;
        for (size_t at = 0; at < mib << 20; at += 4096)
                memory[at] = 1;
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.numa_stat", cgroup + 3);
        if (read_line(path, "anon ", line, sizeof(line)))
                return 1;
        printf("%s\n", line);
        return memory[mib] != 1 && mib > 4095;
}

/* How many children the kernel lets it have at once. */
static int fork_all(int count) {
        int forked = 0, error = 0;
        int gate[2];
        char byte;

        if (pipe(gate) < 0)
                return 1;
        while (forked < count) {
                pid_t pid = fork();

                if (pid == 0) {
                        close(gate[1]);
                        _exit(read(gate[0], &byte, 1) < 0);
                }
                if (pid < 0) {
                        error = errno;
                        break;
                }
                forked++;
        }
        close(gate[1]);
        while (wait(NULL) > 0)
                ;
        printf("{\"forked\":%d,\"error\":%d}\n", forked, error);
        return 0;
}

/* Works a little and rests, for ever: emulated CPUs share one of the host, and one that never rests slows all of them. */
static void *pulse(void *unused) {
        for (;;) {
                double end = now_seconds() + 0.002;

                while (now_seconds() < end)
                        ;
                usleep(30000);
        }
        return unused;
}

static int pulse_all(int count) {
        pthread_t thread;

        for (int i = 1; i < count; i++)
                if (pthread_create(&thread, NULL, pulse, NULL))
                        return 1;
        pulse(NULL);
        return 0;
}

int main(int argc, char **argv) {
        int born_on = sched_getcpu();

        if (argc == 2 && !strcmp(argv[1], "facts"))
                return facts(born_on);
        if (argc == 4 && !strcmp(argv[1], "spin") && atoi(argv[2]) <= THREADS_MAX)
                return spin_all(atoi(argv[2]), atof(argv[3]));
        if (argc == 3 && !strcmp(argv[1], "pulse"))
                return pulse_all(atoi(argv[2]));
        if (argc == 3 && !strcmp(argv[1], "take"))
                return take((size_t) atol(argv[2]));
        if (argc == 3 && !strcmp(argv[1], "fork"))
                return fork_all(atoi(argv[2]));
        fputs("usage: probe facts | spin THREADS SECONDS | pulse THREADS | take MIB | fork COUNT\n", stderr);
        return 2;
}
