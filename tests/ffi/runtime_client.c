/* What nodeos_sidecar.h does, checked against the sidecar that NODEOS_SIDECAR names. runtime_client DIRECTORY: one that we may
 * write to. Says "fine", or the line of the first check that fails. */
#include <fcntl.h>
#include <sys/stat.h>

#include "nodeos_sidecar.h"

#define CHECK(condition) \
        do { \
                if (!(condition)) { \
                        printf("line %d: %s (%s)\n", __LINE__, #condition, sidecar.error); \
                        exit(1); \
                } \
        } while (0)

static struct nodeos_sidecar sidecar;
static char room[1 << 16];

static void open_it(size_t size) {
        CHECK(nodeos_sidecar_open(&sidecar, NULL, room, size) == 0);
}

static void call_open(const char *path, const char *flags) {
        nodeos_sidecar_call(&sidecar, "openat", "f");
        nodeos_sidecar_integer(&sidecar, AT_FDCWD);
        nodeos_sidecar_text(&sidecar, path);
        nodeos_sidecar_word(&sidecar, flags);
        nodeos_sidecar_integer(&sidecar, 0600);
}

static void check_connecting(void) {
        char long_path[200];

        CHECK(nodeos_sidecar_open(&sidecar, "/nonexistent", room, sizeof(room)) == -ENOENT);
        CHECK(!strcmp(sidecar.error, "Cannot connect to the sidecar: No such file or directory") && sidecar.fd < 0);
        memset(long_path, 'a', sizeof(long_path) - 1);
        long_path[sizeof(long_path) - 1] = 0;
        CHECK(nodeos_sidecar_open(&sidecar, long_path, room, sizeof(room)) == -ENAMETOOLONG);
        CHECK(nodeos_sidecar_open(&sidecar, NULL, room, 2 * NODEOS_SIDECAR_HEAD - 1) == -EINVAL);
        nodeos_sidecar_call(&sidecar, "getuid", NULL);
        CHECK(nodeos_sidecar_run(&sidecar) == -EPIPE);
}

static void check_results(void) {
        nodeos_sidecar_call(&sidecar, "getuid", NULL);
        nodeos_sidecar_call(&sidecar, "close", NULL);
        nodeos_sidecar_integer(&sidecar, 99);
        nodeos_sidecar_call(&sidecar, "getgid", NULL);
        CHECK(nodeos_sidecar_run(&sidecar) == -EBADF && sidecar.status == 200);
        CHECK(!strcmp(sidecar.error, "Cannot make call 1: EBADF (Bad file descriptor)"));
        CHECK(nodeos_sidecar_value(&sidecar, 0) == (long long) getuid());
        CHECK(nodeos_sidecar_value(&sidecar, 1) == -EBADF);
        CHECK(nodeos_sidecar_value(&sidecar, 2) == -ECANCELED);
        CHECK(nodeos_sidecar_value(&sidecar, 3) == -ENODATA && nodeos_sidecar_value(&sidecar, -1) == -ENODATA);
        CHECK(nodeos_sidecar_data(&sidecar, 0, "data", room, 0) == -ENODATA);
        CHECK(nodeos_sidecar_run(&sidecar) == -EINVAL);
}

/* Written and read back, for every length around a group of base64's. */
static void check_data(const char *path) {
        unsigned char data[256], back[256];

        for (int i = 0; i < 256; i++)
                data[i] = (unsigned char) (i * 7);
        call_open(path, "O_RDWR|O_CREAT|O_TRUNC");
        CHECK(nodeos_sidecar_run(&sidecar) == 0);
        for (size_t size = 250; size <= 256; size++) {
                long long fd = 3;

                nodeos_sidecar_call(&sidecar, "pwrite64", NULL);
                nodeos_sidecar_integer(&sidecar, fd);
                nodeos_sidecar_bytes(&sidecar, data, size);
                nodeos_sidecar_integer(&sidecar, 5000000000LL);
                nodeos_sidecar_call(&sidecar, "pread64", NULL);
                nodeos_sidecar_integer(&sidecar, fd);
                nodeos_sidecar_integer(&sidecar, 1000);
                nodeos_sidecar_integer(&sidecar, 5000000000LL);
                CHECK(nodeos_sidecar_run(&sidecar) == 0);
                CHECK(nodeos_sidecar_value(&sidecar, 0) == (long long) size);
                memset(back, 0, sizeof(back));
                CHECK(nodeos_sidecar_data(&sidecar, 1, "data", back, sizeof(back)) == (long) size);
                CHECK(!memcmp(data, back, size));
                /* No more than there is room for. */
                memset(back, 0, sizeof(back));
                CHECK(nodeos_sidecar_data(&sidecar, 1, "data", back, 10) == (long) size && !back[10] && back[9] == data[9]);
        }
        nodeos_sidecar_call(&sidecar, "fstat", NULL);
        nodeos_sidecar_integer(&sidecar, 3);
        CHECK(nodeos_sidecar_run(&sidecar) == 0);
        {
                struct stat status;

                CHECK(nodeos_sidecar_data(&sidecar, 0, "status", &status, sizeof(status)) == sizeof(status));
                CHECK(status.st_size == 5000000256LL && status.st_uid == getuid());
        }
}

/* Names with anything in them, as bytes. */
static void check_names(const char *directory) {
        static const char *const names[] = { "a \"b\"", "back\\slash", "new\nline", "\xff\xfe", "gr\xc3\xbc\xc3\x9f", "$f", "\x7f" };
        char path[256];

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
                call_open(path, "O_WRONLY|O_CREAT|O_EXCL");
                nodeos_sidecar_call(&sidecar, "close", NULL);
                nodeos_sidecar_result(&sidecar, "f");
                CHECK(nodeos_sidecar_run(&sidecar) == 0);
                CHECK(access(path, F_OK) == 0);
        }
}

static void check_refusals(void) {
        long long big = INT64_MIN;

        nodeos_sidecar_call(&sidecar, "opnat", NULL);
        CHECK(nodeos_sidecar_run(&sidecar) == -EINVAL && sidecar.status == 400);
        CHECK(strstr(sidecar.error, "Cannot make call 0: there is no system call \"opnat\"; did you mean \"openat\"?; Write it as"));
        CHECK(nodeos_sidecar_value(&sidecar, 0) == -ENODATA);
        nodeos_sidecar_call(&sidecar, "openat\",\"as\":\"x", "a\\b");
        CHECK(nodeos_sidecar_run(&sidecar) == -EINVAL && sidecar.status == 400);
        call_open("/", "O_RDONLI");
        CHECK(nodeos_sidecar_run(&sidecar) == -EINVAL && strstr(sidecar.error, "did you mean \"O_RDONLY\"?"));
        nodeos_sidecar_call(&sidecar, "close", NULL);
        nodeos_sidecar_result(&sidecar, "nobody");
        CHECK(nodeos_sidecar_run(&sidecar) == -EINVAL && strstr(sidecar.error, "no earlier call is named \"nobody\""));
        nodeos_sidecar_call(&sidecar, "lseek", NULL);
        nodeos_sidecar_integer(&sidecar, 3);
        nodeos_sidecar_integer(&sidecar, big);
        nodeos_sidecar_word(&sidecar, "SEEK_SET");
        CHECK(nodeos_sidecar_run(&sidecar) == -EINVAL && sidecar.status == 200);
        nodeos_sidecar_call(&sidecar, "utimensat", NULL);
        nodeos_sidecar_integer(&sidecar, AT_FDCWD);
        nodeos_sidecar_text(&sidecar, "/nonexistent/file");
        nodeos_sidecar_null(&sidecar);
        CHECK(nodeos_sidecar_run(&sidecar) == -ENOENT && sidecar.status == 200);
}

static void check_rooms(const char *path) {
        static char data[sizeof(room)];

        nodeos_sidecar_call(&sidecar, "write", NULL);
        nodeos_sidecar_integer(&sidecar, 3);
        nodeos_sidecar_bytes(&sidecar, data, sizeof(data));
        CHECK(nodeos_sidecar_run(&sidecar) == -E2BIG && sidecar.status == 0);
        CHECK(!strcmp(sidecar.error, "Cannot use the sidecar: the request does not fit into the room"));
        nodeos_sidecar_call(&sidecar, "getuid", NULL);
        CHECK(nodeos_sidecar_run(&sidecar) == 0);
        nodeos_sidecar_close(&sidecar);
        nodeos_sidecar_close(&sidecar);
        open_it(1024);
        call_open(path, "O_RDONLY");
        nodeos_sidecar_call(&sidecar, "pread64", NULL);
        nodeos_sidecar_result(&sidecar, "f");
        nodeos_sidecar_integer(&sidecar, 2000);
        nodeos_sidecar_integer(&sidecar, 0);
        CHECK(nodeos_sidecar_run(&sidecar) == -E2BIG && sidecar.fd < 0);
        CHECK(!strcmp(sidecar.error, "Cannot use the sidecar: its answer does not fit into the room"));
}

static void check_policy(void) {
        CHECK(nodeos_sidecar_switch(&sidecar, "ptrace", "deny:EXDEV") == -EOPNOTSUPP && sidecar.status == 409);
        CHECK(!strncmp(sidecar.error, "Cannot deny ptrace: ", 20));
        CHECK(nodeos_sidecar_switch(&sidecar, "openat", "alow") < 0 && strstr(sidecar.error, "did you mean \"allow\"?"));
        CHECK(nodeos_sidecar_switch(&sidecar, "mkdirat", "deny:EXDEV") == 0);
        nodeos_sidecar_call(&sidecar, "mkdirat", NULL);
        nodeos_sidecar_integer(&sidecar, AT_FDCWD);
        nodeos_sidecar_text(&sidecar, "/nonexistent/directory");
        nodeos_sidecar_integer(&sidecar, 0700);
        CHECK(nodeos_sidecar_run(&sidecar) == -EXDEV);
        CHECK(nodeos_sidecar_switch(&sidecar, "mkdirat", "forward") == 0);
}

int main(int argc, char **argv) {
        char path[256];

        (void) argc;
        snprintf(path, sizeof(path), "%s/data", argv[1]);
        check_connecting();
        open_it(sizeof(room));
        check_results();
        check_data(path);
        check_names(argv[1]);
        check_refusals();
        check_policy();
        check_rooms(path);
        open_it(sizeof(room));
        nodeos_sidecar_call(&sidecar, "getuid", NULL);
        CHECK(nodeos_sidecar_run(&sidecar) == 0);
        nodeos_sidecar_close(&sidecar);
        puts("fine");
        return 0;
}
