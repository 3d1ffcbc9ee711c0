/* Shared by the subcommands of nodeos-helper. */
#ifndef NODEOS_HELPER_H
#define NODEOS_HELPER_H

#include <stddef.h>
#include <stdint.h>

/* One option that takes a value: a number between low and high, or a text when text is set. */
struct option_spec {
        const char *name;
        double *number;
        double low, high;
        const char **text;
};

/* Each is a program: argv[0] is its name; the result is the exit status. */
int noise_main(int argc, char **argv);
int solve_main(int argc, char **argv);
int load_main(int argc, char **argv);
int apart_main(int argc, char **argv);
int simulate_main(int argc, char **argv);

/* Reads `--name value` and `--name=value`. Returns -1 when all is well, otherwise the exit status: 0 after --help,
 * 2 after words about what is wrong. */
int parse_options(int argc, char **argv, const struct option_spec *options, size_t count, const char *usage);

/* Prints "nodeos-helper: Cannot ..." and returns the status that it was given. */
__attribute__((format(printf, 2, 3))) int fail(int status, const char *format, ...);

double now_seconds(void);

#endif
