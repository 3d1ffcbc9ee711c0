/* Looks at physical memory for the tests of units, by means of its own: nothing of it comes from the project.
 *
 *   memory_probe serve          answers questions on standard input, one line each:
 *     frames PATH               page frames of a file in memory: "FRAME COUNT" each, then "."
 *     process PID               page frames of a process: "FRAME COUNT KIND NAME" each, then "."; KIND is a (anonymous), h (its own
 *                               huge pages), s (a file, or shared)
 *     stamp PATH SEED FROM TO   writes a pattern into pages FROM to TO-1, which have to be zero: "ok", or what is not
 *     check PATH SEED TO        compares pages 0 to TO-1 with it
 *   memory_probe hold STATUS    for ever maps what is below $NODEOS_MEMORY, compares and rewrites its patterns, and holds huge
 *                               pages for a while, as many as STATUS.max says ("NODE:PAGES ..."); counts go to the file STATUS,
 *                               and a wrong pattern ends it
 *   memory_probe take NODE PAGES STATUS  takes that many huge pages of a node as soon as it can, and keeps them; "has N"
 *   memory_probe pieces NODE MIB  fills a node, and leaves one locked page in each half MiB
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* <numaif.h> belongs to a library that is not everywhere. */
enum { MPOL_BIND = 2 };

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGE = 4096, WORDS = PAGE / 8, BATCH = 4096 };

static uint64_t mix(uint64_t x) {
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

/* A page says whose it is and which: words 0, 1 and the last. */
static void stamp_page(uint64_t *page, uint64_t seed, uint64_t index) {
        page[0] = seed << 32 | index;
        page[1] = mix(page[0] + 1);
        page[WORDS - 1] = mix(page[0] + 2);
}

static bool is_stamped(const uint64_t *page, uint64_t index) {
        return (page[0] & 0xffffffff) == index && page[1] == mix(page[0] + 1) && page[WORDS - 1] == mix(page[0] + 2);
}

static bool is_zero(const uint64_t *page) {
        for (int i = 0; i < WORDS; i++)
                if (page[i])
                        return false;
        return true;
}

static sigjmp_buf bus;
static volatile sig_atomic_t bus_expected;

static void on_bus(int number) {
        if (bus_expected)
                siglongjmp(bus, 1);
        signal(number, SIG_DFL);
}

/* A file mapped, or NULL; MAP_SHARED, for nobody keeps memory of its own here. */
static uint64_t *map_file(const char *path, int protection, size_t *ret_bytes) {
        int fd = open(path, (protection & PROT_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        struct stat facts;
        void *memory = NULL;

        if (fd < 0)
                return NULL;
        if (fstat(fd, &facts) == 0 && facts.st_size > 0) {
                *ret_bytes = (size_t) facts.st_size;
                memory = mmap(NULL, *ret_bytes, protection, MAP_SHARED, fd, 0);
        }
        close(fd);
        return memory == MAP_FAILED ? NULL : memory;
}

/* Runs of frames, printed when they end. */
struct run {
        uint64_t frame, count;
        char kind;
        const char *name;
};

static void end_run(struct run *run) {
        if (run->count && run->name)
                printf("%" PRIu64 " %" PRIu64 " %c %s\n", run->frame, run->count, run->kind, run->name);
        else if (run->count)
                printf("%" PRIu64 " %" PRIu64 "\n", run->frame, run->count);
        run->count = 0;
}

static void add_frame(struct run *run, uint64_t frame, char kind) {
        if (run->count && frame == run->frame + run->count && kind == run->kind) {
                run->count++;
                return;
        }
        end_run(run);
        run->frame = frame;
        run->count = 1;
        run->kind = kind;
}

static int flags_fd;

static uint64_t flags_of(uint64_t frame) {
        uint64_t flags = 0;

        return pread(flags_fd, &flags, 8, (off_t) frame * 8) == 8 ? flags : 0;
}

enum { FLAG_HUGE = 17, FLAG_ZERO = 24 };

static char kind_of(uint64_t entry, uint64_t flags) {
        if (entry >> 61 & 1)
                return 's';
        return flags >> FLAG_HUGE & 1 ? 'h' : 'a';
}

/* Frames of addresses, by the process's page table. Zero pages are everybody's. */
static void walk(int pagemap, uintptr_t from, uintptr_t to, struct run *run, bool asks) {
        static uint64_t entries[BATCH];

        for (uintptr_t at = from; at < to;) {
                size_t count = (to - at) / PAGE < BATCH ? (to - at) / PAGE : BATCH;
                ssize_t n = pread(pagemap, entries, count * 8, (off_t) (at / PAGE * 8));

                if (n <= 0)
                        break;
                for (ssize_t i = 0; i < n / 8; i++) {
                        uint64_t frame = entries[i] & ((UINT64_C(1) << 55) - 1);
                        uint64_t flags = 0;

                        if (!(entries[i] >> 63))
                                continue;
                        if (asks && !(entries[i] >> 61 & 1))
                                flags = flags_of(frame);
                        if (!(flags >> FLAG_ZERO & 1))
                                add_frame(run, frame, kind_of(entries[i], flags));
                }
                at += (uintptr_t) n / 8 * PAGE;
        }
        end_run(run);
}

static void print_file(const char *path) {
        size_t bytes = 0;
        volatile uint64_t *memory = map_file(path, PROT_READ, &bytes);
        int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        struct run run = { 0 };

        if (!memory || pagemap < 0) {
                printf("Cannot map %s: %s\n", path, strerror(errno));
                return;
        }
        for (size_t at = 0; at < bytes / 8; at += WORDS)
                (void) memory[at];
        walk(pagemap, (uintptr_t) memory, (uintptr_t) memory + bytes, &run, false);
        close(pagemap);
        munmap((void *) memory, bytes);
        puts(".");
}

static void print_process(int pid) {
        char path[64], line[4400];
        FILE *maps;
        int pagemap;

        snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
        pagemap = open(path, O_RDONLY | O_CLOEXEC);
        snprintf(path, sizeof(path), "/proc/%d/maps", pid);
        maps = fopen(path, "re");
        while (maps && fgets(line, sizeof(line), maps)) {
                uintptr_t from, to;
                int at = 0;
                struct run run = { 0 };

                line[strcspn(line, "\n")] = 0;
                if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %n", &from, &to, &at) < 2)
                        continue;
                run.name = at && line[at] ? line + at : "-";
                /* Addresses that are only reserved may be many. */
                if (strncmp(run.name, "[v", 2) && !strstr(line, " ---"))
                        walk(pagemap, from, to, &run, true);
        }
        if (maps)
                fclose(maps);
        close(pagemap);
        puts(".");
}

static void stamp(const char *path, uint64_t seed, size_t from, size_t to) {
        size_t bytes = 0;
        uint64_t *memory = map_file(path, PROT_READ | PROT_WRITE, &bytes);

        if (!memory || to > bytes / PAGE) {
                printf("%s has %zu pages, not %zu\n", path, bytes / PAGE, to);
                return;
        }
        for (size_t i = from; i < to; i++) {
                if (!is_zero(memory + i * WORDS)) {
                        printf("page %zu is new and not zero\n", i);
                        munmap(memory, bytes);
                        return;
                }
                stamp_page(memory + i * WORDS, seed, i);
        }
        munmap(memory, bytes);
        puts("ok");
}

static void check(const char *path, uint64_t seed, size_t to) {
        size_t bytes = 0;
        uint64_t *memory = map_file(path, PROT_READ, &bytes);

        if (!memory || to > bytes / PAGE) {
                printf("%s has %zu pages, not %zu\n", path, bytes / PAGE, to);
                return;
        }
        for (size_t i = 0; i < to; i++) {
                if (!is_stamped(memory + i * WORDS, i) || memory[i * WORDS] >> 32 != seed) {
                        printf("page %zu has %" PRIx64 ", and not that of seed %" PRIx64 "\n", i, memory[i * WORDS], seed);
                        munmap(memory, bytes);
                        return;
                }
        }
        munmap(memory, bytes);
        puts("ok");
}

static int serve(void) {
        char line[4400], path[4200];
        uint64_t seed;
        size_t from, to;
        int pid;

        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        flags_fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
        while (fgets(line, sizeof(line), stdin)) {
                if (sscanf(line, "frames %4199s", path) == 1)
                        print_file(path);
                else if (sscanf(line, "process %d", &pid) == 1)
                        print_process(pid);
                else if (sscanf(line, "stamp %4199s %" SCNu64 " %zu %zu", path, &seed, &from, &to) == 4)
                        stamp(path, seed, from, to);
                else if (sscanf(line, "check %4199s %" SCNu64 " %zu", path, &seed, &to) == 3)
                        check(path, seed, to);
                else
                        puts("what?");
                fflush(stdout);
        }
        return 0;
}

/* What a holder has done, and what the kernel refused it. */
static struct { unsigned long rounds, objects, huge, refused, starved, cut; } counts;
static int status_fd;

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...) {
        char text[512];
        va_list list;
        int n;

        va_start(list, format);
        n = vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        if (pwrite(status_fd, text, (size_t) n, 0) == n && ftruncate(status_fd, n) == 0)
                return;
}

static uint64_t next_random(void) {
        static uint64_t state;

        if (!state)
                state = (uint64_t) getpid();
        state += 0x9e3779b97f4a7c15u;
        return mix(state);
}

/* Some pages of an object: each is new, or has its pattern. Others may cut it off meanwhile. */
static bool hold_object(const char *path) {
        size_t bytes = 0;
        uint64_t *volatile memory = map_file(path, PROT_READ | PROT_WRITE, &bytes);
        volatile bool good = true;

        if (!memory)
                return true;
        if (sigsetjmp(bus, 1)) {
                counts.cut++;
        } else {
                bus_expected = 1;
                for (int i = 0; i < 32 && good; i++) {
                        size_t index = next_random() % (bytes / PAGE);
                        volatile uint64_t *page = memory + index * WORDS;

                        good = page[0] == 0 || is_stamped((const uint64_t *) page, index);
                        if (!good)
                                say("wrong: page %zu of %s has %" PRIx64 "\n", index, path, page[0]);
                        else if (page[0])
                                page[1] = mix(page[0] + 1);
                }
                counts.objects++;
        }
        bus_expected = 0;
        munmap(memory, bytes);
        return good;
}

static bool hold_objects(const char *directory, int depth) {
        DIR *list = opendir(directory);
        struct dirent *entry;
        bool good = true;

        while (list && good && (entry = readdir(list))) {
                char path[4200];

                snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
                if (entry->d_name[0] == '.')
                        continue;
                if (depth == 0)
                        good = hold_objects(path, 1);
                else if (next_random() % 3 == 0)
                        good = hold_object(path);
        }
        if (list)
                closedir(list);
        return good;
}

enum { HELD_MAX = 4, HUGE = 2 << 20, NODES_MAX = 16 };

struct held {
        uint64_t *memory;
        size_t bytes;
        int node;
        unsigned long until;
};

/* Huge pages that it may have on each node, as the test writes them: "NODE:PAGES NODE:PAGES". */
static int allowed[NODES_MAX], has[NODES_MAX];

static void read_allowed(const char *status) {
        char path[4200], text[256];
        int node, count, fd, n = 0;
        ssize_t length;

        snprintf(path, sizeof(path), "%s.max", status);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        length = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
        if (fd >= 0)
                close(fd);
        memset(allowed, 0, sizeof(allowed));
        text[length < 0 ? 0 : length] = 0;
        for (char *at = text; sscanf(at, "%d:%d%n", &node, &count, &n) == 2; at += n)
                if (node >= 0 && node < NODES_MAX)
                        allowed[node] = count;
}

static void take_huge(struct held *held) {
        int node = (int) (next_random() % NODES_MAX), count = 1 + (int) (next_random() % 3);
        unsigned long mask = 1ul << node;
        size_t bytes = (size_t) count * HUGE;
        void *memory;

        if (has[node] + count > allowed[node])
                return;
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
        if (memory == MAP_FAILED) {
                counts.refused++;
                return;
        }
        if (syscall(SYS_mbind, memory, bytes, MPOL_BIND, &mask, NODES_MAX + 1, 0) < 0 || madvise(memory, bytes, MADV_POPULATE_WRITE) < 0) {
                counts.starved++;
                munmap(memory, bytes);
                return;
        }
        *held = (struct held) { memory, bytes, node, counts.rounds + 1 + next_random() % 40 };
        has[node] += count;
        for (size_t i = 0; i < bytes / PAGE; i++)
                stamp_page(held->memory + i * WORDS, (uint64_t) getpid(), i);
        counts.huge++;
}

static bool hold_huge(struct held *held) {
        if (!held->memory) {
                take_huge(held);
                return true;
        }
        for (int i = 0; i < 64; i++) {
                size_t index = next_random() % (held->bytes / PAGE);

                if (!is_stamped(held->memory + index * WORDS, index) || held->memory[index * WORDS] >> 32 != (uint64_t) getpid()) {
                        say("wrong: page %zu of huge pages has %" PRIx64 "\n", index, held->memory[index * WORDS]);
                        return false;
                }
        }
        if (counts.rounds > held->until) {
                munmap(held->memory, held->bytes);
                has[held->node] -= (int) (held->bytes / HUGE);
                held->memory = NULL;
        }
        return true;
}

static int hold(const char *status) {
        static struct held held[HELD_MAX];
        char directory[256];

        status_fd = open(status, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        snprintf(directory, sizeof(directory), "%s", getenv("NODEOS_HOLD_OBJECTS") ?: getenv("NODEOS_MEMORY") ?: "/nowhere");
        signal(SIGBUS, on_bus);
        for (;; counts.rounds++) {
                struct timespec pause = { 0, 50000000 };

                if (!hold_objects(directory, 0))
                        return 1;
                read_allowed(status);
                for (int i = 0; i < HELD_MAX; i++)
                        if (!hold_huge(&held[i]))
                                return 1;
                if (counts.rounds % 2 == 0)
                        say("rounds %lu objects %lu huge %lu refused %lu starved %lu cut %lu\n", counts.rounds, counts.objects,
                            counts.huge, counts.refused, counts.starved, counts.cut);
                nanosleep(&pause, NULL);
        }
}

/* Takes huge pages of a node one by one, whenever there is one more, and keeps them. */
static int take(int node, int wanted, const char *status) {
        unsigned long mask = 1ul << node;
        int count = 0;

        status_fd = open(status, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        for (long refused = 0; getppid() > 0;) {
                void *memory = MAP_FAILED;

                if (count < wanted)
                        memory = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
                if (memory != MAP_FAILED && syscall(SYS_mbind, memory, HUGE, MPOL_BIND, &mask, NODES_MAX + 1, 0) == 0 &&
                    madvise(memory, HUGE, MADV_POPULATE_WRITE) == 0) {
                        count++;
                        continue;
                }
                if (memory != MAP_FAILED)
                        munmap(memory, HUGE);
                if (refused++ % 64 == 0)
                        say("has %d\n", count);
                usleep(1000);
        }
        return 0;
}

/* A node full of memory, of which one page in each half MiB then stays, and cannot be moved. */
static int pieces(int node, size_t mib) {
        unsigned long mask = 1ul << node;
        size_t bytes = mib << 20, step = 512 << 10;
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE) < 0 ||
            syscall(SYS_mbind, memory, bytes, MPOL_BIND, &mask, NODES_MAX + 1, 0) < 0 || madvise(memory, bytes, MADV_POPULATE_WRITE) < 0)
                return perror("pieces"), 1;
        for (size_t at = 0; at < bytes; at += step)
                if (mlock(memory + at, PAGE) < 0 || madvise(memory + at + PAGE, (bytes - at < step ? bytes - at : step) - PAGE, MADV_DONTNEED) < 0)
                        return perror("pieces"), 1;
        puts("ready");
        fflush(stdout);
        return pause();
}

int main(int argc, char **argv) {
        if (argc == 2 && !strcmp(argv[1], "serve"))
                return serve();
        if (argc == 3 && !strcmp(argv[1], "hold"))
                return hold(argv[2]);
        if (argc == 4 && !strcmp(argv[1], "pieces"))
                return pieces(atoi(argv[2]), strtoul(argv[3], NULL, 10));
        if (argc == 5 && !strcmp(argv[1], "take"))
                return take(atoi(argv[2]), atoi(argv[3]), argv[4]);
        fputs("usage: memory_probe serve | hold STATUS | pieces NODE MIB | take NODE PAGES STATUS\n", stderr);
        return 2;
}
