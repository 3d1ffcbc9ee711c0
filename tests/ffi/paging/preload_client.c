/* What programs do with mappings of files: preload_client CASE FILE. It has to end alike with and without the preload. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                                                                \
        do {                                                                                                                       \
                if (!(what)) {                                                                                                     \
                        printf("line %d: not so: %s (errno %d)\n", __LINE__, #what, errno);                                        \
                        exit(1);                                                                                                   \
                }                                                                                                                  \
        } while (0)

enum { PAGE = 4096, WORDS = PAGE / 8, PAGES = 512 };

static const char *path;
static int fd;
static sigjmp_buf back;

static uint64_t word_of(uint64_t index) {
        return index * 0x9E3779B97F4A7C15u + 1;
}

static void make_file(size_t pages) {
        uint64_t words[WORDS];

        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        for (uint64_t page = 0; page < pages; page++) {
                for (uint64_t i = 0; i < WORDS; i++)
                        words[i] = word_of(page * WORDS + i);
                CHECK(write(fd, words, PAGE) == PAGE);
        }
}

static uint64_t word_in_file(uint64_t index) {
        uint64_t word = 0;

        CHECK(pread(fd, &word, 8, (off_t) (8 * index)) == 8);
        return word;
}

static volatile uint64_t *map(size_t pages, int protection, int flags) {
        void *at = mmap(NULL, pages * PAGE, protection, flags, fd, 0);

        CHECK(at != MAP_FAILED);
        return at;
}

static bool is_whole(volatile uint64_t *words, uint64_t from, uint64_t to) {
        for (uint64_t i = from; i < to; i++)
                if (words[i] != word_of(i))
                        return false;
        return true;
}

static void on_signal(int number) {
        siglongjmp(back, number);
}

/* The signal that an access ends with, or 0. */
static int signal_of(volatile uint64_t *word, bool writes) {
        struct sigaction action = { .sa_handler = on_signal }, bus, segv;
        int number = 0;

        sigaction(SIGSEGV, &action, &segv);
        /* A region answers faults by SIGBUS in mode signal: its handler has to be the last one installed, and passes this on. */
        if (!getenv("NODEOS_PAGING_MODE") || strcmp(getenv("NODEOS_PAGING_MODE"), "signal"))
                sigaction(SIGBUS, &action, &bus);
        number = sigsetjmp(back, 1);
        if (number == 0) {
                if (writes)
                        *word = 1;
                else
                        (void) *word;
        }
        sigaction(SIGSEGV, &segv, NULL);
        if (!getenv("NODEOS_PAGING_MODE") || strcmp(getenv("NODEOS_PAGING_MODE"), "signal"))
                sigaction(SIGBUS, &bus, NULL);
        return number;
}

static void try_parts(void) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
        char *at = (char *) words;

        words[10 * WORDS] = 1;
        words[300 * WORDS] = 2;
        words[511 * WORDS] = 3;
        CHECK(munmap(at + 8 * PAGE, 4 * PAGE) == 0 && word_in_file(10 * WORDS) == 1);
        CHECK(signal_of(words + 9 * WORDS, false) == SIGSEGV);
        CHECK(is_whole(words, 7 * WORDS, 8 * WORDS) && is_whole(words, 12 * WORDS, 13 * WORDS));
        /* Another mapping within it. */
        CHECK(mmap(at + 300 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at + 300 * PAGE);
        CHECK(words[300 * WORDS] == 0 && word_in_file(300 * WORDS) == 2);
        words[301 * WORDS] = 9;
        CHECK(is_whole(words, 302 * WORDS, 511 * WORDS) && words[511 * WORDS] == 3 && words[301 * WORDS] == 9);
        CHECK(munmap(at + 300 * PAGE, 2 * PAGE) == 0);
        CHECK(munmap(at, PAGES * PAGE) == 0 && word_in_file(511 * WORDS) == 3 && word_in_file(301 * WORDS) == word_of(301 * WORDS));
        CHECK(signal_of(words, false) == SIGSEGV);
}

static void try_protection(void) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED), *copy;

        words[5] = 1;
        CHECK(mprotect((void *) words, 4 * PAGE, PROT_READ) == 0);
        CHECK(words[5] == 1 && signal_of(words + 6, true) == SIGSEGV && is_whole(words, WORDS, PAGES * WORDS));
        words[4 * WORDS] = 2;
        CHECK(mprotect((void *) words, 4 * PAGE, PROT_NONE) == 0 && signal_of(words + 5, false) == SIGSEGV);
        CHECK(mprotect((void *) words, 4 * PAGE, PROT_READ | PROT_WRITE) == 0);
        words[6] = 3;
        CHECK(msync((void *) words, PAGES * PAGE, MS_SYNC) == 0);
        CHECK(word_in_file(5) == 1 && word_in_file(6) == 3 && word_in_file(4 * WORDS) == 2);
        CHECK(munmap((void *) words, PAGES * PAGE) == 0);
        /* To be written after all. */
        copy = map(PAGES, PROT_READ, MAP_PRIVATE);
        CHECK(copy[6] == 3 && signal_of(copy + 6, true) == SIGSEGV);
        CHECK(mprotect((void *) copy, PAGES * PAGE, PROT_READ | PROT_WRITE) == 0);
        copy[6] = 4;
        CHECK(word_in_file(6) == 3 && is_whole(copy, 5 * WORDS, PAGES * WORDS));
        CHECK(munmap((void *) copy, PAGES * PAGE) == 0);
}

static void try_end_of_file(void) {
        volatile uint64_t *words = mmap(NULL, (PAGES + 4) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        struct stat status;

        CHECK(ftruncate(fd, PAGES * PAGE - 100) == 0);
        CHECK(words[PAGES * WORDS - 1] == 0 && words[0] == word_of(0));
        words[PAGES * WORDS - 1] = 5;
        CHECK(signal_of(words + PAGES * WORDS, false) == SIGBUS);
        CHECK(msync((void *) words, PAGES * PAGE, MS_SYNC) == 0 && fstat(fd, &status) == 0 && status.st_size == PAGES * PAGE - 100);
        CHECK(ftruncate(fd, (PAGES + 2) * PAGE) == 0);
        CHECK(words[PAGES * WORDS] == 0);
        words[PAGES * WORDS + 1] = 6;
        CHECK(word_in_file(PAGES * WORDS + 1) == 6);
        CHECK(ftruncate(fd, 10 * PAGE) == 0 && is_whole(words, 0, 10 * WORDS));
        CHECK(signal_of(words + 100 * WORDS, false) == SIGBUS);
        CHECK(munmap((void *) words, (PAGES + 4) * PAGE) == 0);
        CHECK(fstat(fd, &status) == 0 && status.st_size == 10 * PAGE);
}

static void try_private(void) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE);

        for (uint64_t i = 0; i < PAGES * WORDS; i += 700)
                words[i] = i;
        for (uint64_t i = 0; i < PAGES * WORDS; i++)
                CHECK(words[i] == (i % 700 ? word_of(i) : i));
        for (uint64_t i = 0; i < PAGES * WORDS; i += 700)
                CHECK(word_in_file(i) == word_of(i));
        CHECK(madvise((void *) words, 100 * PAGE, MADV_DONTNEED) == 0);
        CHECK(is_whole(words, 0, 100 * WORDS) && words[700 * 100] == 70000);
        CHECK(munmap((void *) words, PAGES * PAGE) == 0 && word_in_file(70000) == word_of(70000));
}

static void try_sizes(void) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
        char *at = mmap(NULL, 3 * PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        volatile uint64_t *fixed = mmap(at, 16 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 2 * PAGE);

        CHECK(fixed == (void *) at && fixed[7] == word_of(2 * WORDS + 7));
        words[3] = 33;
        words = mremap((void *) words, PAGES * PAGE, 100 * PAGE, 0);
        CHECK(words != MAP_FAILED && words[3] == 33 && is_whole(words, 4, 100 * WORDS));
        CHECK(signal_of(words + 100 * WORDS, false) == SIGSEGV);
        CHECK(munmap((void *) words, 100 * PAGE) == 0);
        /* There is no room behind it. */
        fixed = mremap((void *) fixed, 16 * PAGE, 32 * PAGE, 0);
        CHECK(fixed == MAP_FAILED && errno == ENOMEM);
        fixed = mremap(at, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
        CHECK(fixed != MAP_FAILED && fixed != (void *) at && fixed[31 * WORDS] == word_of(33 * WORDS));
        CHECK(munmap((void *) fixed, 32 * PAGE) == 0);
        words = map(8, PROT_READ | PROT_WRITE, MAP_PRIVATE);
        words[1] = 11;
        words = mremap((void *) words, 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + PAGES * PAGE);
        CHECK(words == (void *) (at + PAGES * PAGE) && words[1] == 11 && words[63 * WORDS] == word_of(63 * WORDS));
        CHECK(munmap((void *) words, 64 * PAGE) == 0 && word_in_file(1) == word_of(1));
}

/* Locks of the process on a file end when it closes any of its descriptors; ours must not be one. */
static void try_descriptors(void) {
        int other = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        volatile uint64_t *words = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
        int status;

        CHECK(words != MAP_FAILED && close(other) == 0);
        CHECK(fcntl(fd, F_SETLK, &lock) == 0);
        words[2] = 22;
        CHECK(munmap((void *) words, PAGES * PAGE) == 0 && word_in_file(2) == 22);
        if (fork() == 0) {
                lock.l_type = F_WRLCK;
                _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 0 : 1);
        }
        CHECK(wait(&status) > 0 && status == 0);
}

static volatile uint64_t *shared;

static void *add(void *argument) {
        uint64_t seed = (uintptr_t) argument + 1;

        for (int i = 0; i < 20000; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                __atomic_fetch_add((uint64_t *) &shared[(seed >> 33) % (PAGES * WORDS) / WORDS * WORDS], 1, __ATOMIC_RELAXED);
        }
        return NULL;
}

static void try_threads(void) {
        pthread_t threads[4];
        uint64_t sum = 0;

        shared = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
        for (uintptr_t i = 0; i < 4; i++)
                CHECK(pthread_create(&threads[i], NULL, add, (void *) i) == 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK(munmap((void *) shared, PAGES * PAGE) == 0);
        for (uint64_t page = 0; page < PAGES; page++)
                sum += word_in_file(page * WORDS) - word_of(page * WORDS);
        CHECK(sum == 80000);
}

static void try_calls(void) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
        uint64_t page[WORDS];
        int pipes[2];

        /* Into and out of pages that are not there. */
        CHECK(pipe(pipes) == 0 && write(pipes[1], (void *) (words + 40 * WORDS), PAGE) == PAGE);
        CHECK(read(pipes[0], (void *) (words + 50 * WORDS), PAGE) == PAGE && words[50 * WORDS + 3] == word_of(40 * WORDS + 3));
        /* What one way writes, the other reads. */
        CHECK(word_in_file(50 * WORDS + 3) == word_of(40 * WORDS + 3));
        words[60 * WORDS] = 60;
        CHECK(lseek(fd, 60 * PAGE, SEEK_SET) == 60 * PAGE && read(fd, page, PAGE) == PAGE && page[0] == 60);
        page[1] = 61;
        words[60 * WORDS + 2] = 62;
        CHECK(pwrite(fd, &page[1], 8, 60 * PAGE + 8) == 8);
        CHECK(words[60 * WORDS] == 60 && words[60 * WORDS + 1] == 61 && words[60 * WORDS + 2] == 62);
        CHECK(msync((void *) (words + 1), PAGE, MS_SYNC) == -1 && errno == EINVAL);
        CHECK(posix_madvise((void *) words, PAGES * PAGE, POSIX_MADV_WILLNEED) == 0);
        CHECK(madvise((void *) words, PAGES * PAGE, MADV_RANDOM) == 0);
        CHECK(mlock((void *) words, 4 * PAGE) == 0 && munlock((void *) words, 4 * PAGE) == 0);
        CHECK(munmap((void *) words, PAGES * PAGE) == 0);
}

static int child_of(volatile uint64_t *words, uint64_t index, uint64_t expected, uint64_t writes) {
        pid_t child = fork();
        int status;

        if (child == 0) {
                bool is_right = words[index] == expected && words[index + 1] == word_of(index + 1);

                words[index + 2] = writes;
                _exit(is_right ? 0 : 1);
        }
        CHECK(waitpid(child, &status, 0) == child);
        return status;
}

static void try_fork(void) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE), *only = map(PAGES, PROT_READ, MAP_SHARED);

        for (uint64_t page = 0; page < PAGES; page++)
                words[page * WORDS] = page;
        CHECK(child_of(words, 7 * WORDS, 7, 4) == 0 && words[7 * WORDS + 2] == word_of(7 * WORDS + 2));
        CHECK(words[511 * WORDS] == 511 && only[3 * WORDS + 1] == word_of(3 * WORDS + 1));
        CHECK(munmap((void *) words, PAGES * PAGE) == 0 && munmap((void *) only, PAGES * PAGE) == 0);
        CHECK(word_in_file(7 * WORDS) == word_of(7 * WORDS));
        words = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
        words[100 * WORDS] = 1;
        CHECK(child_of(words, 100 * WORDS, 1, 3) == 0 && words[100 * WORDS + 2] == 3);
        words[101 * WORDS] = 2;
        CHECK(munmap((void *) words, PAGES * PAGE) == 0);
        CHECK(word_in_file(100 * WORDS + 2) == 3 && word_in_file(101 * WORDS) == 2);
}

/* What is written to one is seen in the others, where nobody wrote. */
static void try_agree(void) {
        volatile uint64_t *one = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED), *other, *copy;

        one[1] = 11;
        other = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);
        copy = map(PAGES, PROT_READ, MAP_PRIVATE);
        CHECK(other[1] == 11 && copy[1] == 11);
        other[2] = 22;
        one[3] = 33;
        CHECK(one[2] == 22 && copy[2] == 22 && other[3] == 33 && copy[3] == 33 && is_whole(one, 4, PAGES * WORDS));
        CHECK(munmap((void *) one, PAGES * PAGE) == 0 && munmap((void *) other, PAGES * PAGE) == 0);
        CHECK(munmap((void *) copy, PAGES * PAGE) == 0 && word_in_file(2) == 22);
}

/* Nobody unmaps, and nobody syncs. */
static void leave(void (*end)(int status)) {
        volatile uint64_t *words = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED);

        for (uint64_t page = 0; page < PAGES; page++)
                words[page * WORDS] = page;
        printf("fine\n");
        fflush(stdout);
        end(0);
}

static void try_exit(void) {
        leave(exit);
}

static void try_exit_at_once(void) {
        leave(_exit);
}

static const struct {
        const char *name;
        void (*run)(void);
} cases[] = {
        { "parts", try_parts },     { "protection", try_protection },   { "end-of-file", try_end_of_file },
        { "private", try_private }, { "sizes", try_sizes },             { "descriptors", try_descriptors },
        { "threads", try_threads }, { "calls", try_calls },             { "fork", try_fork },
        { "agree", try_agree },     { "exit", try_exit },               { "exit-at-once", try_exit_at_once },
};

int main(int argc, char **argv) {
        if (argc != 3)
                return 2;
        path = argv[2];
        make_file(PAGES);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                if (strcmp(cases[i].name, argv[1]))
                        continue;
                cases[i].run();
                return printf("fine\n"), 0;
        }
        return 2;
}
