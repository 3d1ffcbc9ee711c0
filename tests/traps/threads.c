/* Threads, which may each have their own working directory, umask, descriptors and identity. */
#define _GNU_SOURCE
#include "trap.h"

#include <pthread.h>
#include <sched.h>

enum { SOMEBODY = 1234 };

static pthread_barrier_t barrier;

static void *run_function(void *argument) {
        void (*run)(void);

        memcpy(&run, argument, sizeof(run));
        run();
        return NULL;
}

/* Runs a function in a thread of its own, to its end. */
static void in_thread(void (*run)(void)) {
        pthread_t thread;

        EXPECT(pthread_create(&thread, NULL, run_function, &run), 0);
        EXPECT(pthread_join(thread, NULL), 0);
}

static void make_in_thread(void) {
        MUST(mkdir("d", 0755));
        make_file("d/f", 0644, "from a thread");
}

static void other_thread(void) {
        in_thread(make_in_thread);
        HOLDS(has_text("d/f", "from a thread"));
}

static void move_with_own_directory(void) {
        or_refused(unshare(CLONE_FS), "unshare");
        MUST(mkdir("inner", 0755));
        MUST(chdir("inner"));
        umask(077);
        MUST(mkdir("d", 0777));
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        make_file("f", 0644, "inner");
}

static void own_directory(void) {
        void (*run)(void) = move_with_own_directory;
        pthread_t thread;
        struct stat status;

        pthread_barrier_init(&barrier, NULL, 2);
        EXPECT(pthread_create(&thread, NULL, run_function, &run), 0);
        pthread_barrier_wait(&barrier);
        MUST(mkdir("outer", 0777));
        MUST(stat("outer", &status));
        HOLDS((status.st_mode & 07777) == 0755);
        MUST(stat("inner/d", &status));
        HOLDS((status.st_mode & 07777) == 0700);
        pthread_barrier_wait(&barrier);
        EXPECT(pthread_join(thread, NULL), 0);
        HOLDS(has_text("inner/f", "inner"));
        FAILS(access("f", F_OK), ENOENT);
}

static void umask_for_all(void) {
        umask(077);
        MUST(mkdir("a", 0777));
        MUST(chdir("a"));
}

static void shared_directory(void) {
        struct stat status;

        in_thread(umask_for_all);
        MUST(mkdir("b", 0777));
        HOLDS(access("../a/b", F_OK) == 0);
        MUST(stat("b", &status));
        HOLDS((status.st_mode & 07777) == 0700);
}

static int shared_fd;

/* The same number is one file here and another one there. */
static void reopen_elsewhere(void) {
        int directory, opened;

        or_refused(unshare(CLONE_FILES), "unshare");
        directory = (int) MUST(open("two", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        MUST(dup3(directory, shared_fd, O_CLOEXEC));
        MUST(mkdirat(shared_fd, "here", 0755));
        opened = (int) MUST(openat(shared_fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        EXPECT(write(opened, "x", 1), 1);
        MUST(close(shared_fd));
        FAILS(mkdirat(shared_fd, "gone", 0755), EBADF);
}

static void own_descriptors(void) {
        MUST(mkdir("one", 0755));
        MUST(mkdir("two", 0755));
        shared_fd = (int) MUST(open("one", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        in_thread(reopen_elsewhere);
        MUST(mkdirat(shared_fd, "there", 0755));
        HOLDS(access("two/here", F_OK) == 0 && access("one/there", F_OK) == 0);
        // What the thread opened is not among our descriptors.
        EXPECT(open("one", O_RDONLY | O_DIRECTORY | O_CLOEXEC), shared_fd + 1);
}

static void be_somebody_alone(void) {
        // The calls themselves, as the library's functions change all threads.
        or_refused(syscall(SYS_setresuid, SOMEBODY, SOMEBODY, SOMEBODY), "setresuid");
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(mkdir("mine", 0755));
}

static void own_identity(void) {
        struct stat status;

        needs_root();
        MUST(chmod(".", 0777));
        make_file("secret", 0600, "root's");
        in_thread(be_somebody_alone);
        HOLDS(has_text("secret", "root's"));
        MUST(stat("mine", &status));
        EXPECT(status.st_uid, SOMEBODY);
}

static _Noreturn void *outlive(void *main_thread) {
        pthread_join(*(pthread_t *) main_thread, NULL);
        pause_ms(20);
        MUST(mkdir("after", 0755));
        make_file("after/f", 0644, "late");
        HOLDS(has_text("after/f", "late"));
        FAILS(mkdir("after", 0755), EEXIST);
        _exit(0);
}

/* The first thread ends, and the others go on. */
static void leader_ends(void) {
        static pthread_t self;
        pthread_t thread;

        self = pthread_self();
        EXPECT(pthread_create(&thread, NULL, outlive, &self), 0);
        pthread_exit(NULL);
}

enum { MANY = 24, ROUNDS = 40 };

static void *make_many(void *number) {
        char name[32];
        struct stat status;

        for (int i = 0; i < ROUNDS; i++) {
                snprintf(name, sizeof(name), "%d-%d", (int) (intptr_t) number, i);
                MUST(mkdir(name, 0755));
                MUST(stat(name, &status));
                HOLDS(S_ISDIR(status.st_mode));
                if (i % 2)
                        MUST(rmdir(name));
        }
        return NULL;
}

static void many(void) {
        pthread_t threads[MANY];
        struct stat status;

        for (intptr_t i = 0; i < MANY; i++)
                EXPECT(pthread_create(&threads[i], NULL, make_many, (void *) i), 0);
        for (int i = 0; i < MANY; i++)
                EXPECT(pthread_join(threads[i], NULL), 0);
        MUST(stat(".", &status));
        EXPECT(status.st_nlink, 2 + MANY * ROUNDS / 2);
}

/* Threads that open and close at once: each has a descriptor of its own, and nobody's is closed by another one. */
static void *open_many(void *path) {
        struct stat status, first;

        MUST(stat(path, &first));
        for (int i = 0; i < ROUNDS; i++) {
                int fd = (int) MUST(open(path, O_RDONLY | O_CLOEXEC));
                MUST(fstat(fd, &status));
                HOLDS(status.st_ino == first.st_ino);
                MUST(close(fd));
        }
        return NULL;
}

static void descriptors_at_once(void) {
        static char names[8][8];
        pthread_t threads[8];

        for (int i = 0; i < 8; i++) {
                snprintf(names[i], sizeof(names[i]), "f%d", i);
                make_file(names[i], 0644, "");
                EXPECT(pthread_create(&threads[i], NULL, open_many, names[i]), 0);
        }
        for (int i = 0; i < 8; i++)
                EXPECT(pthread_join(threads[i], NULL), 0);
}

static void *blocking_open(void *path) {
        return (void *) (intptr_t) open(path, O_RDONLY | O_CLOEXEC);
}

/* A thread that waits keeps nobody else from anything. */
static void others_wait(void) {
        pthread_t threads[MANY];
        char name[16];
        void *fd;
        int writer;

        MUST(mkfifo("fifo", 0600));
        for (int i = 0; i < MANY; i++)
                EXPECT(pthread_create(&threads[i], NULL, blocking_open, "fifo"), 0);
        for (int i = 0; i < 50; i++) {
                snprintf(name, sizeof(name), "d%d", i);
                MUST(mkdir(name, 0755));
        }
        writer = (int) MUST(open("fifo", O_WRONLY | O_CLOEXEC));
        for (int i = 0; i < MANY; i++) {
                EXPECT(pthread_join(threads[i], &fd), 0);
                HOLDS((intptr_t) fd >= 0);
        }
        MUST(close(writer));
}

static void execute_helper(void) {
        execl(beside("helper"), "helper", "open", "f", (char *) NULL);
        FAIL("cannot execute the helper");
}

/* Execution by another thread than the first one leaves one thread, with the first one's number. */
static void thread_executes(void) {
        pid_t pid;

        make_file("f", 0644, "");
        pid = (pid_t) MUST(fork());
        if (pid == 0)
                in_thread(execute_helper);
        EXPECT(ended(pid), 0);
        MUST(unlink("f"));
        pid = (pid_t) MUST(fork());
        if (pid == 0)
                in_thread(execute_helper);
        EXPECT(ended(pid), ENOENT);
}

TRAPS({"a thread that is not the first makes calls like the first", other_thread},
      {"a thread may have its own working directory and umask", own_directory},
      {"threads share working directory and umask", shared_directory},
      {"a thread may have its own descriptors", own_descriptors},
      {"a thread may have its own identity", own_identity},
      {"a thread may outlive the first one", leader_ends},
      {"many threads make calls at once", many},
      {"threads open and close at once", descriptors_at_once},
      {"a thread that waits stops no other", others_wait},
      {"a thread that is not the first executes a program", thread_executes})
