/* Between the files of generated.c: arguments of calls, good and bad, that follow from a seed. */
#ifndef NODEOS_TRAP_GENERATED_H
#define NODEOS_TRAP_GENERATED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Numbers of descriptors that are open, and of one that is not. */
enum { FD_HERE = 20, FD_DIR, FD_PATH, FD_FILE, FD_READ, FD_PIPE, FD_PRIVATE, FD_CLOSED };

extern uint32_t seed;
extern char here[4096]; /* the working directory */
extern char *page_end;  /* the first byte behind a readable page */
extern char *room;      /* 1 MiB */

const char *errno_name(int error);
/* Ends the program with a message. */
_Noreturn void die(const char *what);
/* Makes the files that paths name, below the working directory. */
void make_all(void);
/* Opens a file under a number, if this user may. */
void open_as(int number, const char *name, int flags);

/* A number below this one. */
uint32_t pick(uint32_t below);
const char *path(void);
int directory(void);
int file(void);
int open_flags(void);
int mode(void);
int at_flags(void);
int id(void);
/* Somewhere to write to, of a size: mostly good. */
void *buffer(size_t size);
/* So many characters, with slashes among them. */
const char *filled(size_t length, int slash_every);

#endif
