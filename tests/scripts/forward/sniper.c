/* Kills a container's forwarder when a call of a program is at a certain point: BOARD SHOTS FROM. It watches the journal for
 * one that has just come there, waits some microseconds more, and kills; the next shot comes when the successor has answered
 * something. Shots go at each state in turn, beginning with FROM. Says how many there were at each, as JSON. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../../ffi/native/board.h"

enum { STATES = NODEOS_JOURNAL_ADDING + 1, SLOTS_LOOKED_AT = 32, PATIENCE_NS = 20000000, AIM_NS_MAX = 30000 };
#define GIVE_UP_NS 20000000000ULL

static const char *board;

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static int forwarder(void) {
        return __atomic_load_n(&((const struct nodeos_board *) board)->forwarder_pid, __ATOMIC_RELAXED);
}

static uint64_t answered(void) {
        const struct nodeos_counter *counters = (const void *) (board + NODEOS_BOARD_COUNTERS_AT);
        uint64_t sum = 0;

        for (int i = 0; i < NODEOS_BOARD_CALLS; i++)
                sum += __atomic_load_n(&counters[i].calls, __ATOMIC_RELAXED);
        return sum;
}

static uint32_t state_of(int slot) {
        const struct nodeos_journal *journal = (const void *) (board + NODEOS_BOARD_JOURNAL_AT);

        return __atomic_load_n(&journal[slot].state, __ATOMIC_ACQUIRE);
}

/* A slot that is in the state now; after a while one in any but free. */
static int aim(uint32_t state) {
        uint64_t start = now_ns(), now = start;

        for (;; now = now_ns()) {
                int is_late = now > start + PATIENCE_NS;

                if (now > start + GIVE_UP_NS)
                        _exit(5);
                for (int slot = 0; slot < SLOTS_LOOKED_AT; slot++) {
                        uint32_t seen = state_of(slot);

                        if (seen == state || (is_late && seen != NODEOS_JOURNAL_FREE))
                                return slot;
                }
        }
}

static void spin(uint64_t ns) {
        for (uint64_t end = now_ns() + ns; now_ns() < end;)
                ;
}

static void wait_until_served(int before) {
        uint64_t calls = answered(), end = now_ns() + GIVE_UP_NS;

        while (forwarder() == before || !forwarder() || answered() == calls) {
                if (now_ns() > end)
                        _exit(3);
                usleep(200);
        }
}

int main(int argc, char **argv) {
        static const char *const names[STATES] = { "free", "received", "running", "answered", "handed", "adding" };
        static const uint32_t targets[] = { NODEOS_JOURNAL_ADDING, NODEOS_JOURNAL_RUNNING, NODEOS_JOURNAL_RECEIVED,
                                            NODEOS_JOURNAL_ANSWERED };
        int hits[STATES] = { 0 }, fd = argc == 4 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1, shots = argc == 4 ? atoi(argv[2]) : 0;

        board = fd < 0 ? MAP_FAILED : mmap(NULL, NODEOS_BOARD_SIZE, PROT_READ, MAP_SHARED, fd, 0);
        if (board == MAP_FAILED)
                return 2;
        for (int shot = 0, first = atoi(argv[3]); shot < shots; shot++) {
                int pid = forwarder(), pidfd = (int) syscall(SYS_pidfd_open, pid, 0), slot;

                if (pidfd < 0 || forwarder() != pid)
                        return 4;
                slot = aim(targets[(shot + first) % 4]);
                spin((uint64_t) (random() % AIM_NS_MAX) * (shot / 4 % 3) / 2);
                /* A slot that is free by now was one of a call that is over. */
                hits[state_of(slot) % STATES]++;
                syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
                close(pidfd);
                wait_until_served(pid);
        }
        printf("{ ");
        for (int state = 0; state < STATES; state++)
                printf("\"%s\": %d%s", names[state], hits[state], state + 1 < STATES ? ", " : " }\n");
        return 0;
}
