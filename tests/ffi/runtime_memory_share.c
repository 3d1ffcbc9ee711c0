/* What a preloaded program gets within shares of NUMA nodes; the machine has node 0 only, and what the kernel counts is a file
 * that this program writes. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#define MIB ((size_t) 1 << 20)

static const char *shares, *counts;

static void write_file(const char *path, const char *text) {
        char beside[300];
        FILE *file;

        snprintf(beside, sizeof(beside), "%s.new", path);
        file = fopen(beside, "we");
        assert(file && fputs(text, file) >= 0 && fclose(file) == 0 && rename(beside, path) == 0);
}

/* The container may have so much of node 0, and something of a node that is not there. */
static void share(size_t mib) {
        char text[600];

        snprintf(text, sizeof(text), "policy bind\nnear 0 1 0\npages 1073741824 /none 0 1073741824\npages 2097152 %s 0 %zu 1 %zu\n", counts,
                 mib * MIB, 64 * MIB);
        write_file(shares, text);
}

static void count(size_t mib) {
        char text[100];

        snprintf(text, sizeof(text), "total=%zu N0=%zu N1=0\n", mib * MIB, mib * MIB);
        write_file(counts, text);
}

static void *map(size_t mib) {
        void *memory = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return memory == MAP_FAILED ? NULL : memset(memory, 1, mib * MIB);
}

static int fits(size_t mib) {
        void *memory = map(mib);

        assert(memory || errno == ENOMEM);
        return memory && munmap(memory, mib * MIB) == 0;
}

/* The policy of this thread is what it was. */
static void assert_default_policy(void) {
        int mode = -1;

        assert(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) == 0 && mode == 0);
}

/* A process that has the lock for a while, and says when. */
static pid_t hold(int how, unsigned ms) {
        int fd = open(shares, O_RDONLY | O_CLOEXEC), said[2];
        pid_t child;
        char byte = 0;

        assert(pipe(said) == 0);
        child = fork();
        if (child == 0) {
                assert(flock(fd, how) == 0 && write(said[1], &byte, 1) == 1);
                usleep(ms * 1000);
                _exit(0);
        }
        close(fd);
        assert(read(said[0], &byte, 1) == 1);
        close(said[0]);
        close(said[1]);
        return child;
}

static volatile int stop;

static void *take_and_give(void *unused) {
        (void) unused;
        while (!stop)
                free(memset(malloc(20 * MIB), 1, MIB));
        return NULL;
}

/* A child finds nothing locked, whatever its parent's other threads were at. */
static void assert_forks(void) {
        pthread_t threads[2];
        int status;

        for (int i = 0; i < 2; i++)
                assert(pthread_create(&threads[i], NULL, take_and_give, NULL) == 0);
        for (int i = 0; i < 20; i++) {
                pid_t child = fork();

                if (child == 0) {
                        alarm(20);
                        free(memset(malloc(70 * MIB), 1, MIB));
                        _exit(0);
                }
                assert(waitpid(child, &status, 0) == child && status == 0);
        }
        stop = 1;
        for (int i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
}

int main(int argc, char **argv) {
        pid_t child;

        if (argc != 3)
                return 2;
        shares = argv[1];
        counts = argv[2];
        /* All of one node: the kernel's own limit is what counts. */
        write_file(shares, "policy bind\n");
        assert(fits(16));
        count(12);
        share(16);
        assert(fits(4) && fits(3) && fits(2));
        count(15);
        assert(!fits(2) && !fits(20));
        share(17);
        assert(fits(2));
        /* Larger than what is taken at once. */
        count(0);
        share(100);
        assert(fits(100));
        share(1);
        assert(!fits(100));
        assert_default_policy();
        /* What cannot be counted is not taken; a container that is gone has nobody beside it. */
        assert(unlink(counts) == 0 && !fits(2));
        count(0);
        write_file(shares, "policy bind\npages 2097152 /none");
        assert(fits(2));
        share(16);
        assert(fits(2));
        /* Another file in the place of the one whose lock is waited for. */
        child = hold(LOCK_SH, 300);
        share(0);
        assert(!fits(2));
        kill(child, SIGKILL);
        assert(waitpid(child, NULL, 0) == child);
        share(16);
        child = hold(LOCK_EX, 200);
        assert(fits(2) && waitpid(child, NULL, WNOHANG) == child);
        share(400);
        assert_forks();
        assert(unlink(shares) == 0 && fits(64));
        puts("fine");
        return 0;
}
