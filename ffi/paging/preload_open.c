/* The descriptors of files that are mapped, or were. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload.h"

/* Files whose mappings are the kernel's. */
struct left_file {
        struct left_file *next;
        dev_t device;
        ino_t inode;
};
static struct left_file *left_files;

void file_leave_to_kernel(const struct paged_file *file) {
        struct left_file *left = malloc(sizeof(*left));

        if (!left)
                return;
        *left = (struct left_file) { left_files, file->device, file->inode };
        left_files = left;
}

bool file_is_left(const struct stat *file) {
        for (const struct left_file *left = left_files; left; left = left->next)
                if (left->inode == file->st_ino && left->device == file->st_dev)
                        return true;
        return false;
}

static bool is_same(const struct paged_file *file, int fd) {
        struct stat status;

        return fstat(fd, &status) == 0 && status.st_ino == file->inode && status.st_dev == file->device;
}

static bool is_a_descriptor_of_ours(int fd) {
        for (struct paged_file *file = preload.open_files; file; file = file->next)
                if (file->fd == fd)
                        return true;
        return false;
}

/* Whether the program has the file open by another descriptor. */
static bool is_open_elsewhere(const struct paged_file *file, int except) {
        DIR *list = opendir("/proc/self/fd");
        bool is_open = false;

        for (struct dirent *entry = list ? readdir(list) : NULL; entry && !is_open; entry = readdir(list)) {
                int fd = atoi(entry->d_name);

                is_open = *entry->d_name != '.' && fd != except && !is_a_descriptor_of_ours(fd) && is_same(file, fd);
        }
        if (list)
                closedir(list);
        return is_open;
}

struct paged_file *file_take(int fd, const struct stat *status, bool is_writable) {
        struct paged_file *file = preload.open_files;

        while (file && (file->inode != status->st_ino || file->device != status->st_dev || file->is_writable < is_writable))
                file = file->next;
        if (!file) {
                file = calloc(1, sizeof(*file));
                if (!file)
                        return NULL;
                *file = (struct paged_file) {
                        .next = preload.open_files,
                        .device = status->st_dev,
                        .inode = status->st_ino,
                        .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3),
                        .is_writable = is_writable,
                };
                if (file->fd < 0) {
                        free(file);
                        return NULL;
                }
                preload.open_files = file;
        }
        file->mappings++;
        return file;
}

static void leave(struct paged_file *file, int except) {
        struct paged_file **link = &preload.open_files;

        if (file->mappings || is_open_elsewhere(file, except))
                return;
        while (*link != file)
                link = &(*link)->next;
        *link = file->next;
        syscall(SYS_close, file->fd);
        free(file);
}

void file_leave(struct paged_file *file) {
        file->mappings--;
        leave(file, -1);
}

bool file_closing(int fd) {
        struct paged_file *following;
        bool is_ours;

        table_lock();
        is_ours = is_a_descriptor_of_ours(fd);
        for (struct paged_file *file = preload.open_files; file && !is_ours; file = following) {
                following = file->next;
                if (!file->mappings && is_same(file, fd))
                        leave(file, fd);
        }
        table_unlock();
        return is_ours;
}
