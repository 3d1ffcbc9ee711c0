/* UMap's calls, by the names that its programs use: umap_client CASE FILE. Each case is a probe that UMap fails, or one that it passes
 * and a port may not lose. */
#define _GNU_SOURCE
#define NODEOS_UMAP_NAMES
#include "nodeos_umap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum { PAGE = 4096, PAGES = 256 };

static const char *path;
static int fd;

static uint64_t word_of(uint64_t index) {
        return index * 0x9E3779B97F4A7C15u + 1;
}

/* A file of whole pages and a tail. */
static void make_file(size_t tail) {
        uint64_t words[PAGE / 8];

        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        for (uint64_t page = 0; page <= PAGES; page++) {
                for (uint64_t i = 0; i < PAGE / 8; i++)
                        words[i] = word_of(page * (PAGE / 8) + i);
                CHECK(write(fd, words, page < PAGES ? PAGE : tail) == (ssize_t) (page < PAGES ? PAGE : tail));
        }
}

static uint64_t word_in_file(uint64_t index) {
        uint64_t word = 0;

        CHECK(pread(fd, &word, 8, (off_t) (8 * index)) == 8);
        return word;
}

static uint64_t *map(size_t bytes, int protection, off_t offset) {
        uint64_t *words = umap(NULL, bytes, protection, UMAP_PRIVATE, fd, offset);

        CHECK(words != UMAP_FAILED);
        return words;
}

static void try_offset(void) {
        uint64_t *words;
        char *bytes;

        words = map((PAGES - 4) * PAGE, PROT_READ, 4 * PAGE);
        for (uint64_t i = 0; i < (PAGES - 4) * PAGE / 8; i++)
                CHECK(words[i] == word_of(i + 4 * PAGE / 8));
        CHECK(uunmap(words, 0) == 0);
        /* Of any alignment. */
        bytes = (char *) map(3 * PAGE, PROT_READ, 100);
        for (uint64_t i = 0; i < 300; i++) {
                uint64_t word;

                memcpy(&word, bytes + 4 + 8 * i, 8);
                CHECK(word == word_of(13 + i));
        }
        CHECK(uunmap(bytes, 3 * PAGE) == 0);
}

static void try_tail(void) {
        uint64_t *words;
        unsigned char *bytes;
        struct stat status;

        make_file(104);
        words = map(PAGES * PAGE + 104, PROT_READ | PROT_WRITE, 0);
        bytes = (unsigned char *) words;
        for (size_t i = PAGES * PAGE + 104; i < (PAGES + 1) * PAGE; i++)
                CHECK(bytes[i] == 0);
        bytes[PAGES * PAGE + 103] = 7;
        bytes[PAGES * PAGE + 104] = 8;
        CHECK(uunmap(words, 0) == 0);
        CHECK(fstat(fd, &status) == 0 && status.st_size == PAGES * PAGE + 104);
        CHECK(pread(fd, &bytes, 1, PAGES * PAGE + 103) == 1 && *(unsigned char *) &bytes == 7);
}

static void try_shared(void) {
        uint64_t *words = umap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, NODEOS_UMAP_SHARED, fd, 0);

        CHECK(words != UMAP_FAILED);
        words[5] = 55;
        CHECK(umap_flush() == 0 && word_in_file(5) == 55);
        CHECK(uunmap(words, 0) == 0);
}

/* More than the buffer has, read and written; with 16 pages of it. */
static void try_small_buffer(void) {
        uint64_t *words;

        CHECK(nodeos_umapcfg_set_max_pages_in_buffer(16) == 0 && umapcfg_get_max_pages_in_buffer() == 16);
        words = map(PAGES * PAGE, PROT_READ | PROT_WRITE, 0);
        for (uint64_t i = 0; i < PAGES * PAGE / 8; i += 64) {
                CHECK(words[i] == word_of(i));
                words[i] = i;
        }
        for (uint64_t i = 0; i < PAGES * PAGE / 8; i++)
                CHECK(words[i] == (i % 64 ? word_of(i) : i));
        CHECK(uunmap(words, 0) == 0);
        for (uint64_t i = 0; i < PAGES * PAGE / 8; i += 64)
                CHECK(word_in_file(i) == i);
}

static void try_page_size(void) {
        uint64_t *words;

        CHECK(nodeos_umapcfg_set_umap_page_size(12288) == 0 && umapcfg_get_umap_page_size() == 12288);
        words = map(PAGES * PAGE, PROT_READ, 0);
        for (uint64_t i = 0; i < PAGES * PAGE / 8; i += 8)
                CHECK(words[i] == word_of(i));
        CHECK(uunmap(words, 0) == 0);
        errno = 0;
        CHECK(nodeos_umapcfg_set_umap_page_size(5000) == -1 && errno == EINVAL && umapcfg_get_umap_page_size() == 12288);
}

static uint64_t *shared_words;

static void *write_words(void *argument) {
        for (uint64_t round = 1; round <= 20; round++)
                for (uint64_t i = (uintptr_t) argument; i < PAGES * PAGE / 8; i += 512)
                        shared_words[i] = round;
        return NULL;
}

static void try_flush_while_evicting(void) {
        pthread_t threads[2];

        CHECK(nodeos_umapcfg_set_max_pages_in_buffer(64) == 0);
        shared_words = map(PAGES * PAGE, PROT_READ | PROT_WRITE, 0);
        for (uintptr_t i = 0; i < 2; i++)
                CHECK(pthread_create(&threads[i], NULL, write_words, (void *) i) == 0);
        for (int i = 0; i < 50; i++)
                CHECK(umap_flush() == 0);
        for (int i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        CHECK(umap_flush() == 0);
        for (uint64_t i = 0; i < PAGES * PAGE / 8; i += 512)
                CHECK(word_in_file(i) == 20 && word_in_file(i + 1) == 20);
        CHECK(uunmap(shared_words, 0) == 0);
}

static size_t address_pages(void) {
        FILE *file = fopen("/proc/self/statm", "r");
        size_t pages = 0;

        CHECK(file && fscanf(file, "%zu", &pages) == 1);
        fclose(file);
        return pages;
}

static void try_many_times(void) {
        size_t before = 0;

        for (int i = 0; i < 200; i++) {
                uint64_t *words = map(64 * PAGE, PROT_READ, 0);

                CHECK(words[i] == word_of((uint64_t) i));
                CHECK(uunmap(words, 0) == 0);
                if (i == 20)
                        before = address_pages();
        }
        CHECK(address_pages() < before + 64);
}

static void try_pin(void) {
        uint64_t *words = map(PAGES * PAGE, PROT_READ | PROT_WRITE, 0);

        CHECK(words[0] == word_of(0));
        /* A page that is there already, and others. */
        CHECK(umap_fetch_and_pin((char *) words, 16 * PAGE) == 0);
        for (uint64_t i = 0; i < 16 * PAGE / 8; i += 512)
                words[i] = 1000 + i;
        CHECK(umap_flush() == 0);
        for (uint64_t i = 0; i < 16 * PAGE / 8; i += 512)
                CHECK(word_in_file(i) == 1000 + i);
        words[1] = 77;
        CHECK(nodeos_umap_unpin((char *) words, 16 * PAGE) == 0);
        CHECK(umap_fetch_and_pin((char *) words + PAGES * PAGE - 8, 16) == -1 && errno == EINVAL);
        CHECK(umap_fetch_and_pin((char *) &fd, 1) == -1 && errno == EINVAL);
        CHECK(uunmap(words, 0) == 0 && word_in_file(1) == 77);
}

static void try_fork(void) {
        uint64_t *words = map(PAGES * PAGE, PROT_READ, 0);
        pid_t child;
        int status;

        CHECK(words[0] == word_of(0));
        child = fork();
        if (child == 0)
                _exit(words[1] == 0 ? 3 : 4);
        CHECK(waitpid(child, &status, 0) == child);
        /* Never zeroes in silence. */
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        CHECK(words[1] == word_of(1) && uunmap(words, 0) == 0);
}

static void try_refusals(void) {
        int read_only = open(path, O_RDONLY | O_CLOEXEC), other;
        uint64_t *words;
        void *wish;

        CHECK(umap(NULL, 0, PROT_READ, UMAP_PRIVATE, fd, 0) == UMAP_FAILED && errno == EINVAL);
        CHECK(umap(NULL, PAGE, PROT_READ | PROT_EXEC, UMAP_PRIVATE, fd, 0) == UMAP_FAILED && errno == EINVAL);
        CHECK(umap(NULL, PAGE, PROT_NONE, UMAP_PRIVATE, fd, 0) == UMAP_FAILED && errno == EINVAL);
        CHECK(umap(NULL, PAGE, PROT_READ, 0, fd, 0) == UMAP_FAILED && errno == EINVAL);
        CHECK(umap(NULL, PAGE, PROT_READ, UMAP_PRIVATE, -1, 0) == UMAP_FAILED && errno == EBADF);
        CHECK(umap(NULL, PAGE, PROT_READ, UMAP_PRIVATE, fd, -PAGE) == UMAP_FAILED && errno == EINVAL);
        CHECK(umap(NULL, PAGE, PROT_READ, UMAP_PRIVATE, fd, (off_t) 1 << 40) == UMAP_FAILED && errno == ENODATA);
        CHECK(umap(NULL, PAGE, PROT_READ | PROT_WRITE, UMAP_PRIVATE, read_only, 0) == UMAP_FAILED && errno == EACCES);
        CHECK(uunmap(&words, PAGE) == -1 && errno == EINVAL);
        /* The descriptor is not needed any more. */
        words = map(PAGES * PAGE, PROT_READ, 0);
        other = dup(fd);
        close(fd);
        CHECK(words[PAGES * PAGE / 8 - 1] == word_of(PAGES * PAGE / 8 - 1));
        fd = other;
        CHECK(umap(words, PAGE, PROT_READ, UMAP_PRIVATE | UMAP_FIXED, fd, 0) == UMAP_FAILED && errno == EEXIST);
        CHECK(uunmap(words, PAGE) == 0);
        wish = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        words = umap(wish, PAGES * PAGE, PROT_READ, UMAP_PRIVATE | UMAP_FIXED, fd, 0);
        CHECK(words == wish && words[9] == word_of(9) && uunmap(words, 0) == 0);
        /* Where nothing is, and nothing else is put soon: the low end of a large hole. */
        wish = mmap(NULL, (size_t) 1 << 33, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(wish != MAP_FAILED && munmap(wish, (size_t) 1 << 33) == 0);
        words = umap(wish, PAGES * PAGE, PROT_READ, UMAP_PRIVATE, fd, 0);
        CHECK(words == wish && words[9] == word_of(9) && uunmap(words, 0) == 0);
        words = umap((char *) wish + 1, PAGES * PAGE, PROT_READ, UMAP_PRIVATE, fd, 0);
        CHECK(words != UMAP_FAILED && words[9] == word_of(9) && uunmap(words, 0) == 0);
        CHECK(nodeos_umapcfg_set_evict_high_water_threshold(101) == -1 && errno == EINVAL);
        CHECK(nodeos_umapcfg_set_evict_low_water_threshold(101) == -1 && nodeos_umapcfg_set_num_fillers(0) == -1);
        CHECK(nodeos_umapcfg_set_max_pages_in_buffer(0) == -1 && nodeos_umapcfg_set_mode(NODEOS_MODE_PLAIN) == -1);
}

static void try_many_regions(void) {
        static uint64_t *regions[100];
        struct umap_prefetch_item items[100];

        CHECK(nodeos_umapcfg_set_max_pages_in_buffer(256) == 0);
        for (int i = 0; i < 100; i++) {
                regions[i] = map(64 * PAGE, PROT_READ, i * PAGE);
                items[i].page_base_addr = (char *) regions[i] + 63 * PAGE;
        }
        umap_prefetch(100, items);
        for (int i = 0; i < 100; i++)
                for (uint64_t j = 0; j < 64 * PAGE / 8; j += 512)
                        CHECK(regions[i][j] == word_of((uint64_t) i * PAGE / 8 + j));
        for (int i = 0; i < 100; i++)
                CHECK(uunmap(regions[i], 0) == 0);
}

/* A system call on a page that is not there yet. */
static void try_system_call(void) {
        uint64_t *words = map(PAGES * PAGE, PROT_READ, 0), read_back[512];
        int pipes[2];

        CHECK(pipe(pipes) == 0);
        CHECK(write(pipes[1], words + 20 * 512, PAGE) == PAGE);
        CHECK(read(pipes[0], read_back, PAGE) == PAGE && read_back[7] == word_of(20 * 512 + 7));
        CHECK(uunmap(words, 0) == 0);
}

/* Past the page cache, where the file system can. */
static void try_direct(void) {
        int direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
        uint64_t *words;

        if (direct < 0)
                return;
        CHECK(fsync(fd) == 0);
        words = umap(NULL, (PAGES - 1) * PAGE, PROT_READ | PROT_WRITE, UMAP_PRIVATE, direct, PAGE);
        CHECK(words != UMAP_FAILED && close(direct) == 0);
        for (uint64_t i = 0; i < (PAGES - 1) * PAGE / 8; i += 100) {
                CHECK(words[i] == word_of(i + PAGE / 8));
                words[i] = i;
        }
        CHECK(uunmap(words, 0) == 0);
        for (uint64_t i = 0; i < (PAGES - 1) * PAGE / 8; i += 100)
                CHECK(word_in_file(i + PAGE / 8) == i);
}

static void say_settings(void) {
        printf("%lu %lu %lu %lu %d %d %lu %lu\n", (unsigned long) umapcfg_get_umap_page_size(),
               (unsigned long) umapcfg_get_max_pages_in_buffer(), (unsigned long) umapcfg_get_num_fillers(),
               (unsigned long) umapcfg_get_num_evictors(), umapcfg_get_evict_high_water_threshold(),
               umapcfg_get_evict_low_water_threshold(), (unsigned long) umapcfg_get_read_ahead(),
               (unsigned long) umapcfg_get_max_fault_events());
        if (umap(NULL, PAGE, PROT_READ, UMAP_PRIVATE, fd, 0) == UMAP_FAILED)
                printf("%s\n", strerror(errno));
}

static const struct {
        const char *name;
        void (*run)(void);
} cases[] = {
        { "offset", try_offset },
        { "tail", try_tail },
        { "shared", try_shared },
        { "small-buffer", try_small_buffer },
        { "page-size", try_page_size },
        { "flush-while-evicting", try_flush_while_evicting },
        { "many-times", try_many_times },
        { "pin", try_pin },
        { "fork", try_fork },
        { "refusals", try_refusals },
        { "many-regions", try_many_regions },
        { "system-call", try_system_call },
        { "direct", try_direct },
        { "settings", say_settings },
};

int main(int argc, char **argv) {
        if (argc != 3)
                return 2;
        path = argv[2];
        make_file(0);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                if (strcmp(cases[i].name, argv[1]))
                        continue;
                CHECK(umap_has_write_support() == 1 && umapcfg_get_system_page_size() == sysconf(_SC_PAGESIZE));
                cases[i].run();
                return printf("fine\n"), 0;
        }
        return 2;
}
