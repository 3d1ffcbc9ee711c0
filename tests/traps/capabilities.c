/* Capabilities that come and go, and programs that bring some. */
#define _GNU_SOURCE
#include "caps.h"
#include "trap.h"

#include <grp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

enum { SOMEBODY = 1234, ELSE = 2345 };

static uint64_t reading(void) {
        return bit_of(CAP_DAC_OVERRIDE) | bit_of(CAP_DAC_READ_SEARCH);
}

static void make_elses_file(const char *path) {
        make_file(path, 0600, "else's");
        MUST(chown(path, ELSE, ELSE));
}

static void dropped(void) {
        needs_root();
        make_elses_file("secret");
        HOLDS(has_text("secret", "else's"));
        drop(reading());
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
        FAILS(mkdir("secret/x", 0755), ENOTDIR);
        drop(0);
        HOLDS(has_text("secret", "else's"));
}

static void dropped_others(void) {
        needs_root();
        make_elses_file("elses");
        make_file("own", 0644, "");
        drop(bit_of(CAP_CHOWN) | bit_of(CAP_FOWNER) | bit_of(CAP_MKNOD));
        FAILS(chown("own", SOMEBODY, -1), EPERM);
        FAILS(chmod("elses", 0644), EPERM);
        FAILS(mknod("device", S_IFCHR | 0600, 0x103), EPERM);
        FAILS(utimensat(AT_FDCWD, "elses", (struct timespec[2]){{1, 0}, {1, 0}}, 0), EPERM);
        MUST(mknod("fifo", S_IFIFO | 0600, 0));
        MUST(chmod("own", 0600));
        drop(0);
        MUST(chown("own", SOMEBODY, -1));
}

/* A user with a capability is more than a user. */
static void kept(void) {
        needs_root();
        make_elses_file("secret");
        or_refused(prctl(PR_SET_KEEPCAPS, 1), "prctl");
        MUST(setgroups(0, NULL));
        MUST(setresuid(SOMEBODY, SOMEBODY, SOMEBODY));
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
        set_effective(bit_of(CAP_DAC_READ_SEARCH));
        HOLDS(has_text("secret", "else's"));
        FAILS(open("secret", O_WRONLY | O_CLOEXEC), EACCES);
        // access() asks what the real user may without the effective set: all that is permitted only counts for root.
        FAILS(access("secret", R_OK), EACCES);
        set_effective(0);
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
}

/* Root without root's privileges. */
static void secure_bits(void) {
        needs_root();
        make_elses_file("secret");
        or_refused(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NO_SETUID_FIXUP), "prctl");
        EXPECT(helper("helper", "open", "secret", NULL), EACCES);
        MUST(seteuid(SOMEBODY));
        // Without the fix-up of user ids, the effective set stays.
        HOLDS(has_text("secret", "else's"));
}

/* What the bounding set has lost, no program brings back. */
static void bounding_set(void) {
        needs_root();
        make_elses_file("secret");
        EXPECT(helper("helper", "open", "secret", NULL), 0);
        or_refused(prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE), "prctl");
        MUST(prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH));
        HOLDS(has_text("secret", "else's"));
        EXPECT(helper("helper", "open", "secret", NULL), EACCES);
        EXPECT(helper("helper-static", "open", "secret", NULL), EACCES);
}

/* A copy of the helper that may have another owner. */
static const char *copy_helper(mode_t mode) {
        static char path[4096];
        char block[16384];
        int from = (int) MUST(open(beside("helper-static"), O_RDONLY | O_CLOEXEC)), to;
        ssize_t n;

        to = (int) MUST(open("program", O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
        while ((n = read(from, block, sizeof(block))) > 0)
                EXPECT(write(to, block, (size_t) n), n);
        MUST(fchmod(to, mode));
        MUST(close(to));
        HOLDS(realpath("program", path));
        return path;
}

static void become_somebody(void) {
        MUST(chmod(".", 0777));
        or_refused(setgroups(0, NULL), "setgroups");
        MUST(setresgid(SOMEBODY, SOMEBODY, SOMEBODY));
        MUST(setresuid(SOMEBODY, SOMEBODY, SOMEBODY));
}

static void needs_privileged_programs(void) {
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
                trap_skip("no new privileges here");
}

static void setuid_program(void) {
        const char *program;
        struct stat status;

        needs_root();
        needs_privileged_programs();
        make_file("secret", 0600, "root's");
        program = copy_helper(04755);
        become_somebody();
        EXPECT(helper("helper", "open", "secret", NULL), EACCES);
        EXPECT(helper(program, "open", "secret", NULL), 0);
        EXPECT(helper(program, "text", "secret", "root's"), 0);
        EXPECT(helper(program, "access", "secret", NULL), EACCES);
        EXPECT(helper(program, "eaccess", "secret", NULL), 0);
        EXPECT(helper(program, "create", "made", NULL), 0);
        MUST(stat("made", &status));
        HOLDS(status.st_uid == 0 && status.st_gid == SOMEBODY);
        FAILS(open("secret", O_RDONLY | O_CLOEXEC), EACCES);
}

static void setgid_program(void) {
        const char *program;

        needs_root();
        needs_privileged_programs();
        make_file("shared", 0040, "");
        MUST(chown("shared", 0, ELSE));
        program = copy_helper(0755);
        MUST(chown(program, 0, ELSE));
        MUST(chmod(program, 02755));
        become_somebody();
        EXPECT(helper("helper", "open", "shared", NULL), EACCES);
        EXPECT(helper(program, "open", "shared", NULL), 0);
}

static void file_capability(void) {
        const struct vfs_ns_cap_data capability = {
                .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                .data[0].permitted = 1 << CAP_DAC_READ_SEARCH,
        };
        const char *program;

        needs_root();
        needs_privileged_programs();
        make_file("secret", 0600, "root's");
        program = copy_helper(0755);
        if (setxattr(program, "security.capability", &capability, XATTR_CAPS_SZ_2, 0) < 0)
                trap_skip("this file system has no capabilities");
        become_somebody();
        EXPECT(helper(program, "open", "secret", NULL), 0);
        EXPECT(helper(program, "create", "made", NULL), 0);
}

TRAPS({"a dropped capability is gone at once, and back", dropped},
      {"each capability counts on its own", dropped_others},
      {"a user may keep a capability", kept},
      {"root is a user like others with the secure bits", secure_bits},
      {"the bounding set counts from the next program on", bounding_set},
      {"a setuid program is its owner", setuid_program},
      {"a setgid program is in its group", setgid_program},
      {"a program may have a capability", file_capability})
