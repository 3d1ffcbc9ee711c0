/* Threads that make, open, cut off, rename and remove files, and compare each answer with a model of what should be there:
 * DIRECTORY THREADS [apart]. They go on until a line of standard input; then they say what they saw as JSON, close what they
 * have open, and wait for the end of standard input. With "apart" every second thread has a descriptor table of its own.
 *
 * A call that could not be repeated when its forwarder died answers EIO, and may have been executed: the model looks. Calls
 * that can be must never answer so. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 16, KEPT = 8, DIRECTORY = 0, FILE_ONE, FILE_TWO, NAMES };

struct walker {
        pthread_t thread;
        int number;
        int there[NAMES];
        off_t sizes[NAMES];
        int fds[KEPT];
        int apart;
        char names[NAMES][32];
        unsigned int seed;
};

static atomic_ulong calls, io_errors, wrong;
static atomic_int stop, first_wrong, first_error;
static int has_nameless;

static void is_wrong(int which, int error) {
        int none = 0;

        atomic_fetch_add(&wrong, 1);
        if (atomic_compare_exchange_strong(&first_wrong, &none, which))
                atomic_store(&first_error, error);
}

/* The model learns by calls that can be repeated. */
static void look(struct walker *walker, int name) {
        struct stat file;
        int result = lstat(walker->names[name], &file);

        atomic_fetch_add(&calls, 1);
        if (result < 0 && errno != ENOENT)
                is_wrong(1, errno);
        walker->there[name] = result == 0;
        walker->sizes[name] = result == 0 && name != DIRECTORY ? file.st_size : 0;
}

/* Compares an answer with what it should be: 0, or an errno. Returns whether the model is right still. */
static int fits(int which, int result, int expected) {
        int error = result < 0 ? errno : 0;

        atomic_fetch_add(&calls, 1);
        if (error == EIO) {
                atomic_fetch_add(&io_errors, 1);
                return 0;
        }
        if (error == expected)
                return 1;
        is_wrong(which, error ? error : -expected);
        return 0;
}

static void change(struct walker *walker, int name) {
        int is_there = walker->there[name], made = !is_there, right;

        if (name == DIRECTORY && is_there)
                right = fits(2, rmdir(walker->names[name]), 0);
        else if (name == DIRECTORY)
                right = fits(3, mkdir(walker->names[name], 0755), 0);
        else
                right = fits(4, unlink(walker->names[name]), is_there ? 0 : ENOENT), made = 0;
        if (right)
                walker->there[name] = made;
        else
                look(walker, name);
}

static void move(struct walker *walker) {
        int right = fits(5, rename(walker->names[FILE_ONE], walker->names[FILE_TWO]), walker->there[FILE_ONE] ? 0 : ENOENT);

        if (right && walker->there[FILE_ONE]) {
                walker->there[FILE_ONE] = 0;
                walker->there[FILE_TWO] = 1;
                walker->sizes[FILE_TWO] = walker->sizes[FILE_ONE];
                walker->sizes[FILE_ONE] = 0;
        } else if (!right) {
                look(walker, FILE_ONE);
                look(walker, FILE_TWO);
        }
}

static void check_descriptor(int fd, const char *path, off_t size) {
        struct stat file, named;

        atomic_fetch_add(&calls, 2);
        if (fstat(fd, &file) < 0 || lstat(path, &named) < 0)
                is_wrong(6, errno);
        else if (file.st_ino != named.st_ino || file.st_dev != named.st_dev)
                is_wrong(7, 0);
        else if (file.st_size != size)
                is_wrong(14, (int) file.st_size);
}

static int repeats(int flags) {
        return !(flags & O_TRUNC) && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

static int expected(const struct walker *walker, int name, int flags) {
        if (flags & O_EXCL && walker->there[name])
                return EEXIST;
        return flags & O_CREAT || walker->there[name] ? 0 : ENOENT;
}

/* A place for one more descriptor: what was there is closed. */
static int *room(struct walker *walker) {
        int *place = &walker->fds[rand_r(&walker->seed) % KEPT];

        if (*place >= 0 && close(*place) < 0)
                is_wrong(8, errno);
        *place = -1;
        return place;
}

static void take(struct walker *walker, int name, int flags) {
        int *place = room(walker), fd = open(walker->names[name], flags | O_RDWR | O_CLOEXEC, 0644);

        if (fd < 0 && errno == EIO && repeats(flags))
                is_wrong(10, EIO);
        if (!fits(9, fd, expected(walker, name, flags))) {
                look(walker, name);
                return;
        }
        if (fd < 0)
                return;
        *place = fd;
        if (!walker->there[name] || flags & O_TRUNC)
                walker->sizes[name] = 0;
        walker->there[name] = 1;
        check_descriptor(fd, walker->names[name], walker->sizes[name]);
        if (pwrite(fd, "text", 4, walker->sizes[name]) == 4)
                walker->sizes[name] += 4;
        else
                is_wrong(15, errno);
}

static void take_nameless(struct walker *walker) {
        int *place = room(walker), fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        struct stat file;

        atomic_fetch_add(&calls, 2);
        *place = fd;
        if (fd < 0 || fstat(fd, &file) < 0 || file.st_nlink || file.st_size)
                is_wrong(16, errno);
}

static void see(struct walker *walker, int name) {
        int before = walker->there[name];

        look(walker, name);
        if (walker->there[name] != before)
                is_wrong(11, 0);
        atomic_fetch_add(&calls, 1);
        if ((access(walker->names[name], F_OK) < 0 ? errno : 0) != (before ? 0 : ENOENT))
                is_wrong(12, errno);
}

static void act(struct walker *walker) {
        int name = FILE_ONE + rand_r(&walker->seed) % 2;

        switch (rand_r(&walker->seed) % 9) {
        case 0:
                change(walker, DIRECTORY);
                break;
        case 1:
                change(walker, name);
                break;
        case 2:
                move(walker);
                break;
        case 3:
                take(walker, name, O_CREAT);
                break;
        case 4:
                take(walker, name, O_CREAT | O_TRUNC);
                break;
        case 5:
                take(walker, name, O_CREAT | O_EXCL);
                break;
        case 6:
                if (has_nameless)
                        take_nameless(walker);
                break;
        case 7:
                take(walker, name, 0);
                break;
        default:
                see(walker, name);
        }
}

static int open_descriptors(void) {
        int found = 0;

        for (int fd = 0; fd < 1024; fd++)
                found += fcntl(fd, F_GETFD) >= 0;
        return found;
}

static void *walk(void *argument) {
        struct walker *walker = argument;
        int before = 0;

        if (walker->apart && unshare(CLONE_FILES) < 0)
                is_wrong(17, errno);
        if (walker->apart)
                before = open_descriptors();
        for (int name = 0; name < NAMES; name++)
                look(walker, name);
        while (!atomic_load(&stop))
                act(walker);
        /* Whatever happened before it was told to stop, it has noticed. */
        see(walker, FILE_ONE);
        for (int i = 0; i < KEPT; i++)
                if (walker->fds[i] >= 0 && close(walker->fds[i]) < 0)
                        is_wrong(13, errno);
        if (walker->apart && open_descriptors() != before)
                is_wrong(18, open_descriptors() - before);
        return NULL;
}

/* Resolves at the end of standard input, or of a line of it. */
static void wait_for_line(void) {
        char byte;

        while (read(0, &byte, 1) == 1 && byte != '\n')
                ;
}

int main(int argc, char **argv) {
        static struct walker walkers[THREADS];
        int count = argc >= 3 ? atoi(argv[2]) : 0, nameless;

        if (count < 1 || count > THREADS || chdir(argv[1]) < 0)
                return 100;
        setvbuf(stdout, NULL, _IONBF, 0);
        /* Not every file system has files without a name. */
        nameless = open(".", O_TMPFILE | O_RDWR, 0600);
        has_nameless = nameless >= 0;
        if (has_nameless)
                close(nameless);
        printf("%d\n", getpid());
        wait_for_line();
        for (int i = 0; i < count; i++) {
                struct walker *walker = &walkers[i];

                walker->seed = (unsigned int) i + 1;
                walker->apart = argc > 3 && i % 2;
                for (int name = 0; name < NAMES; name++)
                        snprintf(walker->names[name], sizeof(walker->names[name]), "%c%d", "dfg"[name], i);
                for (int k = 0; k < KEPT; k++)
                        walker->fds[k] = -1;
                if (pthread_create(&walker->thread, NULL, walk, walker))
                        return 101;
        }
        wait_for_line();
        atomic_store(&stop, 1);
        for (int i = 0; i < count; i++)
                pthread_join(walkers[i].thread, NULL);
        printf("{ \"calls\": %lu, \"ioErrors\": %lu, \"wrong\": %lu, \"which\": %d, \"error\": %d }\n", atomic_load(&calls),
               atomic_load(&io_errors), atomic_load(&wrong), atomic_load(&first_wrong), atomic_load(&first_error));
        wait_for_line();
        return 0;
}
