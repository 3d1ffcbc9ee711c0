/* Makes known numbers of calls in a directory: 7 mkdirat, 7 unlinkat by the first thread; 11 faccessat by each of 3 threads;
 * 5 readlinkat by a child process. Then, by its argument: ends with a status, waits for SIGUSR1 to end with 9, or kills itself. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *ask(void *name) {
        for (int i = 0; i < 11; i++)
                syscall(SYS_faccessat, AT_FDCWD, name, F_OK);
        return NULL;
}

static void end(int signal) {
        (void) signal;
        _exit(9);
}

int main(int argc, char **argv) {
        pthread_t threads[3];
        char buffer[64];
        sigset_t none;
        int status;

        if (argc != 3 || chdir(argv[1]) < 0)
                return 100;
        for (int i = 0; i < 7; i++) {
                syscall(SYS_mkdirat, AT_FDCWD, "made", 0755);
                syscall(SYS_unlinkat, AT_FDCWD, "made", AT_REMOVEDIR);
        }
        for (int i = 0; i < 3; i++)
                if (pthread_create(&threads[i], NULL, ask, "absent name"))
                        return 101;
        for (int i = 0; i < 3; i++)
                pthread_join(threads[i], NULL);
        if (fork() == 0) {
                for (int i = 0; i < 5; i++)
                        syscall(SYS_readlinkat, AT_FDCWD, "absent link", buffer, sizeof(buffer));
                _exit(0);
        }
        if (wait(&status) < 0 || status)
                return 102;
        if (!strcmp(argv[2], "kill"))
                kill(getpid(), SIGTERM);
        if (strcmp(argv[2], "wait"))
                return atoi(argv[2]);
        signal(SIGUSR1, end);
        if (write(1, "ready\n", 6) < 0)
                return 103;
        sigemptyset(&none);
        for (;;)
                sigsuspend(&none);
}
