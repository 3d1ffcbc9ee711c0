/* Makes the system call that a line of standard input asks for, so often, and says what came of it: "0", or the error's
 * number, of the last one. Lines are as in "stat 10 /etc/passwd"; "env NAME" prints a variable. It calls the kernel for
 * nothing else but reading and writing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long call(const char *name, const char *path) {
        struct stat file;
        long result;

        if (!strcmp(name, "stat"))
                return syscall(SYS_newfstatat, AT_FDCWD, path, &file, 0);
        if (!strcmp(name, "mkdir"))
                return syscall(SYS_mkdirat, AT_FDCWD, path, 0777);
        if (!strcmp(name, "unlink"))
                return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        if (!strcmp(name, "getcwd")) {
                char buffer[4096];

                return syscall(SYS_getcwd, buffer, sizeof(buffer));
        }
        if (strcmp(name, "open")) {
                errno = ENOTSUP;
                return -1;
        }
        result = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
        if (result >= 0)
                close((int) result);
        return result;
}

static void obey(char *line) {
        char answer[4096], *name = strtok(line, " "), *second = strtok(NULL, " "), *path = strtok(NULL, " ");
        int error = 0, count = second ? atoi(second) : 1, length;

        if (!strcmp(name, "env")) {
                length = snprintf(answer, sizeof(answer), "%s\n", getenv(second) ? getenv(second) : "");
        } else {
                for (int i = 0; i < count; i++)
                        error = call(name, path ? path : "/") < 0 ? errno : 0;
                length = snprintf(answer, sizeof(answer), "%d\n", error);
        }
        if (write(1, answer, (size_t) length) < 0)
                _exit(1);
}

int main(void) {
        char line[4096];
        size_t used = 0;

        for (;;) {
                char *end;
                ssize_t n = read(0, line + used, sizeof(line) - used);

                if (n <= 0)
                        return 0;
                used += (size_t) n;
                while ((end = memchr(line, '\n', used))) {
                        *end = 0;
                        obey(line);
                        used -= (size_t) (end + 1 - line);
                        memmove(line, end + 1, used);
                }
        }
}
