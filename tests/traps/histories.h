/* Between the .c files of histories: random calls of several threads and processes, each with what the ones before it left
 * behind: descriptors, directories, rights, limits. One acts at a time, so the same seed prints the same. */
#ifndef NODEOS_TRAP_HISTORIES_H
#define NODEOS_TRAP_HISTORIES_H

#include <stdint.h>
#include <sys/types.h>

enum {
        ACTORS = 6,
        OUTPUT = 4 << 20,
        START = 900,    /* descriptor of the directory where all begins; nobody closes it */
        FD_END = 14,    /* behind those that calls name */
        FD_FEWEST = 32  /* nobody may have fewer than that */
};

/* What all threads and processes share. */
struct world {
        uint32_t seed;
        uint32_t turn; /* whose it is: a futex */
        uint32_t step, steps;
        int over, signals, may_leave_root;
        int32_t pid, tids[ACTORS];
        size_t used;
        char output[OUTPUT];
};
extern struct world *world;
extern char here[4096];

/* A number below this one, from the seed. */
uint32_t pick(uint32_t below);
#define ONE_OF(...) ((const long[]){ __VA_ARGS__ }[pick(sizeof((const long[]){ __VA_ARGS__ }) / sizeof(long))])

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says bytes, without what differs from run to run: where we are, and numbers of pipes and sockets. */
void say_text(const char *text, long length);
/* Makes a call and says its name and result. Returns the result, or -errno. */
long made(const char *name, long result);
#define CALL(name, ...) made(#name, syscall(SYS_##name, __VA_ARGS__))
const char *error_name(int error);

/* histories_arguments.c: good and bad ones. */
void arguments_prepare(void);
const char *path(void);
/* A path that leads nowhere outside of our directory, not even through /proc. */
const char *inner_path(void);
int fd(void);
int directory(void);
/* Much memory to fill, and something of that size that is bad now and then. */
void *room(void);
void *buffer(size_t size);
/* A buffer of that size with known bytes in it, mostly. */
const void *content(size_t size);
long offset(void);
int mode(void);
int at_flags(void);
/* Says what there is below a directory. */
void say_tree(int directory, int depth);

/* histories_names.c, histories_files.c, histories_state.c: one random call of a kind. */
void call_on_names(void);
void call_on_attributes(void);
void call_on_data(void);
void call_on_descriptors(void);
void call_on_locks(void);
void call_on_state(int actor);
void say_descriptors(void);

#endif
