/* Random changes of a mapping beside a model of it: preload_random shared|private SEED STEPS FILE. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                                                                \
        do {                                                                                                                       \
                if (!(what)) {                                                                                                     \
                        printf("step %d, line %d: not so: %s (errno %d)\n", step, __LINE__, #what, errno);                         \
                        exit(1);                                                                                                   \
                }                                                                                                                  \
        } while (0)

enum { PAGE = 4096, PAGES = 200, WORD = 77 };

static int step, fd, length; /* pages that are mapped, gaps included */
static bool is_private;
static uint64_t state, in_file[PAGES], copied[PAGES];
static bool is_copied[PAGES], is_there[PAGES];
static char *at;

static uint32_t below(uint32_t limit) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (state >> 33) % limit;
}

static volatile uint64_t *word_at(int page) {
        return (volatile uint64_t *) (at + page * PAGE) + WORD;
}

static uint64_t expected(int page) {
        return is_copied[page] ? copied[page] : in_file[page];
}

static void map_again(void) {
        if (at)
                CHECK(munmap(at, (size_t) length * PAGE) == 0);
        at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, is_private ? MAP_PRIVATE : MAP_SHARED, fd, 0);
        CHECK(at != MAP_FAILED);
        length = PAGES;
        memset(is_copied, 0, sizeof(is_copied));
        memset(is_there, 1, sizeof(is_there));
}

static void check_all(void) {
        for (int page = 0; page < length; page++)
                CHECK(!is_there[page] || *word_at(page) == expected(page));
}

/* A child sees what its parent does, and changes nothing of a private mapping. */
static void try_child(void) {
        pid_t child = fork();
        int status;

        if (child == 0) {
                for (int page = 0; page < length; page++)
                        if (is_there[page] && *word_at(page) != expected(page))
                                _exit(page % 100 + 1);
                if (is_private && is_there[0])
                        *word_at(0) = 1;
                _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void resize(void) {
        int pages = 1 + (int) below(PAGES);
        char *moved;

        for (int page = 0; page < length; page++)
                if (!is_there[page])
                        return;
        moved = mremap(at, (size_t) length * PAGE, (size_t) pages * PAGE, MREMAP_MAYMOVE);
        CHECK(moved != MAP_FAILED);
        at = moved;
        for (int page = length < pages ? length : pages; page < PAGES; page++) {
                is_copied[page] = false;
                is_there[page] = page < pages;
        }
        length = pages;
}

static void touch(int page) {
        uint64_t value = state;

        if (!is_there[page] || page >= length)
                return;
        CHECK(*word_at(page) == expected(page));
        if (below(2))
                return;
        *word_at(page) = value;
        if (is_private) {
                copied[page] = value;
                is_copied[page] = true;
        } else {
                in_file[page] = value;
        }
}

static void use_file(int page) {
        uint64_t value = state;
        off_t offset = page * PAGE + 8 * WORD;

        if (below(2)) {
                CHECK(pread(fd, &value, 8, offset) == 8 && value == in_file[page]);
                return;
        }
        CHECK(pwrite(fd, &value, 8, offset) == 8);
        in_file[page] = value;
}

static void change(int from, int pages) {
        static const int advice[] = { MADV_WILLNEED, MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT };
        int which = (int) below(4);
        char *start = at + from * PAGE;
        size_t bytes = (size_t) pages * PAGE;

        for (int page = from; page < from + pages; page++)
                if (!is_there[page])
                        return;
        switch (below(4)) {
        case 0:
                CHECK(msync(start, bytes, below(2) ? MS_SYNC : MS_ASYNC) == 0);
                break;
        case 1:
                CHECK(madvise(start, bytes, advice[which]) == 0);
                if (advice[which] == MADV_DONTNEED)
                        memset(is_copied + from, 0, (size_t) pages);
                break;
        case 2:
                CHECK(mprotect(start, bytes, PROT_READ) == 0);
                CHECK(*word_at(from) == expected(from));
                CHECK(mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0);
                break;
        default:
                if (below(3))
                        break;
                CHECK(munmap(start, bytes) == 0);
                memset(is_there + from, 0, (size_t) pages);
                memset(is_copied + from, 0, (size_t) pages);
        }
}

int main(int argc, char **argv) {
        if (argc != 5)
                return 2;
        is_private = !strcmp(argv[1], "private");
        state = strtoull(argv[2], NULL, 10);
        fd = open(argv[4], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && ftruncate(fd, PAGES * PAGE) == 0);
        map_again();
        for (step = 0; step < atoi(argv[3]); step++) {
                int page = (int) below(PAGES), left = length - page;

                switch (below(40)) {
                case 0:
                        map_again();
                        break;
                case 1:
                        resize();
                        break;
                case 2:
                        check_all();
                        break;
                case 3:
                        /* A shared mapping is the kernel's from then on. */
                        if (is_private || step > 3000)
                                try_child();
                        break;
                case 4:
                case 5:
                case 6:
                case 7:
                        if (left > 0)
                                change(page, 1 + (int) below((uint32_t) (left < 20 ? left : 20)));
                        break;
                case 8:
                case 9:
                case 10:
                        use_file(page);
                        break;
                default:
                        touch(page);
                }
        }
        check_all();
        CHECK(munmap(at, (size_t) length * PAGE) == 0);
        for (int page = 0; page < PAGES; page++) {
                uint64_t value;

                CHECK(pread(fd, &value, 8, page * PAGE + 8 * WORD) == 8 && value == in_file[page]);
        }
        return printf("fine\n"), 0;
}
