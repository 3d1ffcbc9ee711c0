/* Threads that ask the sidecar to make calls, over HTTP: DIRECTORY THREADS. They go on until a line of standard input; then
 * they say what they saw as JSON, and wait for the end of standard input. Each request makes a directory, opens and closes
 * it, and removes it: an answer must say so. When the sidecar or the agent dies there is none, or one that says that it
 * died: then the thread connects again, and uses another name, for nobody knows how far that request came. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { THREADS = 16, ROOM = 4096 };

static atomic_ulong answers, lost, died, wrong;
static atomic_int stop;
static char first_wrong[ROOM];

struct asker {
        pthread_t thread;
        const char *directory;
        char request[ROOM];
        int number, tries, fd;
};

static int connect_to_sidecar(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path, getenv("NODEOS_SIDECAR"), sizeof(address.sun_path) - 1);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                perror("connect");
                _exit(102);
        }
        return fd;
}

/* Receives a whole answer. Returns its body, or NULL when the connection ended before. */
static char *receive(int fd, char *buffer) {
        size_t used = 0;

        for (;;) {
                ssize_t n = recv(fd, buffer + used, ROOM - 1 - used, 0);
                char *body, *length;

                if (n <= 0)
                        return NULL;
                used += (size_t) n;
                buffer[used] = 0;
                body = strstr(buffer, "\r\n\r\n");
                length = strcasestr(buffer, "\r\ncontent-length:");
                if (body && length && used >= (size_t) (body + 4 - buffer) + strtoul(length + 17, NULL, 10))
                        return body + 4;
        }
}

static int is_right(const char *answer, const char *body) {
        int number, length = 0;

        return !strncmp(answer, "HTTP/1.1 200 ", 13) &&
               sscanf(body, "{\"results\":[{\"value\":0},{\"value\":%d},{\"value\":0},{\"value\":0}]} %n", &number, &length) == 1 && length &&
               !body[length];
}

static void begin(struct asker *asker) {
        char body[ROOM / 2], name[512];

        snprintf(name, sizeof(name), "%s/h%d-%d", asker->directory, asker->number, asker->tries++);
        snprintf(body, sizeof(body),
                 "{\"calls\":[{\"call\":\"mkdirat\",\"args\":[\"AT_FDCWD\",\"%s\",493]},"
                 "{\"call\":\"openat\",\"args\":[\"AT_FDCWD\",\"%s\",\"O_RDONLY|O_DIRECTORY\",0],\"as\":\"f\"},"
                 "{\"call\":\"close\",\"args\":[\"$f\"]},{\"call\":\"unlinkat\",\"args\":[\"AT_FDCWD\",\"%s\",512]}]}",
                 name, name, name);
        snprintf(asker->request, sizeof(asker->request),
                 "POST /v1/syscalls HTTP/1.1\r\nhost: nodeos\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s", strlen(body),
                 body);
        asker->fd = connect_to_sidecar();
}

static void *ask(void *argument) {
        struct asker *asker = argument;

        begin(asker);
        while (!atomic_load(&stop)) {
                char answer[ROOM];
                ssize_t sent = send(asker->fd, asker->request, strlen(asker->request), MSG_NOSIGNAL);
                char *body = sent < 0 ? NULL : receive(asker->fd, answer);

                if (body && is_right(answer, body)) {
                        atomic_fetch_add(&answers, 1);
                        continue;
                }
                atomic_fetch_add(body ? &died : &lost, 1);
                if (body && (!strncmp(answer, "HTTP/1.1 200 ", 13) || !strstr(body, "Cannot execute"))) {
                        atomic_fetch_add(&wrong, 1);
                        memcpy(first_wrong, answer, ROOM);
                }
                close(asker->fd);
                begin(asker);
        }
        close(asker->fd);
        return NULL;
}

static void wait_for_line(void) {
        char byte;

        while (read(0, &byte, 1) == 1 && byte != '\n')
                ;
}

int main(int argc, char **argv) {
        static struct asker askers[THREADS];
        int count = argc == 3 ? atoi(argv[2]) : 0;

        if (count < 1 || count > THREADS)
                return 100;
        setvbuf(stdout, NULL, _IONBF, 0);
        printf("%d\n", getpid());
        wait_for_line();
        for (int i = 0; i < count; i++) {
                askers[i].directory = argv[1];
                askers[i].number = i;
                if (pthread_create(&askers[i].thread, NULL, ask, &askers[i]))
                        return 101;
        }
        wait_for_line();
        atomic_store(&stop, 1);
        for (int i = 0; i < count; i++)
                pthread_join(askers[i].thread, NULL);
        if (*first_wrong)
                fprintf(stderr, "%s\n", first_wrong);
        printf("{ \"answers\": %lu, \"lost\": %lu, \"died\": %lu, \"wrong\": %lu }\n", atomic_load(&answers), atomic_load(&lost),
               atomic_load(&died), atomic_load(&wrong));
        wait_for_line();
        return 0;
}
