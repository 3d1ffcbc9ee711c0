/* What the programs of this folder share: a trap is a function that runs in a process and a directory of its own, and finds
 * out from inside whether calls do what they should. The programs print one line for each:
 *
 *         ok NAME
 *         not ok NAME: why
 *         skip NAME: why
 *
 * Names that begin with "lean: " are about calls that a filter refuses and a bare kernel may not. */
#ifndef NODEOS_TRAP_H
#define NODEOS_TRAP_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct trap {
        const char *name;
        void (*run)(void);
};

/* Runs all traps, one after the other, below the working directory. Returns 0 when no trap failed, 1 otherwise. */
int trap_main(const struct trap *traps, size_t count);
#define TRAPS(...)                                                          \
        int main(void) {                                                    \
                const struct trap traps[] = {__VA_ARGS__};                  \
                return trap_main(traps, sizeof(traps) / sizeof(traps[0]));  \
        }

/* End the trap, from any of its processes and threads. */
_Noreturn void trap_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void trap_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define FAIL(...) trap_fail(__FILE__, __LINE__, __VA_ARGS__)
#define HOLDS(condition)                                   \
        do {                                               \
                if (!(condition))                          \
                        FAIL("%s is not so", #condition);  \
        } while (0)
/* The value of an expression that must not be negative. */
#define MUST(expression) trap_must((long) (expression), #expression, __FILE__, __LINE__)
#define EXPECT(expression, value) trap_expect((long) (expression), (long) (value), #expression, __FILE__, __LINE__)
/* A call that returns -1, with an errno. */
#define FAILS(expression, error) trap_fails((long) (expression), error, #expression, __FILE__, __LINE__)

long trap_must(long value, const char *what, const char *file, int line);
void trap_expect(long value, long expected, const char *what, const char *file, int line);
void trap_fails(long value, int error, const char *what, const char *file, int line);

/* Skips a trap that nobody but root can set. */
void needs_root(void);
/* Skips the trap when a policy refuses what it needs: the call failed with EPERM or ENOSYS. */
long or_refused(long value, const char *call);

/* Runs a function in a child, and returns its exit status, or 128 + the signal that ended it. */
int in_child(void (*run)(void));
/* Waits for a child; the same status. */
int ended(pid_t pid);
/* Runs a helper program (helper.c) with up to three words; its exit status. `file` is "helper" or "helper-static", or an
 * absolute path of a copy. */
int helper(const char *file, const char *action, const char *path, const char *more);
/* Path of a program that was built beside this one; valid until the next call. */
const char *beside(const char *name);

/* Makes a file of a mode that holds a text. */
void make_file(const char *path, mode_t mode, const char *text);
/* Whether a file has exactly this text. */
bool has_text(const char *path, const char *text);
/* A pointer to no memory, which the compiler does not know. */
void *nowhere(void);
/* Sleeps. */
void pause_ms(int ms);

#endif
