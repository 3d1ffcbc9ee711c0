/* Calls by their older numbers, as old programs and some libraries still make them. */
#define _GNU_SOURCE
#include "trap.h"

#ifdef SYS_open

#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <utime.h>

static void opened(void) {
        int fd = (int) MUST(syscall(SYS_open, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0640));
        struct stat status;

        MUST(close(fd));
        fd = (int) MUST(syscall(SYS_creat, "g", 0604));
        EXPECT(fcntl(fd, F_GETFD), 0);
        EXPECT(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
        MUST(syscall(SYS_stat, "f", &status));
        EXPECT(status.st_mode & 0777, 0640);
        MUST(syscall(SYS_lstat, "g", &status));
        EXPECT(status.st_mode & 0777, 0604);
        FAILS(syscall(SYS_stat, "none", &status), ENOENT);
        FAILS(syscall(SYS_stat, nowhere(), &status), EFAULT);
        FAILS(syscall(SYS_stat, "f", nowhere()), EFAULT);
        MUST(syscall(SYS_fstat, fd, &status));
        EXPECT(status.st_mode & 0777, 0604);
}

static void made(void) {
        struct stat status;

        umask(027);
        MUST(syscall(SYS_mkdir, "d", 0777));
        MUST(stat("d", &status));
        EXPECT(status.st_mode & 0777, 0750);
        FAILS(syscall(SYS_mkdir, "d", 0777), EEXIST);
        MUST(syscall(SYS_mknod, "fifo", S_IFIFO | 0666, 0));
        MUST(stat("fifo", &status));
        EXPECT(status.st_mode, S_IFIFO | 0640);
        make_file("f", 0644, "text");
        MUST(syscall(SYS_link, "f", "d/g"));
        MUST(syscall(SYS_symlink, "g", "d/link"));
        MUST(syscall(SYS_rename, "f", "d/h"));
        HOLDS(has_text("d/g", "text") && has_text("d/h", "text") && has_text("d/link", "text"));
        MUST(syscall(SYS_unlink, "d/g"));
        FAILS(syscall(SYS_rmdir, "d"), ENOTEMPTY);
        MUST(syscall(SYS_unlink, "d/h"));
        MUST(syscall(SYS_unlink, "d/link"));
        MUST(syscall(SYS_rmdir, "d"));
}

static void changed(void) {
        const struct utimbuf old = {100, 200};
        const struct timeval older[2] = {{300, 0}, {400, 500000}};
        struct stat status;

        make_file("f", 0644, "0123456789");
        MUST(syscall(SYS_chmod, "f", 0600));
        MUST(syscall(SYS_chown, "f", geteuid(), getegid()));
        MUST(syscall(SYS_lchown, "f", geteuid(), getegid()));
        MUST(syscall(SYS_truncate, "f", 3));
        MUST(syscall(SYS_utime, "f", &old));
        MUST(stat("f", &status));
        HOLDS(status.st_atime == 100 && status.st_mtime == 200 && status.st_size == 3 && (status.st_mode & 0777) == 0600);
        MUST(syscall(SYS_utimes, "f", older));
        MUST(stat("f", &status));
        HOLDS(status.st_atime == 300 && status.st_mtim.tv_nsec == 500000000);
        MUST(syscall(SYS_futimesat, AT_FDCWD, "f", NULL));
        MUST(stat("f", &status));
        HOLDS(status.st_mtime > 1000000);
        MUST(syscall(SYS_utime, "f", NULL));
        FAILS(syscall(SYS_utime, "f", nowhere()), EFAULT);
        FAILS(syscall(SYS_utimes, "none", older), ENOENT);
}

static void looked_at(void) {
        char room[4096];

        make_file("f", 0444, "");
        MUST(symlink("target", "link"));
        EXPECT(syscall(SYS_readlink, "link", room, sizeof(room)), 6);
        EXPECT(syscall(SYS_readlink, "link", room, 3), 3);
        MUST(syscall(SYS_access, "f", R_OK));
        FAILS(syscall(SYS_access, "f", X_OK), EACCES);
        FAILS(syscall(SYS_access, "f", 0x1000), EINVAL);
        FAILS(syscall(SYS_access, "none", F_OK), ENOENT);
        MUST(syscall(SYS_chdir, "."));
        HOLDS(MUST(syscall(SYS_getcwd, room, sizeof(room))) > 1);
}

static void entries(void) {
        int fd = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        char room[512];

        make_file("f", 0644, "");
        HOLDS(MUST(syscall(SYS_getdents, fd, room, sizeof(room))) > 0);
        EXPECT(syscall(SYS_getdents, fd, room, sizeof(room)), 0);
}

TRAPS({"open, creat, stat, lstat and fstat", opened},
      {"mkdir, mknod, link, symlink, rename, unlink and rmdir", made},
      {"chmod, chown, truncate, utime, utimes and futimesat", changed},
      {"readlink and access", looked_at},
      {"getdents", entries})

#else

static void none(void) {
        trap_skip("this architecture has only the newer numbers");
}

TRAPS({"older numbers", none})

#endif
