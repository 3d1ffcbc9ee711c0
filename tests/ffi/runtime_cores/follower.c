/* A program that follows by nodeos_cores.h: it does what each line on its standard input says, and prints a number. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../ffi/runtime/cores.h"
#include "../../../ffi/runtime/nodeos_cores.h"

static void layout(void) {
        printf("%zu %zu %zu %zu %zu %zu %zu %zu\n", offsetof(struct cores_page, cores_max), offsetof(struct cores_page, wish),
               offsetof(struct cores_page, lease_ns), offsetof(struct cores_page, beats), offsetof(struct cores_page, slots),
               sizeof(struct cores_slot), offsetof(struct cores_slot, answer), offsetof(struct cores_page, beat_ns));
}

/* A child that has a part, is killed, and is not waited for. */
static pid_t leave_zombie(void) {
        siginfo_t end;
        pid_t child = fork();

        if (child == 0)
                nodeos_cores_wanted(), raise(SIGKILL);
        waitid(P_PID, (id_t) child, &end, WEXITED | WNOWAIT);
        return child;
}

int main(void) {
        char word[32];
        int number;

        setvbuf(stdout, NULL, _IOLBF, 0);
        while (scanf("%31s %d", word, &number) == 2) {
                if (!strcmp(word, "wanted"))
                        printf("%d\n", nodeos_cores_wanted());
                else if (!strcmp(word, "active"))
                        nodeos_cores_active(number), printf("%d\n", number);
                else if (!strcmp(word, "beat"))
                        nodeos_heartbeat(), printf("%d\n", number);
                else if (!strcmp(word, "zombie"))
                        printf("%d\n", (int) leave_zombie());
                else if (!strcmp(word, "layout"))
                        layout();
                else if (!strcmp(word, "fork") && fork() == 0)
                        printf("%d\n", nodeos_cores_wanted()), fflush(stdout), _exit(0);
                else if (!strcmp(word, "fork"))
                        wait(NULL);
        }
        return 0;
}
