/* Threads, signals and processes around regions. */
#define _GNU_SOURCE
#include "probe.h"

/* A child of fork has none of its parent's regions: it is told so, and not given zeroes. */
static void forked(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(64, WRITE_SAFE), *second = memory_store(64, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base), *own;
        int status;
        pid_t child;

        EQUAL(words_of(region)[0], value_of(0, 0));
        words_of(region)[WORDS] = 1;
        child = fork();
        if (child == 0) {
                alarm(10);
                EQUAL(nodeos_region_flush(region, 0, 0), -ESRCH);
                EQUAL(nodeos_region_read(region, &status, 4, 0), -ESRCH);
                own = map_store(new_buffer(64), &second->base);
                EQUAL(words_of(own)[9 * WORDS], value_of(9, 0));
                EQUAL(nodeos_region_unmap(own), 0);
                _exit(words_of(region)[0] == 0 ? 7 : 8);
        }
        EQUAL(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status));
        EQUAL(WTERMSIG(status), SIGSEGV);
        for (uint64_t page = 2; page < 64; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(memory->words[WORDS], 1);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static struct nodeos_region *shared_region;
static atomic_int ready;

static void *touch_until_cancelled(void *argument) {
        uint64_t page = (uintptr_t) argument;

        for (;; page = (page * 31 + 7) % 512) {
                CHECK(words_of(shared_region)[page * WORDS] == value_of(page, 0));
                ready++;
                pthread_testcancel();
        }
        return NULL;
}

/* Threads that are cancelled, in a fault or not, leave nothing that others wait for. */
static void cancelled(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(512, WRITE_SAFE);

        memory->slow_us = 300;
        shared_region = map_store(buffer, &memory->base);
        for (int round = 0; round < 10; round++) {
                pthread_t threads[4];

                ready = 0;
                for (uintptr_t i = 0; i < 4; i++)
                        pthread_create(&threads[i], NULL, touch_until_cancelled, (void *) i);
                while (ready < 8)
                        nanosleep(&(struct timespec) { 0, 100000 }, NULL);
                for (int i = 0; i < 4; i++)
                        pthread_cancel(threads[i]);
                for (int i = 0; i < 4; i++)
                        pthread_join(threads[i], NULL);
        }
        memory->slow_us = 0;
        for (uint64_t page = 0; page < 512; page++)
                EQUAL(words_of(shared_region)[page * WORDS], value_of(page, 0));
        EQUAL(nodeos_region_unmap(shared_region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static atomic_ulong alarms;

static void on_alarm(int number) {
        uint64_t page = (alarms++ * 13) % 512;

        (void) number;
        CHECK(words_of(shared_region)[page * WORDS + 1] == value_of(page, 1));
        words_of(shared_region)[page * WORDS + 2]++;
}

/* Handlers of signals touch the region that the thread they interrupt faults on. */
static void signals(void) {
        struct sigaction action = { .sa_handler = on_alarm };
        struct nodeos_buffer *buffer = new_buffer(32);
        struct memory *memory = memory_store(512, WRITE_SAFE);
        struct itimerspec every = { { 0, 200000 }, { 0, 200000 } };
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
        uint64_t sum = 0, before = 0, word;
        timer_t timer;

        shared_region = map_store(buffer, &memory->base);
        sigaction(SIGALRM, &action, NULL);
        timer_create(CLOCK_MONOTONIC, &event, &timer);
        timer_settime(timer, 0, &every, NULL);
        for (uint64_t i = 0; alarms < 300; i++) {
                uint64_t page = i * 7919 % 512;

                EQUAL(words_of(shared_region)[page * WORDS], value_of(page, 0));
                words_of(shared_region)[page * WORDS + 3] = i;
                if (i % 50 == 0)
                        EQUAL(nodeos_region_flush(shared_region, 0, 0), 0);
                if (i % 70 == 0)
                        EQUAL(nodeos_region_read(shared_region, &word, 8, page * PAGE), 0);
        }
        timer_delete(timer);
        EQUAL(nodeos_region_unmap(shared_region), 0);
        for (uint64_t page = 0; page < 512; page++) {
                sum += memory->words[page * WORDS + 2];
                before += value_of(page, 2);
        }
        EQUAL(sum - before, alarms);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static void *touch_until_unmapped(void *argument) {
        uint64_t state = (uintptr_t) argument * 977 + 1, word;

        for (;;) {
                uint64_t page = (state = state * 6364136223846793005u + 1442695040888963407u) >> 55;
                int number = signal_of_read(&((volatile uint64_t *) shared_region)[page * WORDS], &word);

                if (number) {
                        EQUAL(number, SIGSEGV);
                        return NULL;
                }
                ready++;
                CHECK(word == value_of(page, 0));
        }
}

/* Threads that touch a region while it is unmapped end as on any memory that goes. */
static void unmapped_while_faulting(void) {
        catch_faults();
        for (int round = 0; round < 10; round++) {
                struct nodeos_buffer *buffer = new_buffer(64);
                struct memory *memory = memory_store(512, WRITE_SAFE);
                struct nodeos_region *region = map_store(buffer, &memory->base);
                pthread_t threads[4];

                /* The threads have the address alone: the region itself is gone before they are. */
                shared_region = nodeos_region_address(region);
                memory->slow_us = 50;
                ready = 0;
                for (uintptr_t i = 0; i < 4; i++)
                        pthread_create(&threads[i], NULL, touch_until_unmapped, (void *) i);
                while (ready < 50)
                        nanosleep(&(struct timespec) { 0, 100000 }, NULL);
                EQUAL(nodeos_region_unmap(region), 0);
                for (int i = 0; i < 4; i++)
                        pthread_join(threads[i], NULL);
                EQUAL(nodeos_buffer_close(buffer), 0);
                free(memory->words);
                free(memory);
        }
}

static void *ask_everything(void *argument) {
        uint64_t state = (uintptr_t) argument * 977 + 1;

        for (int i = 0; i < 400; i++) {
                uint64_t dice = (state = state * 6364136223846793005u + 1442695040888963407u) >> 33, page = dice % 100;

                switch (dice >> 10 & 3) {
                case 0:
                        EQUAL(nodeos_region_populate(shared_region, page * PAGE, 40 * PAGE), 0);
                        break;
                case 1:
                        EQUAL(nodeos_region_evict(shared_region, page * PAGE, 60 * PAGE), 0);
                        break;
                case 2:
                        EQUAL(nodeos_region_flush(shared_region, page * PAGE, 50 * PAGE), 0);
                        break;
                default:
                        CHECK(words_of(shared_region)[page * WORDS] == value_of(page, 0));
                        words_of(shared_region)[page * WORDS + 1 + (uintptr_t) argument]++;
                }
        }
        return NULL;
}

/* Ranges that overlap, asked for at the same time. */
static void overlapping(void) {
        struct nodeos_buffer *buffer = new_buffer(128);
        struct memory *memory = memory_store(160, WRITE_SAFE);
        pthread_t threads[6];

        shared_region = map_store(buffer, &memory->base);
        for (uintptr_t i = 0; i < 6; i++)
                pthread_create(&threads[i], NULL, ask_everything, (void *) i);
        for (int i = 0; i < 6; i++)
                pthread_join(threads[i], NULL);
        EQUAL(nodeos_region_unmap(shared_region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Two processes, one memory: what one has read the other need not, and what one evicts comes again. */
static void shared(void) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct memory *memory = memory_store(128, NODEOS_STORE_SIGNAL_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        int status, error;
        pid_t child;

        options.memory = NODEOS_MEMORY_SHARED;
        error = nodeos_region_map(buffer, &memory->base, &options, &region);
        if (error == -EOPNOTSUPP && getenv("NODEOS_PAGING_WITHOUT"))
                return;
        EQUAL(error, 0);
        for (uint64_t page = 0; page < 64; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        child = fork();
        if (child == 0) {
                struct memory *other = memory_store(128, NODEOS_STORE_SIGNAL_SAFE);
                struct nodeos_region *mine;

                alarm(10);
                options.shared_fd = nodeos_region_shared_fd(region);
                EQUAL(nodeos_region_map(new_buffer(256), &other->base, &options, &mine), 0);
                for (uint64_t page = 0; page < 64; page++)
                        EQUAL(words_of(mine)[page * WORDS], value_of(page, 0));
                EQUAL(other->reads, 0);
                EQUAL(words_of(mine)[120 * WORDS], value_of(120, 0));
                CHECK(other->reads > 0);
                EQUAL(nodeos_region_evict(mine, 0, 32 * PAGE), 0);
                _exit(0);
        }
        EQUAL(waitpid(child, &status, 0), child);
        EQUAL(status, 0);
        for (uint64_t page = 0; page < 128; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        options.shared_fd = nodeos_region_shared_fd(region);
        options.bytes = 5 * PAGE;
        EQUAL(nodeos_region_map(buffer, &memory_store(128, NODEOS_STORE_SIGNAL_SAFE)->base, &options, &shared_region), -EINVAL);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

static volatile int foreign;

static void on_foreign(int number, siginfo_t *info, void *context) {
        (void) number, (void) context;
        if (catches)
                siglongjmp(caught_at, 100);
        foreign += info->si_code <= 0;
}

/* SIGBUS that is not ours reaches who had it before us. */
static void foreign_signals(void) {
        struct sigaction action = { .sa_sigaction = on_foreign, .sa_flags = SA_SIGINFO };
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(64, WRITE_SAFE);
        int fd = memfd_create("short", 0), status;
        struct nodeos_region *region;
        uint64_t word;
        void *behind;
        pid_t child;

        sigaction(SIGBUS, &action, NULL);
        region = map_store(buffer, &memory->base);
        behind = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        EQUAL(signal_of_read(behind, &word), 100);
        EQUAL(words_of(region)[0], value_of(0, 0));
        raise(SIGBUS);
        EQUAL(foreign, 1);
        child = fork();
        if (child == 0) {
                signal(SIGBUS, SIG_DFL);
                map_store(new_buffer(64), &memory_store(64, WRITE_SAFE)->base);
                _exit(*(volatile char *) behind);
        }
        EQUAL(waitpid(child, &status, 0), child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* Run by a user who may have no user faults of the kernel. */
static void no_privilege(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(64, WRITE_SAFE);
        struct nodeos_region_options options = new_options();
        struct nodeos_region *region;
        int error = nodeos_region_map(buffer, &memory->base, &options, &region);

        CHECK(geteuid() != 0);
        if (mode == NODEOS_MODE_THREAD) {
                EQUAL(error, -EPERM);
                CHECK(memory->is_closed);
        } else {
                EQUAL(error, 0);
                for (uint64_t page = 0; page < 64; page++)
                        words_of(region)[page * WORDS] = page;
                EQUAL(nodeos_region_unmap(region), 0);
                EQUAL(memory->words[63 * WORDS], 63);
        }
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* The program unmaps or moves the region's addresses itself: what it puts there is not ours to drop. */
static void unmapped_by_the_program(void) {
        struct nodeos_buffer *buffer = new_buffer(64);
        struct memory *memory = memory_store(256, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);
        volatile uint64_t *own;

        for (uint64_t page = 0; page < 256; page++)
                words_of(region)[page * WORDS] = page;
        EQUAL(nodeos_region_flush(region, 0, 0), 0);
        EQUAL(munmap(nodeos_region_address(region), 128 * PAGE), 0);
        own = mmap(nodeos_region_address(region), 128 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (uint64_t page = 0; page < 128; page++)
                own[page * WORDS] = page + 1000;
        for (int round = 0; round < 3; round++)
                for (uint64_t page = 128; page < 256; page++)
                        EQUAL(words_of(region)[page * WORDS], page);
        EQUAL(nodeos_region_evict(region, 0, 0), 0);
        for (uint64_t page = 0; page < 128; page++)
                EQUAL(own[page * WORDS], page + 1000);
        EQUAL(nodeos_region_unmap(region), 0);
        for (uint64_t page = 0; page < 128; page++)
                EQUAL(own[page * WORDS], page + 1000);
        EQUAL(memory->words[100 * WORDS], 100);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

/* The program drops pages that we count as present: they come again. */
static void dropped_by_the_program(void) {
        struct nodeos_buffer *buffer = new_buffer(256);
        struct memory *memory = memory_store(64, WRITE_SAFE);
        struct nodeos_region *region = map_store(buffer, &memory->base);

        for (uint64_t page = 0; page < 64; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        EQUAL(madvise(nodeos_region_address(region), 32 * PAGE, MADV_DONTNEED), 0);
        for (uint64_t page = 0; page < 64; page++)
                EQUAL(words_of(region)[page * WORDS], value_of(page, 0));
        EQUAL(nodeos_region_unmap(region), 0);
        EQUAL(nodeos_buffer_close(buffer), 0);
}

int main(int count, char **args) {
        static const struct probe probes[] = {
                { "forked", forked },
                { "cancelled", cancelled },
                { "signals", signals },
                { "unmapped_while_faulting", unmapped_while_faulting },
                { "overlapping", overlapping },
                { "shared", shared },
                { "foreign_signals", foreign_signals },
                { "no_privilege", no_privilege },
                { "unmapped_by_the_program", unmapped_by_the_program },
                { "dropped_by_the_program", dropped_by_the_program },
                { NULL, NULL },
        };

        return run_probe(probes, count, args);
}
