/* A program that makes system calls and prints what came of them. It runs twice, under a forwarder and by itself, and both
 * must print the same. */
#ifndef NODEOS_TEST_CLIENT_H
#define NODEOS_TEST_CLIENT_H

#include <stddef.h>
#include <stdint.h>

/* Each returns the exit status; they run in a directory of their own, made by prepare(). */
int battery_main(int argc, char **argv);
int data_main(int argc, char **argv);
int identity_main(int argc, char **argv);
int exec_main(int argc, char **argv);
int namespace_main(int argc, char **argv);
int personal_main(int argc, char **argv);
int limits_main(int argc, char **argv);
int threads_main(int argc, char **argv);
int processes_main(int argc, char **argv);
int lease_main(int argc, char **argv);
int signals_main(int argc, char **argv);
int chaos_main(int argc, char **argv);
int attack_main(int argc, char **argv);
int race_main(int argc, char **argv);
int simple_main(int argc, char **argv);
int time_main(int argc, char **argv);

/* Ends the program with a message. */
_Noreturn void die(const char *what);
/* Prints "WHAT: RESULT", or the name of errno where the result is -1. Returns the result. */
long show(const char *what, long result);
/* Makes the files that the programs use, below the working directory. */
void prepare(void);
/* The name of an errno. */
const char *errno_name(int error);

#endif
