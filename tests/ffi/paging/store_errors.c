/* What stores of files refuse, and how they fail. Usage: store_errors EMPTY-DIRECTORY TEST */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_kinds.h"

static const char *directory;
static struct nodeos_store *store;
static unsigned char memory[8 * PAGE];

static const char *path_of(const char *name) {
        return path_in(directory, name);
}

/* Makes a file of some bytes, all of them 'x'. */
static const char *make(const char *name, uint64_t bytes) {
        const char *path = path_of(name);
        FILE *file = fopen(path, "w");

        CHECK(file, "%s", path);
        while (bytes--)
                fputc('x', file);
        fclose(file);
        return path;
}

static const char *write_text(const char *name, const char *text) {
        const char *path = path_of(name);
        FILE *file = fopen(path, "w");

        CHECK(file, "%s", path);
        fputs(text, file);
        fclose(file);
        return path;
}

static unsigned open_descriptors(void) {
        unsigned count = 0;

        for (int fd = 0; fd < 2000; fd++)
                count += fcntl(fd, F_GETFD) >= 0;
        return count;
}

static int opened(const char *path, uint32_t flags, uint64_t offset, uint64_t bytes) {
        int error = nodeos_store_file(path, flags, offset, bytes, &store);

        if (error == 0)
                nodeos_store_close(store);
        return error;
}

static void refuse_files(void) {
        const char *path = make("file", 3 * PAGE);

        CHECK(opened(path, 0, 0, 0) == 0);
        CHECK(opened(path, 0, PAGE, 2 * PAGE) == 0);
        CHECK(opened(path, 0, PAGE, 2 * PAGE + 1) == -ENODATA);
        CHECK(opened(path, 0, 3 * PAGE, 0) == -ENODATA);
        CHECK(opened(path, NODEOS_STORE_WRITE, 0, 4 * PAGE) == -ENODATA);
        CHECK(opened(path, 0, UINT64_C(1) << 63, 0) == -EINVAL);
        CHECK(opened(path, 0, PAGE, INT64_MAX) == -EINVAL);
        CHECK(opened(path, 16, 0, 0) == -EINVAL);
        CHECK(opened(path, NODEOS_STORE_CREATE, 0, PAGE) == -EINVAL);
        CHECK(opened(NULL, 0, 0, 0) == -EINVAL);
        CHECK(nodeos_store_file(path, 0, 0, 0, NULL) == -EINVAL);
        CHECK(opened(make("empty", 0), 0, 0, 0) == -ENODATA);
        CHECK(opened(path_of("none"), NODEOS_STORE_WRITE, 0, PAGE) == -ENOENT);
        CHECK(opened(path_of("none"), NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, 0, 0) == -ENOENT);
        CHECK(opened(path_of("none/none"), NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, 0, PAGE) == -ENOENT);
        CHECK(opened(directory, 0, 0, 0) == -EISDIR);
        CHECK(opened("/dev/null", 0, 0, 0) == -EINVAL);
        CHECK(opened("/sys/kernel/uevent_seqnum", NODEOS_STORE_DIRECT, 0, 0) == -EOPNOTSUPP);
        CHECK(mkfifo(path_of("pipe"), 0600) == 0);
        CHECK(opened(path_of("pipe"), 0, 0, 0) == -EINVAL);
        CHECK(opened(path, NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, 0, 5 * PAGE) == 0, "a shorter file grows");
        CHECK(opened(path, 0, 0, 5 * PAGE) == 0);
}

/* The rest of the file is as it was. */
static void truncated_with(uint32_t flags) {
        const char *path = make("file", 6 * PAGE);

        CHECK(nodeos_store_file(path, flags, 0, 0, &store) == 0);
        CHECK(truncate(path, 2 * PAGE + 100) == 0);
        CHECK(store->calls->read(store, memory, 6 * PAGE, 0) == -ENODATA);
        CHECK(store->calls->read(store, memory, PAGE, 2 * PAGE) == -ENODATA);
        CHECK(store->calls->read(store, memory + 1, 1, 2 * PAGE + 100) == -ENODATA);
        CHECK(store->calls->read(store, memory + 1, 1, 2 * PAGE + 99) == 0 && memory[1] == 'x');
        CHECK(store->calls->read(store, memory, 2 * PAGE, 0) == 0 && memory[PAGE] == 'x');
        nodeos_store_close(store);
}

static void truncated(void) {
        truncated_with(0);
        truncated_with(NODEOS_STORE_WRITE);
        truncated_with(NODEOS_STORE_DIRECT);
}

/* Files may not grow beyond three pages. */
static void full(void) {
        struct rlimit limit = { .rlim_cur = 3 * PAGE, .rlim_max = RLIM_INFINITY };
        const char *path = path_of("file");

        CHECK(nodeos_store_file(path, NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, 0, 6 * PAGE, &store) == 0);
        signal(SIGXFSZ, SIG_IGN);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        CHECK(store->calls->write(store, memory, 6 * PAGE, 0) == -EFBIG);
        CHECK(store->calls->write(store, memory, PAGE, 4 * PAGE) == -EFBIG);
        CHECK(store->calls->write(store, memory, PAGE, 2 * PAGE) == 0);
        nodeos_store_close(store);
        CHECK(opened(path, NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, 0, 9 * PAGE) == -EFBIG);
}

static int opened_fd(int flags, uint32_t store_flags) {
        int fd = open(path_of("file"), flags);
        int error = nodeos_store_descriptor(fd, store_flags, 0, 0, &store);

        CHECK(fd >= 0 && close(fd) == 0);
        return error;
}

static void refuse_descriptors(void) {
        make("file", 3 * PAGE);
        CHECK(nodeos_store_descriptor(-1, 0, 0, 0, &store) == -EBADF);
        CHECK(opened_fd(O_RDONLY, NODEOS_STORE_WRITE) == -EACCES);
        CHECK(opened_fd(O_WRONLY, 0) == -EACCES);
        CHECK(opened_fd(O_WRONLY, NODEOS_STORE_WRITE) == -EACCES);
        CHECK(opened_fd(O_PATH, 0) == -EBADF);
        // What was opened to append writes where it is told to, and the owner's descriptor is not needed any more.
        CHECK(opened_fd(O_RDWR | O_APPEND, NODEOS_STORE_WRITE) == 0);
        CHECK(store->calls->write(store, "abc", 3, PAGE) == 0);
        nodeos_store_close(store);
        CHECK(opened_fd(O_RDONLY | O_DIRECT, 0) == 0);
        CHECK(store->calls->read(store, memory + 1, 4, PAGE - 1) == 0);
        CHECK(memcmp(memory + 1, "xabc", 4) == 0 && store->bytes == 3 * PAGE);
        nodeos_store_close(store);
}

enum { MANY = 500 };

static void many_parts(void) {
        struct nodeos_store_part parts[MANY];
        struct rlimit limit = { .rlim_cur = 100, .rlim_max = 2000 };
        static char names[MANY][300];
        unsigned before;
        int rest[200];

        for (unsigned i = 0; i < MANY; i++) {
                snprintf(names[i], sizeof(names[i]), "%s/part%u", directory, i);
                parts[i] = (struct nodeos_store_part) { names[i], 0, PAGE };
        }
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        before = open_descriptors();
        CHECK(nodeos_store_parts(parts, MANY, NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, &store) == 0);
        for (uint64_t i = 0; i < MANY; i++)
                CHECK(store->calls->write(store, &i, sizeof(i), i * PAGE) == 0);
        for (uint64_t i = 0, got; i < MANY; i++)
                CHECK(store->calls->read(store, &got, sizeof(got), i * PAGE) == 0 && got == i);
        CHECK(store->calls->sync(store, store->bytes, 0) == 0);
        CHECK(open_descriptors() <= before + 25, "%u", open_descriptors());
        // The program has taken all others: ours make room for one another.
        for (unsigned i = 0; i < 200; i++)
                rest[i] = open("/dev/null", O_RDONLY);
        CHECK(open("/dev/null", O_RDONLY) < 0 && errno == EMFILE);
        CHECK(store->calls->read(store, memory, 2 * PAGE, 5 * PAGE) == 0);
        for (unsigned i = 0; i < 200; i++)
                if (rest[i] >= 0)
                        close(rest[i]);
        // Part 100 is another file by now, part 101 is gone; both were closed.
        CHECK(rename(names[100], names[MANY - 1]) == 0 && unlink(names[101]) == 0);
        make("part100", PAGE);
        CHECK(store->calls->read(store, memory, PAGE, 100 * PAGE) == -ESTALE);
        CHECK(store->calls->read(store, memory, 2 * PAGE, 100 * PAGE + 1) == -ESTALE);
        CHECK(store->calls->read(store, memory, PAGE, 101 * PAGE) == -ENOENT);
        CHECK(store->calls->read(store, memory, PAGE, 102 * PAGE) == 0);
        nodeos_store_close(store);
        CHECK(open_descriptors() == before);
}

static void refuse_parts(void) {
        struct nodeos_store_part parts[2] = { { make("one", 100), 0, 0 }, { path_of("two"), 10, 0 } };
        unsigned before = open_descriptors();

        CHECK(nodeos_store_parts(parts, 2, 0, &store) == -ENOENT);
        make("two", 10);
        CHECK(nodeos_store_parts(parts, 2, 0, &store) == -ENODATA);
        make("two", 20);
        CHECK(nodeos_store_parts(parts, 2, 0, &store) == 0);
        CHECK(store->bytes == 110 && !store->calls->write);
        CHECK(truncate(parts[1].path, 15) == 0);
        CHECK(store->calls->read(store, memory, 105, 0) == 0);
        CHECK(store->calls->read(store, memory, 106, 0) == -ENODATA);
        nodeos_store_close(store);
        CHECK(nodeos_store_parts(parts, 0, 0, &store) == -EINVAL);
        CHECK(nodeos_store_parts(NULL, 1, 0, &store) == -EINVAL);
        CHECK(nodeos_store_parts(parts, 2, 1 << 9, &store) == -EINVAL);
        CHECK(nodeos_store_parts(parts, 2, 0, NULL) == -EINVAL);
        parts[1].path = NULL;
        CHECK(nodeos_store_parts(parts, 2, 0, &store) == -EINVAL);
        CHECK(open_descriptors() == before);
}

static int sparse(const char *path, uint32_t flags, uint64_t bytes, uint64_t granule) {
        int error = nodeos_store_sparse(path, flags, bytes, granule, &store);

        if (error == 0)
                nodeos_store_close(store);
        return error;
}

static void refuse_sparse(void) {
        const uint32_t create = NODEOS_STORE_WRITE | NODEOS_STORE_CREATE;
        const char *path = path_of("sparse");
        unsigned before = open_descriptors();
        struct nodeos_store *other;

        CHECK(sparse(path, create, 0, PAGE) == -EINVAL);
        CHECK(sparse(path, create, PAGE, 0) == -EINVAL);
        CHECK(sparse(path, create, PAGE, 1000) == -EINVAL);
        CHECK(sparse(path, create, UINT64_C(1) << 40, PAGE) == -EINVAL, "too many files");
        CHECK(sparse(path, NODEOS_STORE_CREATE, PAGE, PAGE) == -EINVAL);
        CHECK(sparse(path, 0, 0, 0) == -ENOENT);
        CHECK(mkdir(path, 0777) == 0);
        CHECK(sparse(path, 0, 0, 0) == -ENOENT);
        make("sparse/alien", 1);
        CHECK(sparse(path, create, 10 * PAGE, PAGE) == -ENOTEMPTY);
        CHECK(unlink(path_of("sparse/alien")) == 0);
        make("sparse/._metadata", 5);
        CHECK(nodeos_store_sparse(path, create, 10 * PAGE, 2 * PAGE, &store) == 0, "a writer was killed early");
        CHECK(nodeos_store_sparse(path, NODEOS_STORE_WRITE, 0, 0, &other) == -EBUSY);
        CHECK(nodeos_store_sparse(path, 0, 0, 0, &other) == 0);
        CHECK(store->calls->write(store, "abc", 3, 3 * PAGE) == 0);
        CHECK(other->calls->read(other, memory, 3, 3 * PAGE) == 0 && memcmp(memory, "abc", 3) == 0);
        CHECK(truncate(path_of("sparse/1"), PAGE + 1) == 0);
        CHECK(store->calls->read(store, memory, 2, 3 * PAGE) == -ENODATA);
        CHECK(store->calls->read(store, memory, 2, 4 * PAGE) == 0 && memory[0] == 0);
        nodeos_store_close(store);
        nodeos_store_close(other);
        CHECK(sparse(path, create, 11 * PAGE, 2 * PAGE) == -EEXIST);
        CHECK(sparse(path, create, 10 * PAGE, PAGE) == -EEXIST);
        CHECK(sparse(path, create, 10 * PAGE, 2 * PAGE) == 0);
        make("sparse/.granule-3-77", 5);
        CHECK(sparse(path, NODEOS_STORE_WRITE, 0, 0) == 0);
        CHECK(access(path_of("sparse/.granule-3-77"), F_OK) < 0);
        CHECK(sparse(make("file", 1), 0, 0, 0) == -ENOTDIR);
        CHECK(open_descriptors() == before);
}

static void broken_metadata(void) {
        static const char *const texts[] = {
                "", "nodeos sparse store 2\nbytes 4096\ngranule 4096\n", "nodeos sparse store 1\nbytes 4096\n",
                "nodeos sparse store 1\nbytes 4096\ngranule 4095\n", "nodeos sparse store 1\nbytes 0\ngranule 4096\n",
                "nodeos sparse store 1\nbytes 4096\ngranule 4096\nmore\n",
        };

        CHECK(mkdir(path_of("sparse"), 0777) == 0);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                write_text("sparse/_metadata", texts[i]);
                CHECK(sparse(path_of("sparse"), 0, 0, 0) == -EUCLEAN, "%zu", i);
                CHECK(sparse(path_of("sparse"), NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, PAGE, PAGE) == -EUCLEAN, "%zu", i);
        }
        write_text("sparse/_metadata", "nodeos sparse store 1\nbytes 5000\ngranule 4096\n");
        CHECK(sparse(path_of("sparse"), 0, 0, 0) == 0);
}

/* Of a tebibyte there is what was written. */
static void huge_sparse(void) {
        struct stat status;

        CHECK(nodeos_store_sparse(path_of("huge"), NODEOS_STORE_WRITE | NODEOS_STORE_CREATE, UINT64_C(1) << 40, 1 << 20, &store) == 0);
        CHECK(store->calls->write(store, memory, PAGE, UINT64_C(0x8123456000)) == 0);
        CHECK(store->calls->read(store, memory, PAGE, (UINT64_C(1) << 40) - PAGE) == 0);
        CHECK(store->calls->sync(store, store->bytes, 0) == 0);
        nodeos_store_close(store);
        CHECK(stat(path_of("huge"), &status) == 0 && stat(path_of("huge/528948"), &status) == 0);
        CHECK(status.st_size == 1 << 20 && status.st_blocks * 512 <= 64 << 10, "%ld", (long) status.st_blocks);
        CHECK(unlink(path_of("huge/528948")) == 0 && unlink(path_of("huge/_metadata")) == 0 && rmdir(path_of("huge")) == 0);
}

static void refuse_fits(void) {
        struct nodeos_store_tile tiles[3] = {
                { .path = make("tile", 8000), .file_offset = 2880, .count = 1280, .bitpix = -32, .scale = 1 },
                { .count = 1024 },
                { .path = make("other", 2048), .count = 1024, .bitpix = 16, .scale = 1 },
        };
        unsigned before = open_descriptors();
        float values[3328];

        CHECK(nodeos_store_fits(tiles, 3, &store) == 0);
        CHECK(store->bytes == sizeof(values) && store->block_bytes == 4 && store->plain_fd == -1);
        CHECK(store->calls->read(store, values, sizeof(values), 0) == 0);
        CHECK(isnan(values[1280]) && values[2304] == 0x7878);
        CHECK(truncate(tiles[0].path, 2880 + 400) == 0);
        CHECK(store->calls->read(store, values, sizeof(values), 0) == -ENODATA);
        CHECK(store->calls->read(store, values, 400, 0) == 0);
        CHECK(store->calls->read(store, values, 2048 * 4, 1280 * 4) == 0 && isnan(values[0]) && values[1024] == 0x7878);
        nodeos_store_close(store);
        CHECK(nodeos_store_fits(tiles, 3, &store) == -ENODATA);
        make("tile", 8000);
        tiles[0].bitpix = 12;
        CHECK(nodeos_store_fits(tiles, 3, &store) == -EINVAL);
        tiles[0].bitpix = -32;
        tiles[2].path = path_of("none");
        CHECK(nodeos_store_fits(tiles, 3, &store) == -ENOENT);
        tiles[2].count = UINT64_C(1) << 62;
        CHECK(nodeos_store_fits(tiles, 3, &store) == -EINVAL);
        CHECK(nodeos_store_fits(tiles, 0, &store) == -EINVAL);
        CHECK(nodeos_store_fits(NULL, 1, &store) == -EINVAL);
        CHECK(nodeos_store_fits(tiles, 3, NULL) == -EINVAL);
        tiles[1].count = 0;
        CHECK(nodeos_store_fits(tiles + 1, 1, &store) == -EINVAL, "nothing at all");
        CHECK(open_descriptors() == before);
}

/* A file of huge pages has no write(2). Where none is free, that is an error and not a signal. */
static int open_huge(uint32_t flags, uint64_t offset, uint64_t bytes, uint64_t *huge) {
        int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
        struct stat status;
        int error;

        CHECK(fd >= 0 && fstat(fd, &status) == 0);
        *huge = (uint64_t) status.st_blksize;
        CHECK(ftruncate(fd, 2 * status.st_blksize) == 0);
        error = nodeos_store_descriptor(fd, flags, offset, bytes ? bytes : 2 * *huge - offset, &store);
        close(fd);
        return error;
}

static void no_huge_pages(void) {
        uint64_t huge;

        CHECK(open_huge(0, 0, 0, &huge) == 0);
        CHECK(store->bytes == 2 * huge && store->plain_fd >= 0 && !store->calls->write);
        CHECK(store->calls->read(store, memory, PAGE + 5, huge - 7) == 0 && memory[PAGE] == 0);
        nodeos_store_close(store);
        CHECK(open_huge(NODEOS_STORE_WRITE, 100, 0, &huge) == 0);
        CHECK(store->plain_fd < 0);
        CHECK(store->calls->write(store, memory, PAGE, huge - 7) == -ENOSPC);
        CHECK(store->calls->sync(store, store->bytes, 0) == 0);
        nodeos_store_close(store);
}

static void huge_pages(void) {
        uint64_t huge;

        CHECK(open_huge(NODEOS_STORE_WRITE, 0, 0, &huge) == 0);
        memset(memory, 'y', sizeof(memory));
        CHECK(store->calls->write(store, memory, PAGE + 1, huge - 7) == 0);
        memset(memory, 0, sizeof(memory));
        CHECK(store->calls->read(store, memory, PAGE + 3, huge - 8) == 0);
        CHECK(memory[0] == 0 && memory[1] == 'y' && memory[PAGE + 1] == 'y' && memory[PAGE + 2] == 0);
        CHECK(ftruncate(store->plain_fd, (off_t) huge) == 0);
        CHECK(store->calls->read(store, memory, PAGE, huge) == -ENODATA);
        CHECK(store->calls->write(store, memory, PAGE, huge) == -ENODATA);
        CHECK(store->calls->write(store, memory, PAGE, huge - PAGE) == 0);
        nodeos_store_close(store);
}

static const struct {
        const char *name;
        void (*run)(void);
} tests[] = {
        { "refuse-files", refuse_files },
        { "truncated", truncated },
        { "full", full },
        { "descriptors", refuse_descriptors },
        { "many-parts", many_parts },
        { "refuse-parts", refuse_parts },
        { "refuse-sparse", refuse_sparse },
        { "broken-metadata", broken_metadata },
        { "huge-sparse", huge_sparse },
        { "refuse-fits", refuse_fits },
        { "no-huge-pages", no_huge_pages },
        { "huge-pages", huge_pages },
};

int main(int argc, char **argv) {
        CHECK(argc == 3, "usage: store_errors EMPTY-DIRECTORY TEST");
        directory = argv[1];
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                if (strcmp(tests[i].name, argv[2]) == 0) {
                        tests[i].run();
                        return 0;
                }
        CHECK(false, "no such test");
}
