/* Processes: fork, vfork, programs, and what they hand down. */
#define _GNU_SOURCE
#include "trap.h"

#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

extern char **environ;

static void make_as_child(void) {
        MUST(mkdir("child", 0755));
        MUST(chdir("child"));
}

static void forked(void) {
        EXPECT(in_child(make_as_child), 0);
        HOLDS(access("child", F_OK) == 0);
        MUST(mkdir("parent", 0755));
        FAILS(access("child/parent", F_OK), ENOENT);
}

/* The child of vfork shares its parent's memory, and makes calls while the parent waits. */
static void vforked(void) {
        const char *program = beside("helper");
        pid_t pid;

        make_file("f", 0644, "");
        pid = vfork();
        if (pid == 0) {
                if (mkdir("by-child", 0755) < 0)
                        _exit(99);
                execl(program, "helper", "open", "f", (char *) NULL);
                _exit(98);
        }
        EXPECT(ended((pid_t) MUST(pid)), 0);
        HOLDS(access("by-child", F_OK) == 0);
}

static void spawned(void) {
        char *argv[] = {"helper", "fd", "1", NULL};
        posix_spawn_file_actions_t actions;
        pid_t pid;

        make_file("in", 0644, "");
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT, 0644);
        EXPECT(posix_spawn(&pid, beside("helper"), &actions, NULL, argv, environ), 0);
        EXPECT(ended(pid), 0);
        HOLDS(access("out", F_OK) == 0);
        posix_spawn_file_actions_destroy(&actions);
}

static void programs(void) {
        make_file("f", 0644, "text");
        EXPECT(helper("helper", "text", "f", "text"), 0);
        EXPECT(helper("helper-static", "text", "f", "text"), 0);
        EXPECT(helper("helper", "open", "none", NULL), ENOENT);
        EXPECT(helper("helper-static", "mkdir", "f", NULL), EEXIST);
}

/* A script is executed by its interpreter, which opens it by name. */
static void script(void) {
        char here[4096], path[4200];
        pid_t pid;

        make_file("script", 0755, "#!/bin/sh\nmkdir made && exit 3\n");
        HOLDS(getcwd(here, sizeof(here)));
        snprintf(path, sizeof(path), "%s/script", here);
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                execl(path, path, (char *) NULL);
                _exit(98);
        }
        EXPECT(ended(pid), 3);
        HOLDS(access("made", F_OK) == 0);
}

static void storm(void) {
        enum { CHILDREN = 40 };
        pid_t pids[CHILDREN];
        struct stat status;
        char name[32];

        for (int i = 0; i < CHILDREN; i++) {
                pids[i] = (pid_t) MUST(fork());
                if (pids[i] > 0)
                        continue;
                for (int j = 0; j < 10; j++) {
                        snprintf(name, sizeof(name), "%d-%d", i, j);
                        MUST(mkdir(name, 0755));
                }
                // A grandchild that nobody waits for goes on while its parent is gone.
                if (fork() == 0) {
                        snprintf(name, sizeof(name), "%d-0", i);
                        _exit(rmdir(name) < 0);
                }
                _exit(0);
        }
        for (int i = 0; i < CHILDREN; i++)
                EXPECT(ended(pids[i]), 0);
        for (int i = 0; i < 500; i++) {
                MUST(stat(".", &status));
                if (status.st_nlink == 2 + CHILDREN * 9)
                        return;
                pause_ms(10);
        }
        FAIL("there are %ld directories", (long) status.st_nlink - 2);
}

static void close_on_exec(void) {
        char number[16];
        int kept, closed;

        make_file("f", 0644, "");
        closed = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        kept = (int) MUST(open("f", O_RDONLY));
        EXPECT(fcntl(closed, F_GETFD), FD_CLOEXEC);
        EXPECT(fcntl(kept, F_GETFD), 0);
        snprintf(number, sizeof(number), "%d", closed);
        EXPECT(helper("helper", "fd", number, NULL), EBADF);
        snprintf(number, sizeof(number), "%d", kept);
        EXPECT(helper("helper", "fd", number, NULL), 0);
        EXPECT(helper("helper-static", "fd", number, NULL), 0);
}

/* A process that shares its parent's descriptors and directory, but not its memory. */
static int open_for_parent(void *fd) {
        *(int *) fd = open("f", O_RDONLY | O_CLOEXEC);
        return mkdir("d", 0755) < 0 || chdir("d") < 0;
}

static void shared_with_clone(void) {
        size_t size = 65536;
        char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        int *fd = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t pid;

        HOLDS(stack != MAP_FAILED && fd != MAP_FAILED);
        make_file("f", 0644, "text");
        pid = (pid_t) MUST(clone(open_for_parent, stack + size, CLONE_FILES | CLONE_FS | SIGCHLD, fd));
        EXPECT(ended(pid), 0);
        HOLDS(*fd >= 0 && fcntl(*fd, F_GETFD) == FD_CLOEXEC);
        HOLDS(access("../d", F_OK) == 0);
}

/* Programs that nobody may look into make calls like others. */
static void not_dumpable(void) {
        MUST(prctl(PR_SET_DUMPABLE, 0));
        MUST(mkdir("d", 0755));
        make_file("d/f", 0644, "text");
        HOLDS(has_text("d/f", "text"));
        MUST(prctl(PR_SET_DUMPABLE, 1));
}

static void killed_in_flight(void) {
        char name[32];
        pid_t pid;

        for (int i = 0; i < 20; i++) {
                pid = (pid_t) MUST(fork());
                if (pid == 0)
                        for (int j = 0;; j++) {
                                snprintf(name, sizeof(name), "%d-%d", i, j % 50);
                                if (mkdir(name, 0755) < 0 && rmdir(name) < 0)
                                        _exit(1);
                        }
                pause_ms(5 + i);
                MUST(kill(pid, SIGKILL));
                EXPECT(ended(pid), 128 + SIGKILL);
        }
        MUST(mkdir("after", 0755));
}

TRAPS({"a child has a working directory of its own", forked},
      {"a child of vfork makes calls and executes", vforked},
      {"a spawned program has the files that it was given", spawned},
      {"dynamic and static programs make the same calls", programs},
      {"a script finds its interpreter and itself", script},
      {"a storm of forks loses nothing", storm},
      {"close-on-exec closes, and nothing else does", close_on_exec},
      {"processes may share descriptors and directory", shared_with_clone},
      {"a process that cannot be dumped makes calls", not_dumpable},
      {"a process can be killed within a call", killed_in_flight})
