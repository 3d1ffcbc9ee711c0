/* Root directories, mounts and namespaces of the caller. */
#define _GNU_SOURCE
#include "trap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <linux/magic.h>

static void changed_root(void) {
        struct stat inside, top;

        needs_root();
        MUST(mkdir("root", 0755));
        MUST(mkdir("root/d", 0755));
        make_file("root/d/f", 0644, "inside");
        make_file("outside", 0644, "outside");
        MUST(symlink("/d/f", "root/link"));
        or_refused(chroot("root"), "chroot");
        HOLDS(has_text("/d/f", "inside"));
        HOLDS(has_text("outside", "outside")); // the working directory has not changed
        HOLDS(has_text("root/link", "inside"));
        MUST(chdir("/"));
        HOLDS(has_text("link", "inside"));
        FAILS(open("../outside", O_RDONLY | O_CLOEXEC), ENOENT);
        FAILS(open("/etc/passwd", O_RDONLY | O_CLOEXEC), ENOENT);
        MUST(stat("/..", &inside));
        MUST(stat("/", &top));
        EXPECT(inside.st_ino, top.st_ino);
        MUST(mkdir("/made", 0755));
        FAILS(stat("/proc/self", &inside), ENOENT);
}

static void go_inside(void) {
        or_refused(chroot("root"), "chroot");
        MUST(chdir("/"));
        MUST(mkdir("by-child", 0755));
}

static void root_of_child(void) {
        needs_root();
        EXPECT(in_child(changed_root), 0);
        EXPECT(in_child(go_inside), 0);
        HOLDS(access("root/by-child", F_OK) == 0 && access("/etc/passwd", F_OK) == 0);
}

static void *other_root(void *unused) {
        (void) unused;
        or_refused(unshare(CLONE_FS), "unshare");
        or_refused(chroot("root"), "chroot");
        HOLDS(access("/f", F_OK) == 0);
        FAILS(access("/etc/passwd", F_OK), ENOENT);
        return NULL;
}

static void root_of_thread(void) {
        pthread_t thread;

        needs_root();
        MUST(mkdir("root", 0755));
        make_file("root/f", 0644, "");
        EXPECT(pthread_create(&thread, NULL, other_root, NULL), 0);
        EXPECT(pthread_join(thread, NULL), 0);
        HOLDS(access("/etc/passwd", F_OK) == 0);
        FAILS(access("/f", F_OK), ENOENT);
}

static void own_mounts(void) {
        needs_root();
        or_refused(unshare(CLONE_NEWNS), "unshare");
        MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

static void mount_here(void) {
        or_refused(mount("none", "mount", "tmpfs", 0, "size=1m"), "mount");
}

static void mounts(void) {
        struct statfs status;

        own_mounts();
        MUST(mkdir("mount", 0755));
        make_file("mount/below", 0644, "");
        mount_here();
        MUST(statfs("mount", &status));
        EXPECT(status.f_type, TMPFS_MAGIC);
        make_file("mount/f", 0644, "in memory");
        HOLDS(has_text("mount/f", "in memory"));
        FAILS(access("mount/below", F_OK), ENOENT);
        FAILS(link("mount/f", "f"), EXDEV);
        FAILS(rename("mount/f", "f"), EXDEV);
        MUST(umount("mount"));
        HOLDS(access("mount/below", F_OK) == 0);
}

/* Right after a call nobody holds anything of the file system any more. */
static void not_busy(void) {
        struct stat status;
        int fd;

        own_mounts();
        MUST(mkdir("mount", 0755));
        for (int i = 0; i < 50; i++) {
                mount_here();
                make_file("mount/f", 0644, "text");
                MUST(stat("mount/f", &status));
                MUST(chdir("mount"));
                MUST(mkdir("d", 0755));
                fd = (int) MUST(open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
                MUST(mkdirat(fd, "e", 0755));
                FAILS(umount("../mount"), EBUSY);
                MUST(close(fd));
                MUST(chdir(".."));
                MUST(umount("mount"));
        }
}

static void read_only(void) {
        own_mounts();
        MUST(mkdir("mount", 0755));
        mount_here();
        make_file("mount/f", 0644, "text");
        MUST(mount(NULL, "mount", NULL, MS_REMOUNT | MS_RDONLY, NULL));
        FAILS(open("mount/f", O_RDWR | O_CLOEXEC), EROFS);
        FAILS(mkdir("mount/d", 0755), EROFS);
        FAILS(access("mount/f", W_OK), EROFS);
        FAILS(chmod("mount/f", 0600), EROFS);
        HOLDS(has_text("mount/f", "text"));
        MUST(umount("mount"));
}

/* In its user namespace the caller is root from here on. */
static void become_root_inside(uid_t uid, gid_t gid) {
        int fd = (int) MUST(open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC));
        char map[64];

        snprintf(map, sizeof(map), "0 %u 1\n", uid);
        EXPECT(write(fd, map, strlen(map)), strlen(map));
        MUST(close(fd));
        fd = (int) MUST(open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC));
        EXPECT(write(fd, "deny", 4), 4);
        MUST(close(fd));
        fd = (int) MUST(open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC));
        snprintf(map, sizeof(map), "0 %u 1\n", gid);
        EXPECT(write(fd, map, strlen(map)), strlen(map));
        MUST(close(fd));
        EXPECT(geteuid(), 0);
}

/* A user namespace of the caller's own: it is root there, and nowhere else. */
static void own_users(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        struct stat status;

        if (unshare(CLONE_NEWUSER) < 0)
                trap_skip("unshare is refused");
        become_root_inside(uid, gid);
        MUST(mkdir("made", 0755));
        MUST(stat("made", &status));
        EXPECT(status.st_uid, 0);
        FAILS(chown("made", 1, -1), EINVAL); // nobody by that number is in the namespace
        FAILS(mknod("device", S_IFCHR | 0600, 0x103), EPERM);
        if (uid != 0)
                FAILS(open("/etc/shadow", O_RDONLY | O_CLOEXEC), EACCES);
}

static void users_and_mounts(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        struct statfs status;

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                trap_skip("unshare is refused");
        become_root_inside(uid, gid);
        MUST(mkdir("mount", 0755));
        if (mount("none", "mount", "tmpfs", 0, "size=1m") < 0)
                trap_skip("mount is refused");
        MUST(statfs("mount", &status));
        EXPECT(status.f_type, TMPFS_MAGIC);
        MUST(mkdir("mount/d", 0755));
        MUST(chdir("mount/d"));
        FAILS(mkdir("../d", 0755), EEXIST);
}

TRAPS({"a path begins at the caller's root", changed_root},
      {"a child may have another root", root_of_child},
      {"a thread may have another root", root_of_thread},
      {"a mount is seen at once", mounts},
      {"a file system is not busy after the last close", not_busy},
      {"a read-only file system is read only", read_only},
      {"in a user namespace the caller has the rights of its root", own_users},
      {"in a mount namespace the caller has its own files", users_and_mounts})
