/* Runs attempts, one after the other: attack DIRECTORY [--bare-root | --user-namespace] [FAMILY...] */
#define _GNU_SOURCE
#include "attack.h"

#include <ftw.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <time.h>

enum { PATIENCE_SECONDS = 20, STATUS_REFUSED = 0, STATUS_GAINED = 3, STATUS_SKIPPED = 4 };

/* What is not ours, and where an attempt works. */
static const char *arena_path, *work_path;
/* What an attempt says, in memory that its processes share with us. */
static int words_fd = -1;
static pid_t attempt;
static struct timespec begun;

static const struct family *const families[] = {
        &controls_family, &http_controls_family, &files_family, &descriptors_family, &links_family, &identity_family, &races_family, &processes_family,
        &entries_family, &sockets_family, &http_family, &forged_family, &stalls_family,
};

_Noreturn static void end(int status) {
        /* A child of the attempt has gained for all of it. */
        if (status == STATUS_GAINED && getpid() != attempt)
                kill(attempt, SIGUSR1);
        _exit(status);
}

static void say(const char *format, va_list arguments) {
        char text[512];
        int n = vsnprintf(text, sizeof(text), format, arguments);

        for (char *at = text; *at; at++)
                if (*at == '\n')
                        *at = ' ';
        if (n > 0)
                (void) !write(words_fd, text, strlen(text));
}

_Noreturn void gained(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
        end(STATUS_GAINED);
}

_Noreturn void gained_silently(void) {
        end(STATUS_GAINED);
}

_Noreturn void refused(void) {
        end(STATUS_REFUSED);
}

_Noreturn void skip(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        say(format, arguments);
        va_end(arguments);
        end(STATUS_SKIPPED);
}

long attack_must(long value, const char *what, const char *file, int line) {
        if (value < 0)
                skip("%s:%d: %s: %s", file, line, what, strerror(errno));
        return value;
}

void attack_refused(long value, const char *what) {
        if (value >= 0)
                gained("%s is %ld", what, value);
}

const char *arena(const char *name) {
        static _Thread_local char paths[8][512];
        static _Thread_local unsigned int next;
        char *path = paths[next++ % 8];

        snprintf(path, sizeof(paths[0]), "%s/%s", arena_path, name);
        return path;
}

pid_t somebody(const char *name) {
        char variable[64];
        const char *value;

        snprintf(variable, sizeof(variable), "ATTACK_PID_%s", name);
        value = getenv(variable);
        return value ? atoi(value) : 0;
}

bool is_forwarded(void) {
        return getenv("ATTACK_FORWARDED") != NULL;
}

void make_file(const char *path, mode_t mode, const char *text) {
        int fd = (int) MUST(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

        MUST(write(fd, text, strlen(text)));
        MUST(fchmod(fd, mode));
        MUST(close(fd));
}

ssize_t read_file(const char *path, char *ret_text, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        ssize_t n = fd < 0 ? -1 : read(fd, ret_text, size - 1);

        if (n >= 0)
                ret_text[n] = 0;
        if (fd >= 0)
                close(fd);
        return n;
}

void pause_ms(int ms) {
        nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

bool has_time(int ms) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < ms;
}

void start_thread(void *(*run)(void *), void *argument) {
        pthread_t thread;

        errno = pthread_create(&thread, NULL, run, argument);
        MUST(-errno);
        pthread_detach(thread);
}

int in_child(void (*run)(void)) {
        int status = 0;
        pid_t pid = (pid_t) MUST(fork());

        if (pid == 0) {
                run();
                _exit(0);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (WIFEXITED(status) && (WEXITSTATUS(status) == STATUS_GAINED || WEXITSTATUS(status) == STATUS_SKIPPED))
                end(WEXITSTATUS(status));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
        (void) status;
        (void) place;
        return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static void on_gain(int signal) {
        (void) signal;
        _exit(STATUS_GAINED);
}

_Noreturn static void run_attempt(const struct attack *attack, const char *directory) {
        attempt = getpid();
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGUSR1, on_gain);
        clock_gettime(CLOCK_MONOTONIC, &begun);
        umask(022);
        if (chdir(directory) < 0)
                skip("chdir: %s", strerror(errno));
        attack->run(attack);
        refused();
}

/* Ends what an attempt left, and takes its status. */
static int collect(pid_t pid) {
        struct pollfd ended = { .fd = (int) syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
        bool hangs = poll(&ended, 1, PATIENCE_SECONDS * 1000) == 0;
        int status = 0;

        close(ended.fd);
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        /* Children of the attempt become ours. */
        while (waitpid(-pid, NULL, 0) > 0)
                ;
        return hangs ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void report(const struct family *family, const struct attack *attack, int status) {
        char words[513] = "";
        ssize_t n = pread(words_fd, words, sizeof(words) - 1, 0);
        const char *verdict = status == STATUS_REFUSED  ? "refused"
                              : status == STATUS_GAINED ? "gained"
                              : status == STATUS_SKIPPED ? "skip"
                                                         : "broken";

        words[n > 0 ? n : 0] = 0;
        if (status == -1)
                snprintf(words, sizeof(words), "it hung");
        else if (*verdict == 'b')
                snprintf(words, sizeof(words), "it ended with %d", status);
        printf("%s %s: %s%s%s\n", verdict, family->name, attack->name, *words ? ": " : "", words);
        fflush(stdout);
}

static void try(const struct family *family, const struct attack *attack) {
        char directory[512];
        pid_t pid;

        (void) !ftruncate(words_fd, 0);
        lseek(words_fd, 0, SEEK_SET);
        snprintf(directory, sizeof(directory), "%s/attempt-XXXXXX", work_path);
        if (!mkdtemp(directory)) {
                fprintf(stderr, "Cannot make %s: %s\n", directory, strerror(errno));
                exit(1);
        }
        pid = fork();
        if (pid == 0)
                run_attempt(attack, directory);
        report(family, attack, pid < 0 ? -2 : collect(pid));
        nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_wanted(const char *name, char **wanted) {
        for (char **one = wanted; *one; one++)
                if (!strncmp(*one, name, strlen(*one)))
                        return true;
        return !*wanted;
}

/* Root that is nothing but the owner of its files. */
static void become_bare(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct none[2] = { 0 };

        prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED);
        for (int capability = 0; capability < 64; capability++)
                prctl(PR_CAPBSET_DROP, capability);
        if (syscall(SYS_capset, &header, none) < 0) {
                perror("capset");
                exit(1);
        }
}

static void write_text(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0) {
                perror(path);
                exit(1);
        }
        close(fd);
}

/* Root in a name space of its own: it has every capability there, and none here. */
static void become_root_elsewhere(void) {
        char map[64];
        unsigned int uid = getuid(), gid = getgid();

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
                perror("unshare");
                exit(1);
        }
        write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", uid);
        write_text("/proc/self/uid_map", map);
        snprintf(map, sizeof(map), "0 %u 1", gid);
        write_text("/proc/self/gid_map", map);
}

/* For the arena: gives files an extended attribute. */
static int mark(char **files) {
        for (; *files; files++)
                if (setxattr(*files, "user.mark", "x", 1, 0) < 0) {
                        perror(*files);
                        return 1;
                }
        return 0;
}

int main(int argc, char **argv) {
        char **wanted;
        int next = 3;

        if (argc > 2 && !strcmp(argv[1], "--mark"))
                return mark(argv + 2);
        /* What an attempt executes: it opens a file that it must not have. */
        if (argc == 3 && !strcmp(argv[1], "--try"))
                return open(argv[2], O_RDONLY) < 0 ? STATUS_REFUSED : STATUS_GAINED;
        if (argc < 3) {
                fprintf(stderr, "usage: attack ARENA DIRECTORY [--bare-root | --user-namespace] [WORDS THAT BEGIN \"FAMILY: NAME\"...]\n");
                return 2;
        }
        arena_path = argv[1];
        work_path = argv[2];
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (next < argc && !strcmp(argv[next], "--bare-root"))
                become_bare(), next++;
        else if (next < argc && !strcmp(argv[next], "--user-namespace"))
                become_root_elsewhere(), next++;
        wanted = argv + next;
        words_fd = (int) syscall(SYS_memfd_create, "words", 1u);
        if (words_fd < 0) {
                perror("memfd_create");
                return 1;
        }
        for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++)
                for (size_t i = 0; i < families[f]->count; i++) {
                        char name[256];

                        snprintf(name, sizeof(name), "%s: %s", families[f]->name, families[f]->attacks[i].name);
                        if (is_wanted(name, wanted))
                                try(families[f], &families[f]->attacks[i]);
                }
        return 0;
}
