/* What the programs of this folder share: an attempt is a function that tries to get what its caller must not have. It runs in
 * a process and an empty directory of its own. It is made natively first, where the kernel has to refuse it, and then under
 * a filter with somebody who executes calls for it. For each attempt a line is printed:
 *
 *         refused FAMILY: NAME
 *         gained FAMILY: NAME: what
 *         skip FAMILY: NAME: why
 *         broken FAMILY: NAME: it hung, or how it ended
 *
 * The family "controls" is the other way round: there a gain is what has to be, natively and for whoever asks somebody.
 */
#ifndef NODEOS_ATTACK_H
#define NODEOS_ATTACK_H

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

struct attack {
        const char *name;
        void (*run)(const struct attack *attack);
        int which, how; /* of attempts that differ by these only */
};

struct family {
        const char *name;
        size_t count;
        const struct attack *attacks;
};

/* End the attempt, from any of its processes and threads. One that returns was refused. */
_Noreturn void gained(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void gained_silently(void);
_Noreturn void refused(void);
_Noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of an expression that has to work, or the attempt means nothing. */
#define MUST(expression) attack_must((long) (expression), #expression, __FILE__, __LINE__)
long attack_must(long value, const char *what, const char *file, int line);
/* Gained when the value is not negative. */
#define REFUSED(expression) attack_refused((long) (expression), #expression)
void attack_refused(long value, const char *what);

/* A path below the directory of what is not ours. Valid until the eighth call after it. */
const char *arena(const char *name);
/* A process of the others: "keeper", "forwarder", "sidecar", "root" (a program of root), "other" (of another user). 0: none. */
pid_t somebody(const char *name);
/* Whether somebody executes calls for this process. */
bool is_forwarded(void);
/* Makes a file of ours with a text. */
void make_file(const char *path, mode_t mode, const char *text);
/* Reads a file as far as it fits; the byte count or -1. */
ssize_t read_file(const char *path, char *ret_text, size_t size);
void pause_ms(int ms);
/* Runs until so many ms are over. */
bool has_time(int ms);
/* Starts a thread that shares all but the stack with us. */
void start_thread(void *(*run)(void *), void *argument);
/* A child; its status, or 128 + signal. */
int in_child(void (*run)(void));

/* What attempts aim at, but ours: own/secret and the others, in the directory where the attempt runs. */
void make_own_arena(void);
/* A path in the directory of the service, ours or another container's. */
const char *in_state(const char *name, bool other);
/* A socket that is connected to the path, or -1. */
int connect_to(const char *path, int type);

extern struct family files_family, processes_family, forged_family, controls_family, http_family, http_controls_family;
extern const struct family descriptors_family, links_family, identity_family, races_family,
        entries_family, sockets_family, stalls_family;

#endif
