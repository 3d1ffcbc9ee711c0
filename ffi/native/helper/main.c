/* nodeos-helper: the small programs that argo-nodeos runs beside an application or inside a container. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "helper.h"

static const char usage[] =
        "usage: nodeos-helper noise|solve|load|simulate [options]\n"
        "\n"
        "  noise     sample the noise of one CPU into a file\n"
        "  solve     solve a Poisson problem on all its threads, as an HPC application would\n"
        "  load      disturb: compute, stream memory and sleep, on several threads\n"
        "  simulate  run a program that sees a simulated package; lib/power/simulated starts it\n"
        "\n"
        "nodeos-helper COMMAND --help shows the options. Exit status: 0 done, 1 refused, 2 usage.\n";

static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
} commands[] = {
        { "noise", noise_main }, { "solve", solve_main }, { "load", load_main }, { "apart", apart_main }, { "simulate", simulate_main },
};

int fail(int status, const char *format, ...) {
        va_list arguments;

        fputs("nodeos-helper: ", stderr);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        return status;
}

double now_seconds(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static const struct option_spec *find_option(const struct option_spec *options, size_t count, const char *name, size_t length) {
        for (size_t i = 0; i < count; i++)
                if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length))
                        return &options[i];
        return NULL;
}

static int set_option(const struct option_spec *option, const char *value) {
        double number;
        char *end;

        if (option->text) {
                *option->text = value;
                return -1;
        }
        number = strtod(value, &end);
        if (end == value || *end || !isfinite(number) || number < option->low || number > option->high)
                return fail(2, "Cannot use --%s %s: it is a number from %.15g to %.15g", option->name, value, option->low, option->high);
        *option->number = number;
        return -1;
}

int parse_options(int argc, char **argv, const struct option_spec *options, size_t count, const char *usage_text) {
        for (int i = 1; i < argc; i++) {
                const char *name = argv[i] + 2, *equals, *value;
                const struct option_spec *option;
                int status;

                if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
                        fputs(usage_text, stdout);
                        return 0;
                }
                if (strncmp(argv[i], "--", 2))
                        return fail(2, "Cannot use the argument %s: options only, see nodeos-helper %s --help", argv[i], argv[0]);
                equals = strchr(name, '=');
                option = find_option(options, count, name, equals ? (size_t) (equals - name) : strlen(name));
                if (!option)
                        return fail(2, "Cannot use %s: no such option, see nodeos-helper %s --help", argv[i], argv[0]);
                value = equals ? equals + 1 : ++i < argc ? argv[i] : NULL;
                if (!value)
                        return fail(2, "Cannot use --%s: it needs a value", option->name);
                status = set_option(option, value);
                if (status >= 0)
                        return status;
        }
        return -1;
}

int main(int argc, char **argv) {
        if (argc < 2) {
                fputs(usage, stderr);
                return 2;
        }
        if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
                fputs(usage, stdout);
                return 0;
        }
        for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
                if (!strcmp(argv[1], commands[i].name))
                        return commands[i].main(argc - 1, argv + 1);
        return fail(2, "Cannot run %s: the commands are noise, solve, load and simulate", argv[1]);
}
