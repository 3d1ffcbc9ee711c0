/* Kernel files. A loaded library is trusted with everything the process may do, whatever Deno was allowed: so it holds
 * itself to the trees below. Opening goes through openat2(2) beneath the root, without magic links: neither "..", nor
 * a symbolic link, nor /proc/PID/root leads out of it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "internal.h"

struct root {
        const char *path;
        int write; /* the tree may be changed */
        int fd;    /* 0 until first used */
};

/* Longest prefix first: /proc is for reading, two of its trees are for writing. */
static struct root roots[] = {
        { .path = "/proc/sys", .write = 1 },
        { .path = "/proc/irq", .write = 1 },
        { .path = "/proc", .write = 0 },
        { .path = "/sys", .write = 1 },
        { .path = "/dev/cpuset", .write = 1 },
        { .path = "/dev/cpu", .write = 0 },
        { .path = "/dev/hugepages", .write = 0 },
};

/* Memory of a process or of the kernel is never a kernel file of ours; a cgroup or a class of devices named mem is. */
static int is_memory(const char *path) {
        const char *name = strrchr(path, '/');

        if (strncmp(path, "/proc/", 6))
                return 0;
        name = name ? name + 1 : path;
        return !strcmp(name, "mem") || !strcmp(name, "kcore") || !strcmp(name, "kmem");
}

static int root_fd(struct root *root) {
        int fd = __atomic_load_n(&root->fd, __ATOMIC_ACQUIRE);
        int expected = 0;

        if (fd > 0)
                return fd;
        fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (!__atomic_compare_exchange_n(&root->fd, &expected, fd, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
                close(fd);
                fd = expected;
        }
        return fd;
}

/* Finds the root of a path; ret_rest becomes the part below it ("." for the root itself). -EACCES outside of all. */
static int find_root(const char *path, int write, struct root **ret_root, const char **ret_rest) {
        for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
                size_t length = strlen(roots[i].path);

                if (strncmp(path, roots[i].path, length) || (path[length] && path[length] != '/'))
                        continue;
                if (write && !roots[i].write)
                        return -EACCES;
                path += length;
                while (*path == '/')
                        path++;
                *ret_root = &roots[i];
                *ret_rest = *path ? path : ".";
                return 0;
        }
        return -EACCES;
}

/* What goes through "..", as links of sysfs do, is refused when anything is renamed on the machine just then: a moment later it is not. */
enum { OPEN_TRIES = 1000 };

int kernel_open(const char *path, int flags) {
        struct open_how how = { .flags = (uint64_t) flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
        int write = (flags & O_ACCMODE) != O_RDONLY;
        const char *rest;
        struct root *root;
        int fd, error, result = -EAGAIN;

        error = find_root(path, write, &root, &rest);
        if (error < 0)
                return error;
        if (is_memory(path))
                return -EACCES;
        fd = root_fd(root);
        if (fd < 0)
                return fd;
        for (int tries = 0; result == -EAGAIN && tries < OPEN_TRIES; tries++) {
                result = (int) syscall(SYS_openat2, fd, rest, &how, sizeof(how));
                if (result < 0)
                        result = -errno;
        }
        return result;
}

/* What is asked for at once: /proc/sys allocates as much, and refuses (ENOMEM) above 4 MiB. */
enum { CHUNK_SIZE = 16 * 1024 };

int32_t kernel_read(int fd, uint8_t *ret_data, int32_t size) {
        int32_t used = 0;

        while (used < size) {
                int32_t room = size - used;
                ssize_t n = read(fd, ret_data + used, (size_t) (room < CHUNK_SIZE ? room : CHUNK_SIZE));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0) {
                        ret_data[used] = 0;
                        return used;
                }
                used += (int32_t) n;
        }
        return -EFBIG;
}

int32_t kernel_read_path(const char *path, uint8_t *ret_data, int32_t size) {
        CLEANUP_FD int fd = kernel_open(path, O_RDONLY);

        return fd < 0 ? fd : kernel_read(fd, ret_data, size);
}

static int32_t file_write(const char *path, const uint8_t *data, int32_t size) {
        CLEANUP_FD int fd = kernel_open(path, O_WRONLY);
        ssize_t n;

        if (fd < 0)
                return fd;
        do
                n = write(fd, data, (size_t) size);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return n == size ? size : -EIO;
}

/* Opens the directory that holds the last part of path; ret_name becomes that part. */
static int open_parent(const char *path, int write, const char **ret_name) {
        char parent[4096];
        const char *slash = strrchr(path, '/');
        const char *rest;
        struct root *root;
        size_t length;
        int error;

        error = find_root(path, write, &root, &rest);
        if (error < 0)
                return error;
        if (!slash || !slash[1] || !strcmp(slash + 1, ".") || !strcmp(slash + 1, ".."))
                return -EINVAL;
        length = (size_t) (slash - path);
        if (length >= sizeof(parent))
                return -ENAMETOOLONG;
        memcpy(parent, path, length);
        parent[length] = 0;
        *ret_name = slash + 1;
        return kernel_open(parent, O_RDONLY | O_DIRECTORY);
}

static int32_t file_link(const char *path, uint8_t *ret_target, int32_t size) {
        const char *name;
        CLEANUP_FD int fd = open_parent(path, 0, &name);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = readlinkat(fd, name, (char *) ret_target, (size_t) size);
        return n < 0 ? -errno : (int32_t) n;
}

/* mode is that of access(2): 0 exists, 2 writable. */
static int32_t file_access(const char *path, int32_t mode) {
        CLEANUP_FD int fd = kernel_open(path, O_PATH);

        if (fd < 0)
                return fd;
        return syscall(SYS_faccessat2, fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -errno : 0;
}

int32_t directory_list(int fd, uint8_t *ret_names, int32_t size) {
        struct dirent *entry;
        int32_t used = 0;
        DIR *dir;

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                int error = errno;

                close(fd);
                return -error;
        }
        while (errno = 0, (entry = readdir(dir))) {
                size_t length = strlen(entry->d_name) + 1;

                if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
                        continue;
                if ((size_t) (size - used) < length + 1) {
                        used = -EFBIG;
                        break;
                }
                ret_names[used++] = entry->d_type == DT_DIR ? 'd' : entry->d_type == DT_LNK ? 'l' : 'f';
                memcpy(ret_names + used, entry->d_name, length);
                used += (int32_t) length;
        }
        if (used >= 0 && errno)
                used = -errno;
        closedir(dir);
        return used;
}

static int32_t dir_make(const char *path) {
        const char *name;
        CLEANUP_FD int fd = open_parent(path, 1, &name);

        if (fd < 0)
                return fd;
        return mkdirat(fd, name, 0755) < 0 ? -errno : 0;
}

static int32_t dir_remove(const char *path) {
        const char *name;
        CLEANUP_FD int fd = open_parent(path, 1, &name);

        if (fd < 0)
                return fd;
        return unlinkat(fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int32_t nodeos_file(struct nodeos_file_call call, const char *path, uint8_t *data) {
        switch (call.action) {
        case NODEOS_FILE_READ:
                return kernel_read_path(path, data, call.size);
        case NODEOS_FILE_WRITE:
                return file_write(path, data, call.size);
        case NODEOS_FILE_LINK:
                return file_link(path, data, call.size);
        case NODEOS_FILE_EXISTS:
                return file_access(path, F_OK);
        case NODEOS_FILE_WRITABLE:
                return file_access(path, W_OK);
        case NODEOS_FILE_LIST:
                return directory_list(kernel_open(path, O_RDONLY | O_DIRECTORY), data, call.size);
        case NODEOS_FILE_MAKE:
                return dir_make(path);
        case NODEOS_FILE_REMOVE:
                return dir_remove(path);
        default:
                return -EINVAL;
        }
}
