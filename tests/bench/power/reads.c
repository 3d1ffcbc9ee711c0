/* Registers of many CPUs in C: by a bare pread each, and by one call of the library; once for each, or in a period.
 *
 *   reads batch ROOT CPUS SHIFT ROUNDS                       prints "pread NS" and "batch NS" in turns
 *   reads loop ROOT CPUS SHIFT PERIOD_US COUNT CPU PRIORITY  prints for each period when it began and what it took, in ns
 *
 * SHIFT is 3 where devices are plain files, in which a register lies at eight times its number. */
#define _GNU_SOURCE
#include "../../../ffi/native/power.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const uint32_t registers[] = { 0x611, 0x610, 0x19c, 0x1b1, 0xe7, 0xe8, 0x198, 0x619 };
#define REGISTERS (sizeof(registers) / sizeof(*registers))
#define CPUS_MAX 4096

static int fds[CPUS_MAX], cpus, shift;
static uint64_t requests[CPUS_MAX * REGISTERS], values[CPUS_MAX * REGISTERS];
static int32_t errors[CPUS_MAX * REGISTERS];

static void die(const char *what) {
        fprintf(stderr, "Cannot %s: %s\n", what, strerror(errno));
        exit(1);
}

static int64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void open_all(const char *root) {
        char path[4096];

        for (int cpu = 0; cpu < cpus; cpu++) {
                snprintf(path, sizeof(path), "%s/dev/cpu/%d/msr", root, cpu);
                fds[cpu] = open(path, O_RDONLY | O_CLOEXEC);
                if (fds[cpu] < 0)
                        die("open a device");
                for (size_t i = 0; i < REGISTERS; i++)
                        requests[(size_t) cpu * REGISTERS + i] = (uint64_t) cpu << 32 | registers[i];
        }
}

/* The least that it can take: a system call for each register, and nothing else. */
static int64_t read_bare(void) {
        int64_t from = now_ns();

        for (int cpu = 0; cpu < cpus; cpu++)
                for (size_t i = 0; i < REGISTERS; i++)
                        if (pread(fds[cpu], &values[(size_t) cpu * REGISTERS + i], 8, (off_t) registers[i] << shift) != 8)
                                die("read a register");
        return now_ns() - from;
}

static int64_t read_batch(int32_t handle) {
        int32_t count = cpus * (int32_t) REGISTERS;
        int64_t times[2], from = now_ns();

        if (nodeos_msr_read(handle, requests, count, values, errors, times) != count)
                die("read all registers");
        return now_ns() - from;
}

static void run_batch(const char *root, int rounds) {
        int32_t handle = nodeos_msr_open(*root ? root : "/", NODEOS_MSR_STOCK);

        if (handle < 0)
                die("open the devices");
        for (int round = -2; round < rounds; round++) {
                int64_t bare = read_bare(), batch = read_batch(handle);

                if (round >= 0)
                        printf("pread %lld\nbatch %lld\n", (long long) bare, (long long) batch);
        }
        nodeos_msr_close(handle);
}

static void run_loop(int64_t period, int count, int cpu, int priority) {
        struct sched_param param = { .sched_priority = priority };
        int64_t *began = calloc((size_t) count, 2 * sizeof(*began)), next = now_ns() + period;
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        if (!began || sched_setaffinity(0, sizeof(set), &set) < 0 || (priority > 0 && sched_setscheduler(0, SCHED_FIFO, &param) < 0))
                die("place the loop");
        for (int i = 0; i < count; i++, next += period) {
                struct timespec until = { .tv_sec = next / 1000000000, .tv_nsec = next % 1000000000 };

                while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                        continue;
                began[2 * i] = now_ns() - next;
                began[2 * i + 1] = read_bare();
        }
        for (int i = 0; i < count; i++)
                printf("%lld %lld\n", (long long) began[2 * i], (long long) began[2 * i + 1]);
        free(began);
}

int main(int argc, char **argv) {
        if (argc < 6)
                return 2;
        cpus = atoi(argv[3]);
        shift = atoi(argv[4]);
        if (cpus < 1 || cpus > CPUS_MAX)
                return 2;
        open_all(argv[2]);
        if (!strcmp(argv[1], "batch") && argc == 6)
                run_batch(argv[2], atoi(argv[5]));
        else if (!strcmp(argv[1], "loop") && argc == 9)
                run_loop(atoll(argv[5]) * 1000, atoi(argv[6]), atoi(argv[7]), atoi(argv[8]));
        else
                return 2;
        return 0;
}
