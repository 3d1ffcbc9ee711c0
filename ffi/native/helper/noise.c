/* nodeos-helper noise: pins itself to one CPU, samples there, and writes one file: struct nodeos_noise, then its
 * pairs. lib/noise/sample.ts reads it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "../internal.h"
#include "helper.h"

#define QUANTA_MAX (4 << 20)    /* 64 MiB */
#define DETOURS_MAX (256 << 10) /* 4 MiB, which the usual limit of locked memory lets through */

static const char usage[] =
        "usage: nodeos-helper noise --cpu N --out FILE [options]\n"
        "\n"
        "  --cpu N            CPU to sample; it must be one that we may run on\n"
        "  --out FILE         where the samples go; a file that does not exist yet\n"
        "  --mode MODE        fwq (fixed work quantum) or detour (selfish detour); default detour\n"
        "  --seconds S        how long to sample, 0.001 to 3600; default 2\n"
        "  --quantum-ns Q     length of a quantum of work, 1000 to 1000000000; default 100000\n"
        "  --threshold-ns T   shortest detour that counts, 1 to 1000000000; default 1000\n";

/* Pins the calling thread to one CPU, if it may run there at all. */
static int pin(int32_t cpu) {
        uint64_t allowed[NODEOS_CPU_WORDS], mask[NODEOS_CPU_WORDS] = { 0 };
        int32_t error = nodeos_affinity_get(0, allowed);

        if (error < 0)
                return fail(1, "Cannot read our own affinity: %s", strerror(-error));
        if (!(allowed[cpu / 64] >> (cpu % 64) & 1))
                return fail(1, "Cannot sample CPU %d: this process may not run there", cpu);
        mask[cpu / 64] = UINT64_C(1) << (cpu % 64);
        error = nodeos_affinity_set(0, mask);
        if (error < 0)
                return fail(1, "Cannot move to CPU %d: %s", cpu, strerror(-error));
        return -1;
}

/* Pairs to make room for: every quantum, and some more for a calibration that came out short. */
static int32_t capacity_for(const struct nodeos_noise *noise) {
        double quanta = (double) noise->duration_ns / (double) noise->quantum_ns * 1.1 + 1024;

        if (noise->mode == NODEOS_NOISE_DETOUR)
                return DETOURS_MAX;
        return quanta > QUANTA_MAX ? QUANTA_MAX : (int32_t) quanta;
}

static int write_all(int fd, const void *data, size_t size) {
        const char *next = data;

        while (size > 0) {
                ssize_t n = write(fd, next, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                next += n;
                size -= (size_t) n;
        }
        return 0;
}

static int save(const char *path, const struct nodeos_noise *noise, const int64_t *samples) {
        CLEANUP_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int error;

        if (fd < 0)
                return -errno;
        error = write_all(fd, noise, sizeof(*noise));
        return error < 0 ? error : write_all(fd, samples, 2 * sizeof(*samples) * (size_t) noise->count);
}

int noise_main(int argc, char **argv) {
        double cpu = -1, seconds = 2, quantum_ns = 100000, threshold_ns = 1000;
        const char *mode = "detour", *out = NULL;
        const struct option_spec options[] = {
                { "cpu", &cpu, 0, NODEOS_CPU_WORDS * 64 - 1, NULL },
                { "seconds", &seconds, 0.001, 3600, NULL },
                { "quantum-ns", &quantum_ns, 1000, 1e9, NULL },
                { "threshold-ns", &threshold_ns, 1, 1e9, NULL },
                { "mode", NULL, 0, 0, &mode },
                { "out", NULL, 0, 0, &out },
        };
        int status = parse_options(argc, argv, options, sizeof(options) / sizeof(*options), usage);
        struct nodeos_noise noise = { 0 };
        int32_t capacity, result;
        int64_t *samples;

        if (status >= 0)
                return status;
        if (strcmp(mode, "fwq") && strcmp(mode, "detour"))
                return fail(2, "Cannot use --mode %s: the modes are fwq and detour", mode);
        if (cpu < 0 || !out)
                return fail(2, "Cannot sample: --cpu and --out are needed");
        status = pin((int32_t) cpu);
        if (status >= 0)
                return status;

        noise.mode = strcmp(mode, "fwq") ? NODEOS_NOISE_DETOUR : NODEOS_NOISE_QUANTUM;
        noise.duration_ns = (int64_t) (seconds * 1e9);
        noise.quantum_ns = (int64_t) quantum_ns;
        noise.threshold_ns = (int64_t) threshold_ns;
        capacity = capacity_for(&noise);
        samples = mmap(NULL, 2 * sizeof(*samples) * (size_t) capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (samples == MAP_FAILED)
                return fail(1, "Cannot get room for %d samples: %s", capacity, strerror(errno));
        result = nodeos_noise(&noise, samples, capacity);
        if (result < 0)
                return fail(1, "Cannot sample CPU %d: %s", (int32_t) cpu, strerror(-result));
        result = save(out, &noise, samples);
        return result < 0 ? fail(1, "Cannot write %s: %s", out, strerror(-result)) : 0;
}
