/* Placing the threads of a container, where nothing balances them: each one on a CPU of its own, as far as they reach. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

enum { PLACED_MAX = 4096, CPUS_MAX = NODEOS_CPU_WORDS * 64 };

struct placed {
        int32_t tid;
        int16_t cpu;     /* where it belongs; -1: on several of its own choice */
        uint16_t seen;
        uint8_t settled; /* it was seen there: without load balancing it stays */
        uint8_t moved;   /* we changed something about it */
};

/* Which thread belongs where. */
struct placer {
        const char *threads_path;
        char cpus_path[4096]; /* where the cgroup says its CPUs, which may change; empty: nowhere */
        uint64_t cpus[NODEOS_CPU_WORDS];
        uint64_t former[NODEOS_CPU_WORDS]; /* its CPUs before the last change */
        int changed;                       /* they changed since the last look */
        int count;
        struct placed placed[PLACED_MAX];
        uint16_t look;
        uint16_t use[CPUS_MAX];
        uint8_t list[1 << 16];
};

static int same_mask(const uint64_t *a, const uint64_t *b) {
        return !memcmp(a, b, NODEOS_CPU_WORDS * sizeof(*a));
}

/* The one CPU of a mask, or -1 when it has several or none. */
static int only_cpu(const uint64_t *mask) {
        int cpu = -1;

        for (int word = 0; word < NODEOS_CPU_WORDS; word++) {
                if (!mask[word])
                        continue;
                if (cpu >= 0 || mask[word] & (mask[word] - 1))
                        return -1;
                cpu = word * 64 + __builtin_ctzll(mask[word]);
        }
        return cpu;
}

/* Reads a list such as "0-3,8". Returns 0 when it is one and names a CPU. */
static int parse_cpus(const char *text, uint64_t *ret_mask) {
        memset(ret_mask, 0, NODEOS_CPU_WORDS * sizeof(*ret_mask));
        for (;;) {
                char *end;
                long first = strtol(text, &end, 10), last = first;

                if (end == text)
                        return -EPROTO;
                if (*end == '-') {
                        text = end + 1;
                        last = strtol(text, &end, 10);
                        if (end == text)
                                return -EPROTO;
                }
                if (first < 0 || last < first || last >= CPUS_MAX)
                        return -EPROTO;
                for (long cpu = first; cpu <= last; cpu++)
                        ret_mask[cpu / 64] |= 1ull << (cpu % 64);
                if (*end != ',')
                        return *end && *end != '\n' ? -EPROTO : 0;
                text = end + 1;
        }
}

/* Takes the container's CPUs as they are now. When they changed, every thread is looked at anew. */
static void follow_cpus(struct placer *placer) {
        uint64_t now[NODEOS_CPU_WORDS];

        placer->changed = 0;
        if (!*placer->cpus_path || kernel_read_path(placer->cpus_path, placer->list, sizeof(placer->list)) < 0)
                return;
        if (parse_cpus((char *) placer->list, now) < 0 || same_mask(now, placer->cpus))
                return;
        memcpy(placer->former, placer->cpus, sizeof(placer->former));
        memcpy(placer->cpus, now, sizeof(placer->cpus));
        placer->changed = 1;
        placer->count = 0;
        memset(placer->use, 0, sizeof(placer->use));
}

/* Whether a thread with this mask may be anywhere in the container, and did not choose for itself. Once a thread had its
 * mask set, which we do, Linux 6.2 and later leave it that one as far as a change of the cpuset allows. */
static int is_whole(const struct placer *placer, const uint64_t *mask) {
        uint64_t both[NODEOS_CPU_WORDS];

        if (same_mask(mask, placer->cpus))
                return 1;
        if (!placer->changed)
                return 0;
        for (int word = 0; word < NODEOS_CPU_WORDS; word++)
                both[word] = placer->former[word] & placer->cpus[word];
        return same_mask(mask, placer->former) || same_mask(mask, both);
}

static int least_used(const struct placer *placer) {
        int best = -1;

        for (int word = 0; word < NODEOS_CPU_WORDS; word++)
                for (uint64_t bits = placer->cpus[word]; bits; bits &= bits - 1) {
                        int cpu = word * 64 + __builtin_ctzll(bits);

                        if (best < 0 || placer->use[cpu] < placer->use[best])
                                best = cpu;
                }
        return best;
}

/* Moves a thread to a CPU and gives it back its whole mask: nothing balances it away again, and a program that counts
 * its CPUs (OpenMP does) still finds all of them. A program that pinned the thread itself meanwhile is left alone. */
static int nudge(int32_t tid, int cpu, const uint64_t *mask) {
        uint64_t one[NODEOS_CPU_WORDS] = { 0 }, now[NODEOS_CPU_WORDS];
        int error;

        one[cpu / 64] = 1ull << (cpu % 64);
        error = nodeos_affinity_set(tid, one);
        if (error >= 0)
                error = nodeos_affinity_get(tid, now);
        if (error < 0)
                return error;
        return same_mask(now, one) ? nodeos_affinity_set(tid, mask) : 0;
}

/* A nudge moves only who runs or waits for a CPU: one that sleeps goes on where it fell asleep, and one that is being
 * born where its parent is. So it is repeated until the thread was seen where it belongs. Returns 1 when it moved one. */
static int settle(struct placer *placer, struct placed *placed) {
        uint64_t mask[NODEOS_CPU_WORDS];
        struct thread_stat stat;

        if (placed->cpu < 0 || thread_stat_read(placed->tid, &stat) < 0)
                return 0;
        placed->settled = stat.cpu == placed->cpu;
        if (placed->settled || stat.state != 'R' || nodeos_affinity_get(placed->tid, mask) < 0)
                return 0;
        if (same_mask(mask, placer->cpus)) {
                if (nudge(placed->tid, placed->cpu, mask) < 0)
                        return 0;
                placed->moved = 1;
                return 1;
        }
        /* It has chosen for itself since. */
        placer->use[placed->cpu]--;
        placed->cpu = (int16_t) only_cpu(mask);
        placed->settled = 1;
        if (placed->cpu >= 0)
                placer->use[placed->cpu]++;
        return 0;
}

/* Decides where a thread belongs: where it is, if no other CPU has fewer, and else where the fewest are. */
static int place_new(struct placer *placer, int32_t tid) {
        struct placed *placed = &placer->placed[placer->count];
        uint64_t mask[NODEOS_CPU_WORDS];
        struct thread_stat stat;
        int cpu;

        if (placer->count == PLACED_MAX || thread_stat_read(tid, &stat) < 0 || nodeos_affinity_get(tid, mask) < 0)
                return 0;
        if (stat.cpu < 0 || stat.cpu >= CPUS_MAX)
                return 0;
        cpu = only_cpu(mask);
        *placed = (struct placed) { .tid = tid, .seen = placer->look, .settled = 1 };
        if (is_whole(placer, mask)) {
                cpu = least_used(placer);
                if (cpu >= 0 && placer->cpus[stat.cpu / 64] >> (stat.cpu % 64) & 1 && placer->use[stat.cpu] == placer->use[cpu])
                        cpu = stat.cpu;
                placed->settled = 0;
                /* Also where it reads the same: what the kernel goes by at the next change may be one of our nudges,
                 * which this change had come into. */
                if (placer->changed)
                        placed->moved = nodeos_affinity_set(tid, placer->cpus) >= 0 && !same_mask(mask, placer->cpus);
        }
        placed->cpu = (int16_t) cpu;
        placer->count++;
        if (cpu >= 0)
                placer->use[cpu]++;
        if (!placed->settled)
                settle(placer, placed);
        return 1;
}

static void forget_ended(struct placer *placer) {
        int kept = 0;

        for (int i = 0; i < placer->count; i++) {
                if (placer->placed[i].seen == placer->look)
                        placer->placed[kept++] = placer->placed[i];
                else if (placer->placed[i].cpu >= 0)
                        placer->use[placer->placed[i].cpu]--;
        }
        placer->count = kept;
}

int placer_look(struct placer *placer) {
        int placed = 0, error;

        follow_cpus(placer);
        error = kernel_read_path(placer->threads_path, placer->list, sizeof(placer->list));
        if (error < 0)
                return error;
        placer->look++;
        for (char *at = (char *) placer->list; *at;) {
                char *end;
                int32_t tid = (int32_t) strtol(at, &end, 10);
                int known = 0;

                if (end == at)
                        break; /* not a list of threads */
                for (at = end; *at == '\n';)
                        at++;
                while (known < placer->count && placer->placed[known].tid != tid)
                        known++;
                if (known == placer->count) {
                        placed += place_new(placer, tid);
                        continue;
                }
                placer->placed[known].seen = placer->look;
                if (!placer->placed[known].settled)
                        placed += settle(placer, &placer->placed[known]);
        }
        forget_ended(placer);
        return placed;
}

/* Finds where the cgroup of a list of threads says its CPUs: version 2, version 1, and 1 before it had effective ones. */
static void find_cpus_path(struct placer *placer) {
        static const char *const names[] = { "cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus" };
        const char *slash = strrchr(placer->threads_path, '/');
        int length = slash ? (int) (slash - placer->threads_path) : 0;

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                int n = snprintf(placer->cpus_path, sizeof(placer->cpus_path), "%.*s/%s", length, placer->threads_path, names[i]);

                if (n > 0 && (size_t) n < sizeof(placer->cpus_path) &&
                    kernel_read_path(placer->cpus_path, placer->list, sizeof(placer->list)) >= 0)
                        return;
        }
        *placer->cpus_path = 0;
}

struct placer *placer_new(const char *threads_path, const uint64_t *cpus) {
        struct placer *placer = calloc(1, sizeof(*placer));

        if (!placer)
                return NULL;
        placer->threads_path = threads_path;
        memcpy(placer->cpus, cpus, sizeof(placer->cpus));
        find_cpus_path(placer);
        return placer;
}

void placer_free(struct placer *placer) {
        free(placer);
}

enum { LOOKS = 100, LOOK_US = 1000 };

int32_t nodeos_place(const char *threads_path, const uint64_t *cpus) {
        struct placer *placer = placer_new(threads_path, cpus);
        int32_t result = placer ? 0 : -ENOMEM;

        for (int look = 0, unsettled = 1; result >= 0 && unsettled && look < LOOKS; look++) {
                if (look > 0)
                        usleep(LOOK_US);
                result = placer_look(placer);
                unsettled = 0;
                for (int i = 0; i < placer->count; i++)
                        unsettled += !placer->placed[i].settled;
        }
        if (result >= 0) {
                result = 0;
                for (int i = 0; i < placer->count; i++)
                        result += placer->placed[i].moved;
        }
        placer_free(placer);
        return result;
}
