/* Whether the peer is still what it was when it got its agent. It may have given up rights since, and whoever took it over
 * then must not find them here. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "identity.h"

/* Where somebody stands; another root or user namespace is another place. */
struct place {
        dev_t root_device, namespace_device;
        ino_t root, namespace;
};

static struct {
        const struct identity *identity;
        int32_t pid;
        int directory; /* its /proc directory, -1 for a peer without capabilities: it has none to lose by another place */
        bool has_info;
        struct place place;
} peer;

static int read_place(struct place *ret_place) {
        struct stat root, namespace;

        if (fstatat(peer.directory, "root", &root, 0) < 0 || fstatat(peer.directory, "ns/user", &namespace, 0) < 0)
                return -errno;
        *ret_place = (struct place){ root.st_dev, namespace.st_dev, root.st_ino, namespace.st_ino };
        return 0;
}

/* The directory is kept above all that calls can name. */
static int open_directory(int32_t pid) {
        char path[32];
        int fd, kept;

        snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        kept = fcntl(fd, F_DUPFD_CLOEXEC, AGENT_OWN_END);
        close(fd);
        return kept < 0 ? -errno : kept;
}

int agent_peer_know(const struct identity *identity, int32_t pid) {
        struct identity_info info;

        peer.identity = identity;
        peer.pid = pid;
        peer.directory = -1;
        peer.has_info = identity_info_read(AGENT_PEER, &info) == 0;
        if (!identity->effective)
                return 0;
        peer.directory = open_directory(pid);
        return peer.directory < 0 ? peer.directory : read_place(&peer.place);
}

static bool has_ids(const struct identity *id) {
        struct identity_info info;

        return identity_info_read(AGENT_PEER, &info) == 0 && info.ruid == id->ruid && info.euid == id->euid && info.suid == id->suid &&
               info.fsuid == id->fsuid && info.rgid == id->rgid && info.egid == id->egid && info.sgid == id->sgid && info.fsgid == id->fsgid;
}

static bool has_capabilities(const struct identity *id) {
        struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, peer.pid };
        struct __user_cap_data_struct sets[2];

        return syscall(SYS_capget, &header, sets) == 0 && (sets[0].effective | (uint64_t) sets[1].effective << 32) == id->effective;
}

static bool is_in_place(void) {
        struct place now;

        return read_place(&now) == 0 && !memcmp(&now, &peer.place, sizeof(now));
}

bool agent_peer_is_same(void) {
        /* The ids are looked at last: until then its number was its own. */
        if (peer.directory >= 0 && !(has_capabilities(peer.identity) && is_in_place()))
                return false;
        return peer.has_info ? has_ids(peer.identity) : peer_is(peer.identity, peer.pid);
}
