/* Links that mean another thing to each process. Who executes a call for somebody must not follow them as itself: below its
 * own /proc directory it may look at everything, whoever it pretends to be. */
#define _GNU_SOURCE
#include "attack.h"

#include <dirent.h>
#include <sys/statfs.h>

static char text[4096];

/* A link of ours to /proc: nobody sees that a path through it leads there. */
static void link_to_proc(void) {
        MUST(symlink("/proc", "p"));
}

static bool reads(const char *path) {
        ssize_t n = readlink(path, text, sizeof(text) - 1);

        if (n < 0)
                return false;
        text[n] = 0;
        return true;
}

static void self_is_other(const struct attack *attack) {
        char own[32];

        (void) attack;
        link_to_proc();
        snprintf(own, sizeof(own), "%d", getpid());
        if (reads("p/self") && strcmp(text, own))
                gained("we are process %s", text);
}

static void thread_self_is_other(const struct attack *attack) {
        char own[64];

        (void) attack;
        link_to_proc();
        snprintf(own, sizeof(own), "%d/task/%ld", getpid(), syscall(SYS_gettid));
        if (reads("p/thread-self") && strcmp(text, own))
                gained("we are thread %s", text);
}

static void program_of_self(const struct attack *attack) {
        (void) attack;
        link_to_proc();
        if (reads("p/self/exe") && !strstr(text, "/attack"))
                gained("we execute %s", text);
}

/* Whether a descriptor that we do not have is there. */
static void descriptors_of_self(const struct attack *attack) {
        struct stat status;
        char path[64];

        (void) attack;
        link_to_proc();
        for (int fd = 3; fd < 64; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                snprintf(path, sizeof(path), "p/self/fd/%d", fd);
                if (lstat(path, &status) == 0)
                        gained("%s is there", path);
        }
}

static const char *const objects[] = { "exe", "cwd", "root", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "fd/6", "ns/mnt" };
static const char *const targets[] = { "keeper", "forwarder", "sidecar", "root" };

/* Objects of a process that is not ours: natively nobody tells us what they are. */
static void object_of_somebody(const struct attack *attack) {
        pid_t pid = somebody(targets[attack->which]);
        struct stat status;
        char path[128];

        if (!pid)
                skip("it does not run");
        link_to_proc();
        for (size_t i = 0; i < sizeof(objects) / sizeof(*objects); i++) {
                snprintf(path, sizeof(path), "p/%d/%s", pid, objects[i]);
                if (attack->how == 0 && reads(path))
                        gained("%s is %s", objects[i], text);
                if (attack->how == 1 && stat(path, &status) == 0)
                        gained("%s has inode %lu", objects[i], (unsigned long) status.st_ino);
                if (attack->how == 2 && access(path, F_OK) == 0)
                        gained("%s is there", objects[i]);
                if (attack->how == 3 && statfs(path, &(struct statfs){ 0 }) == 0)
                        gained("%s has a file system", objects[i]);
        }
}

/* What workers of the forwarder have open for others, and where they stand. */
static void objects_of_workers(const struct attack *attack) {
        pid_t pid = somebody("forwarder");
        char path[300];
        DIR *tasks;

        (void) attack;
        link_to_proc();
        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        for (int round = 0; round < 20; round++) {
                tasks = opendir(path);
                MUST(tasks ? 0 : -1);
                for (struct dirent *entry; (entry = readdir(tasks));) {
                        if (entry->d_name[0] == '.')
                                continue;
                        for (int fd = 3; fd < 24; fd++) {
                                char object[300];

                                snprintf(object, sizeof(object), "p/%d/task/%.20s/fd/%d", pid, entry->d_name, fd);
                                if (reads(object))
                                        gained("a worker has %s", text);
                        }
                }
                closedir(tasks);
        }
}

/* Files that are only reached by a link that is not followed by its text. */
static void through_descriptor(const struct attack *attack) {
        char path[64];

        link_to_proc();
        for (int fd = 0; fd < 32; fd++) {
                struct stat own;
                bool is_ours = fstat(fd, &own) == 0;
                long result = -1;

                if (is_ours)
                        continue;
                snprintf(path, sizeof(path), "p/self/fd/%d", fd);
                if (attack->which == 0)
                        result = truncate(path, 0);
                else if (attack->which == 1)
                        result = chmod(path, 0666);
                else if (attack->which == 2)
                        result = linkat(AT_FDCWD, path, AT_FDCWD, "taken", AT_SYMLINK_FOLLOW);
                else if (attack->which == 3)
                        result = open(path, O_RDONLY | O_NONBLOCK);
                else if (attack->which == 4)
                        result = chown(path, getuid(), getgid());
                else if (attack->which == 5)
                        result = open(path, O_PATH);
                else if (attack->which == 6)
                        result = access(path, F_OK);
                if (result >= 0)
                        gained("%s", path);
        }
}

/* What root alone may read of a process that is root's. */
static void memory_of_somebody(const struct attack *attack) {
        static const char *const files[] = { "mem", "environ", "maps", "auxv", "syscall", "stack", "io", "pagemap", "mountinfo-", "attr/-" };
        pid_t pid = somebody(targets[attack->which]);
        char path[128];

        if (!pid)
                skip("it does not run");
        link_to_proc();
        for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
                int fd;

                snprintf(path, sizeof(path), "p/%d/%s", pid, files[i]);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd >= 0 && read(fd, text, 64) > 0)
                        gained("read %s", path);
        }
}

/* Our own memory is ours: the memory that we get must not be the proxy's. */
static void memory_of_self(const struct attack *attack) {
        ssize_t n;

        (void) attack;
        link_to_proc();
        n = read_file("p/self/comm", text, sizeof(text));
        if (n > 0 && strncmp(text, "attack", 6))
                gained("we are called %s", text);
        n = read_file("p/thread-self/comm", text, sizeof(text));
        if (n > 0 && strncmp(text, "attack", 6))
                gained("our thread is called %s", text);
        n = read_file("p/self/cmdline", text, sizeof(text));
        if (n > 0 && !strstr(text, "attack"))
                gained("we were started as %s", text);
}

static void device_link(const struct attack *attack) {
        static const char *const paths[] = { "/dev/fd", "/dev/./fd", "//dev/fd", "/dev//fd", "/usr/../dev/fd" };
        char path[64];

        for (int fd = 3; fd < 32; fd++) {
                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                snprintf(path, sizeof(path), "%s/%d", paths[attack->which], fd);
                if (access(path, F_OK) == 0)
                        gained("%s is there", path);
        }
}

/* Calls through what only those may pass who may look at the process. */
static void through_link(const struct attack *attack) {
        static const char *const places[] = { "root", "cwd", "task/%d/root", "task/%d/cwd", "map_files/../root" };
        pid_t pid = somebody(attack->how ? "keeper" : "forwarder");
        char below[64], path[160];
        struct stat status;
        long result = -1;

        if (!pid)
                skip("it does not run");
        link_to_proc();
        make_file("mine", 0600, "text");
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(below, sizeof(below), places[i], pid);
#pragma GCC diagnostic pop
                snprintf(path, sizeof(path), "p/%d/%s/tmp", pid, below);
                switch (attack->which) {
                case 0: result = stat(path, &status); break;
                case 1: result = lstat(path, &status); break;
                case 2: result = access(path, F_OK); break;
                case 3: result = statfs(path, (struct statfs *) text); break;
                case 4: result = open(path, O_RDONLY | O_DIRECTORY); break;
                case 5: result = open(path, O_PATH); break;
                case 6: strcat(path, "/taken"); result = mkdir(path, 0777); break;
                case 7: strcat(path, "/taken"); result = symlink("x", path); break;
                case 8: strcat(path, "/taken"); result = mknod(path, S_IFREG | 0666, 0); break;
                case 9: strcat(path, "/taken"); result = link("mine", path); break;
                case 10: strcat(path, "/taken"); result = rename("mine", path); break;
                case 11: strcat(path, "/taken"); result = creat(path, 0666); break;
                case 12: result = syscall(SYS_statx, AT_FDCWD, path, 0, 0x7ff, text); break;
                case 13: result = syscall(SYS_listxattr, path, text, sizeof(text)); break;
                case 14: result = open(path, O_TMPFILE | O_RDWR, 0600); break;
                case 15: result = chdir(path); break;
                }
                if (result >= 0)
                        gained("%s", path);
        }
}

#define THROUGH(call, which) { call " through the forwarder's links", through_link, which, 0 }, { call " through the keeper's links", through_link, which, 1 }

static const struct attack attacks[] = {
        THROUGH("stat", 0), THROUGH("lstat", 1), THROUGH("access", 2), THROUGH("statfs", 3), THROUGH("open", 4), THROUGH("O_PATH", 5),
        THROUGH("mkdir", 6), THROUGH("symlink", 7), THROUGH("mknod", 8), THROUGH("link", 9), THROUGH("rename", 10), THROUGH("creat", 11),
        THROUGH("statx", 12), THROUGH("listxattr", 13), THROUGH("O_TMPFILE", 14), THROUGH("chdir", 15),
        { "/proc/self is us", self_is_other, 0, 0 },
        { "/proc/thread-self is us", thread_self_is_other, 0, 0 },
        { "/proc/self/exe is ours", program_of_self, 0, 0 },
        { "/proc/self/fd is ours", descriptors_of_self, 0, 0 },
        { "/proc/self/comm is ours", memory_of_self, 0, 0 },
        { "readlink below the keeper", object_of_somebody, 0, 0 },
        { "readlink below the forwarder", object_of_somebody, 1, 0 },
        { "readlink below the sidecar", object_of_somebody, 2, 0 },
        { "readlink below a process of root", object_of_somebody, 3, 0 },
        { "stat below the keeper", object_of_somebody, 0, 1 },
        { "stat below the forwarder", object_of_somebody, 1, 1 },
        { "stat below the sidecar", object_of_somebody, 2, 1 },
        { "stat below a process of root", object_of_somebody, 3, 1 },
        { "access below the keeper", object_of_somebody, 0, 2 },
        { "access below the forwarder", object_of_somebody, 1, 2 },
        { "statfs below the forwarder", object_of_somebody, 1, 3 },
        { "what workers have open", objects_of_workers, 0, 0 },
        { "truncate by a descriptor of the proxy", through_descriptor, 0, 0 },
        { "chmod by a descriptor of the proxy", through_descriptor, 1, 0 },
        { "link to a descriptor of the proxy", through_descriptor, 2, 0 },
        { "open a descriptor of the proxy", through_descriptor, 3, 0 },
        { "chown by a descriptor of the proxy", through_descriptor, 4, 0 },
        { "open a descriptor of the proxy with O_PATH", through_descriptor, 5, 0 },
        { "access to a descriptor of the proxy", through_descriptor, 6, 0 },
        { "memory of the keeper", memory_of_somebody, 0, 0 },
        { "memory of the forwarder", memory_of_somebody, 1, 0 },
        { "memory of the sidecar", memory_of_somebody, 2, 0 },
        { "memory of a process of root", memory_of_somebody, 3, 0 },
        { "/dev/fd is ours", device_link, 0, 0 },
        { "/dev/./fd is ours", device_link, 1, 0 },
        { "//dev/fd is ours", device_link, 2, 0 },
        { "/dev//fd is ours", device_link, 3, 0 },
        { "/usr/../dev/fd is ours", device_link, 4, 0 },
};

const struct family links_family = { "links", sizeof(attacks) / sizeof(*attacks), attacks };
