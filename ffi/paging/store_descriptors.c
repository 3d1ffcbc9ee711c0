#define _GNU_SOURCE
#include "store_descriptors.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int fd_of(uint64_t word) {
        return (int) (word >> 32) - 1;
}

static bool change(struct descriptors *descriptors, uint64_t index, uint64_t from, uint64_t to) {
        return __atomic_compare_exchange_n(&descriptors->words[index], &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

int descriptors_begin(struct descriptors *descriptors, uint64_t count) {
        struct rlimit limit;
        void *words;

        descriptors->count = count;
        words = mmap(NULL, count * sizeof(*descriptors->words), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (words == MAP_FAILED)
                return -errno;
        descriptors->words = words;
        descriptors->limit = DESCRIPTORS_OPEN;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < DESCRIPTORS_OPEN)
                descriptors->limit = limit.rlim_cur < 8 ? 2 : (uint32_t) (limit.rlim_cur / 4);
        return 0;
}

/* Nobody takes any more. */
void descriptors_end(struct descriptors *descriptors) {
        if (!descriptors->words)
                return;
        for (uint64_t i = 0; descriptors->open && i < descriptors->count; i++)
                if (descriptors->words[i]) {
                        close(fd_of(descriptors->words[i]));
                        descriptors->open--;
                }
        munmap(descriptors->words, descriptors->count * sizeof(*descriptors->words));
        descriptors->words = NULL;
}

/* Closes one that nobody uses, those first that were not closed for longest. */
static bool close_one(struct descriptors *descriptors) {
        for (uint64_t i = 0; i < descriptors->count; i++) {
                uint64_t index = __atomic_fetch_add(&descriptors->hand, 1, __ATOMIC_RELAXED) % descriptors->count;
                uint64_t word = __atomic_load_n(&descriptors->words[index], __ATOMIC_RELAXED);

                if (!word || (uint32_t) word || !change(descriptors, index, word, 0))
                        continue;
                close(fd_of(word));
                __atomic_fetch_sub(&descriptors->open, 1, __ATOMIC_RELAXED);
                return true;
        }
        return false;
}

int descriptors_take(struct descriptors *descriptors, uint64_t index, bool make) {
        for (;;) {
                uint64_t word = __atomic_load_n(&descriptors->words[index], __ATOMIC_RELAXED);
                int fd;

                if (word) {
                        if (change(descriptors, index, word, word + 1))
                                return fd_of(word);
                        continue;
                }
                fd = descriptors->open_file(descriptors->owner, index, make);
                if ((fd == -EMFILE || fd == -ENFILE) && close_one(descriptors))
                        continue;
                if (fd < 0)
                        return fd;
                if (!change(descriptors, index, 0, (uint64_t) (fd + 1) << 32 | 1)) {
                        close(fd);
                        continue;
                }
                if (__atomic_add_fetch(&descriptors->open, 1, __ATOMIC_RELAXED) > descriptors->limit)
                        close_one(descriptors);
                return fd;
        }
}

void descriptors_give(struct descriptors *descriptors, uint64_t index) {
        __atomic_fetch_sub(&descriptors->words[index], 1, __ATOMIC_RELEASE);
}
