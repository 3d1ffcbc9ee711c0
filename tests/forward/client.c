#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "client.h"

static const struct {
        const char *name;
        int (*main)(int argc, char **argv);
} programs[] = {
        { "battery", battery_main },     { "data", data_main },         { "identity", identity_main },   { "exec", exec_main },
        { "namespace", namespace_main }, { "personal", personal_main }, { "limits", limits_main },       { "threads", threads_main },
        { "processes", processes_main }, { "lease", lease_main },       { "signals", signals_main },     { "chaos", chaos_main },
        { "attack", attack_main },       { "race", race_main },         { "simple", simple_main },       { "time", time_main },
};

const char *errno_name(int error) {
        const char *name = strerrorname_np(error);

        return name ? name : "?";
}

void die(const char *what) {
        printf("%s failed: %s\n", what, errno_name(errno));
        exit(98);
}

long show(const char *what, long result) {
        if (result == -1)
                printf("%s: %s\n", what, errno_name(errno));
        else
                printf("%s: %ld\n", what, result);
        return result;
}

static void make_file(const char *path, mode_t mode, size_t size) {
        int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

        if (fd < 0)
                die(path);
        for (size_t i = 0; i < size; i++)
                if (write(fd, "0123456789abcdef" + i % 16, 1) != 1)
                        die(path);
        if (fchmod(fd, mode) < 0)
                die(path);
        close(fd);
}

/* Where it is root that prepares, some files stay root's alone. */
void prepare(void) {
        umask(0);
        make_file("file", 0666, 100);
        make_file("empty", 0666, 0);
        make_file("secret", 0600, 10);
        make_file("readonly", 0444, 10);
        make_file("ours", 0640, 10);
        if (geteuid() == 0 && chown("ours", 0, 5000) < 0)
                die("chown");
        if (mkdir("dir", 0777) < 0 || mkdir("private", 0700) < 0 || mkdir("sticky", 01777) < 0 || mkdir("setgid", 02777) < 0)
                die("mkdir");
        make_file("dir/inner", 0666, 5);
        make_file("private/inner", 0666, 5);
        make_file("sticky/roots", 0666, 5);
        if (symlink("file", "link") < 0 || symlink("nothing", "dangling") < 0 || symlink("loop2", "loop1") < 0 ||
            symlink("loop1", "loop2") < 0 || symlink("dir", "dirlink") < 0 || symlink("private/inner", "secretlink") < 0)
                die("symlink");
        setxattr("file", "user.one", "value", 5, 0);
        umask(022);
}

int main(int argc, char **argv) {
        setvbuf(stdout, NULL, _IOFBF, 1 << 16);
        for (size_t i = 0; argc > 1 && i < sizeof(programs) / sizeof(*programs); i++)
                if (!strcmp(argv[1], programs[i].name)) {
                        int status = programs[i].main(argc - 2, argv + 2);

                        fflush(stdout);
                        return status;
                }
        if (argc == 2 && !strcmp(argv[1], "prepare")) {
                prepare();
                return 0;
        }
        return 97;
}
