/* Who the caller is: umask, users, groups, and changes of them between two calls. */
#define _GNU_SOURCE
#include "trap.h"

#include <grp.h>
#include <sys/fsuid.h>

enum { SOMEBODY = 1234, ELSE = 2345, GROUP = 5678 };

static mode_t mode_of(const char *path) {
        struct stat status;

        MUST(lstat(path, &status));
        return status.st_mode & 07777;
}

static bool belongs(const char *path, uid_t uid, gid_t gid) {
        struct stat status;

        MUST(lstat(path, &status));
        return status.st_uid == uid && status.st_gid == gid;
}

/* From here on the process is somebody else, for good. */
static void become(uid_t uid, gid_t gid) {
        or_refused(setgroups(0, NULL), "setgroups");
        MUST(setresgid(gid, gid, gid));
        MUST(setresuid(uid, uid, uid));
}

static void umasks(void) {
        umask(0);
        MUST(mkdir("d0", 01777));
        MUST(close(open("f0", O_CREAT | O_WRONLY | O_CLOEXEC, 0666)));
        HOLDS(mode_of("d0") == 01777 && mode_of("f0") == 0666);
        umask(077);
        MUST(mkdir("d7", 0777));
        MUST(close(open("f7", O_CREAT | O_WRONLY | O_CLOEXEC, 0666)));
        MUST(mknod("p7", S_IFIFO | 0666, 0));
        HOLDS(mode_of("d7") == 0700 && mode_of("f7") == 0600 && mode_of("p7") == 0600);
        umask(0777);
        MUST(mkdir("none", 0777));
        HOLDS(mode_of("none") == 0);
        umask(027);
        MUST(mkdir("again", 0777));
        HOLDS(mode_of("again") == 0750);
        EXPECT(umask(022), 027);
}

static void umask_in_child(void) {
        umask(077);
        MUST(mkdir("child", 0777));
}

static void umask_of_each(void) {
        EXPECT(in_child(umask_in_child), 0);
        MUST(mkdir("parent", 0777));
        HOLDS(mode_of("child") == 0700 && mode_of("parent") == 0755);
}

static void effective_user(void) {
        needs_root();
        make_file("secret", 0600, "root's");
        MUST(chmod(".", 0777));
        or_refused(setegid(GROUP), "setegid");
        or_refused(seteuid(SOMEBODY), "seteuid");
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(mkdir("mine", 0700));
        HOLDS(belongs("mine", SOMEBODY, GROUP));
        MUST(seteuid(0));
        MUST(setegid(0));
        HOLDS(has_text("secret", "root's"));
        MUST(mkdir("roots", 0700));
        HOLDS(belongs("roots", 0, 0));
}

static void for_good(void) {
        needs_root();
        make_file("secret", 0600, "root's");
        MUST(chmod(".", 0777));
        become(SOMEBODY, GROUP);
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(access("secret", R_OK), EACCES);
        FAILS(chmod("secret", 0644), EPERM);
        FAILS(chown("secret", SOMEBODY, GROUP), EPERM);
        FAILS(truncate("secret", 0), EACCES);
        make_file("mine", 0000, "");
        FAILS(open("mine", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(chmod("mine", 0600));
        HOLDS(belongs("mine", SOMEBODY, GROUP));
        FAILS(mknod("device", S_IFCHR | 0600, 0x103), EPERM);
        FAILS(chown("mine", ELSE, -1), EPERM);
}

static void ordinary_user(void) {
        if (geteuid() == 0)
                trap_skip("needs another user than root");
        FAILS(open("/etc/shadow", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(access("/etc/shadow", R_OK), EACCES);
        FAILS(mkdir("/etc/x", 0755), EACCES);
        FAILS(chmod("/", 0777), EPERM);
        make_file("mine", 0000, "");
        FAILS(open("mine", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(mknod("device", S_IFCHR | 0600, 0x103), EPERM);
        FAILS(chown("mine", 0, -1), EPERM);
        MUST(chown("mine", -1, getegid()));
}

static void file_system_user(void) {
        needs_root();
        make_file("secret", 0600, "root's");
        MUST(chmod(".", 0777));
        setfsgid(GROUP);
        setfsuid(SOMEBODY);
        if (setfsuid(-1) != SOMEBODY)
                trap_skip("setfsuid is refused");
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(mkdir("mine", 0700));
        HOLDS(belongs("mine", SOMEBODY, GROUP));
        EXPECT(geteuid(), 0);
        setfsuid(0);
        setfsgid(0);
        HOLDS(has_text("secret", "root's"));
}

static void groups(void) {
        gid_t many[300];

        needs_root();
        make_file("shared", 0640, "for the group");
        MUST(chown("shared", 0, GROUP));
        MUST(chmod(".", 0777));
        for (int i = 0; i < 300; i++)
                many[i] = (gid_t) (GROUP - 299 + i); // the kernel sorts them: ours is the last one
        or_refused(setgroups(300, many), "setgroups");
        MUST(seteuid(SOMEBODY));
        HOLDS(has_text("shared", "for the group"));
        MUST(seteuid(0));
        MUST(setgroups(299, many));
        MUST(seteuid(SOMEBODY));
        FAILS(open("shared", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(seteuid(0));
        MUST(setgroups(1, &many[299]));
        MUST(seteuid(SOMEBODY));
        HOLDS(has_text("shared", "for the group"));
}

/* access() asks for the real user, everything else for the effective one. */
static void real_user(void) {
        needs_root();
        make_file("roots", 0600, "root's");
        or_refused(setresuid(SOMEBODY, 0, 0), "setresuid");
        HOLDS(has_text("roots", "root's"));
        FAILS(access("roots", R_OK), EACCES);
        FAILS(faccessat(AT_FDCWD, "roots", R_OK, 0), EACCES);
        MUST(faccessat(AT_FDCWD, "roots", R_OK, AT_EACCESS));
        MUST(setresuid(0, SOMEBODY, 0));
        FAILS(open("roots", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(access("roots", R_OK));
        FAILS(faccessat(AT_FDCWD, "roots", R_OK, AT_EACCESS), EACCES);
}

static void real_group(void) {
        needs_root();
        make_file("shared", 0040, "");
        MUST(chown("shared", ELSE, GROUP));
        or_refused(setgroups(0, NULL), "setgroups");
        MUST(setresgid(GROUP, SOMEBODY, 0));
        MUST(setresuid(SOMEBODY, SOMEBODY, SOMEBODY));
        MUST(access("shared", R_OK));
        FAILS(open("shared", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(faccessat(AT_FDCWD, "shared", R_OK, AT_EACCESS), EACCES);
}

/* With CAP_DAC_OVERRIDE, a file that nobody may execute cannot be executed all the same. */
static void executable(void) {
        make_file("plain", 0644, "");
        FAILS(access("plain", X_OK), EACCES);
        MUST(chmod("plain", 0100));
        MUST(access("plain", X_OK));
}

static void sticky(void) {
        needs_root();
        MUST(mkdir("all", 0777));
        MUST(chmod("all", 01777));
        make_file("all/elses", 0666, "");
        MUST(chown("all/elses", ELSE, ELSE));
        make_file("all/mine", 0666, "");
        MUST(chown("all/mine", SOMEBODY, SOMEBODY));
        become(SOMEBODY, SOMEBODY);
        FAILS(unlink("all/elses"), EPERM);
        FAILS(rename("all/elses", "all/other"), EPERM);
        FAILS(rename("all/mine", "all/elses"), EPERM);
        MUST(rename("all/mine", "all/still-mine"));
        MUST(unlink("all/still-mine"));
}

static void setgid_directory(void) {
        gid_t group = geteuid() == 0 ? GROUP : getegid();

        umask(0);
        MUST(mkdir("of-group", 0777));
        MUST(chown("of-group", -1, group));
        MUST(chmod("of-group", 02777));
        MUST(mkdir("of-group/d", 0777));
        make_file("of-group/f", 0644, "");
        HOLDS(mode_of("of-group/d") == 02777);
        HOLDS(belongs("of-group/d", geteuid(), group) && belongs("of-group/f", geteuid(), group));
        if (geteuid() != 0)
                return;
        become(SOMEBODY, SOMEBODY);
        MUST(close(open("of-group/theirs", O_CREAT | O_WRONLY | O_CLOEXEC, 02777)));
        HOLDS(belongs("of-group/theirs", SOMEBODY, GROUP));
        // Who is not in the group cannot make a program that runs as the group.
        HOLDS((mode_of("of-group/theirs") & S_ISGID) == 0);
}

static void privileged_bits(void) {
        needs_root();
        make_file("program", 06755, "");
        MUST(chown("program", SOMEBODY, SOMEBODY));
        HOLDS(mode_of("program") == 0755);
        MUST(chmod("program", 06755));
        become(SOMEBODY, GROUP);
        MUST(chmod("program", 06755));
        HOLDS(mode_of("program") == 04755);
        MUST(truncate("program", 1));
        HOLDS(mode_of("program") == 0755);
}

static int setting(const char *path) {
        char text[16] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                trap_skip("cannot read %s", path);
        return atoi(text);
}

/* Who may not write a file may not link it either, where the machine says so. */
static void foreign_links(void) {
        needs_root();
        if (setting("/proc/sys/fs/protected_hardlinks") == 0)
                trap_skip("fs.protected_hardlinks is off");
        make_file("roots", 0644, "");
        MUST(chmod(".", 0777));
        become(SOMEBODY, SOMEBODY);
        FAILS(link("roots", "mine"), EPERM);
        make_file("own", 0644, "");
        MUST(link("own", "mine"));
}

/* A link in a sticky directory is followed by its owner only, where the machine says so. */
static void foreign_symlinks(void) {
        needs_root();
        if (setting("/proc/sys/fs/protected_symlinks") == 0)
                trap_skip("fs.protected_symlinks is off");
        make_file("target", 0644, "text");
        MUST(mkdir("all", 0777));
        MUST(chmod("all", 01777));
        MUST(symlink("../target", "all/link"));
        MUST(lchown("all/link", ELSE, ELSE));
        become(SOMEBODY, SOMEBODY);
        FAILS(open("all/link", O_RDONLY | O_CLOEXEC), EACCES);
        MUST(symlink("../target", "all/mine"));
        HOLDS(has_text("all/mine", "text"));
}

TRAPS({"each umask counts for what is created after it", umasks},
      {"a child has a umask of its own", umask_of_each},
      {"a change of the effective user counts at once, and back", effective_user},
      {"who has become somebody else has no more rights than they", for_good},
      {"an ordinary user may do what an ordinary user may", ordinary_user},
      {"a change of the file-system user counts at once, and back", file_system_user},
      {"supplementary groups count, all 300 of them", groups},
      {"access asks for the real user", real_user},
      {"access asks for the real group", real_group},
      {"nobody executes a file without a bit for it", executable},
      {"in a sticky directory only owners remove", sticky},
      {"a setgid directory hands down its group", setgid_directory},
      {"setuid and setgid bits go when they must", privileged_bits},
      {"protected hard links are kept", foreign_links},
      {"protected symbolic links are kept", foreign_symlinks})
