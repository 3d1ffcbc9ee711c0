/* Which devices the programs of a cgroup v2 may open: a program of the kernel's own machine (BPF) on the cgroup, since
 * version 2 has no files for it. Its rules are kept beside it as text, in a map that it refers to: so whoever looks
 * later can tell what it allows. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "internal.h"

#define NAME "nodeos_devices"
enum { FILTERS_MAX = 64, TEXT_MAX = 1 << 16 };

static int bpf(enum bpf_cmd command, union bpf_attr *attr) {
        int n = (int) syscall(SYS_bpf, command, attr, sizeof(*attr));

        return n < 0 ? -errno : n;
}

static uint64_t address(const void *pointer) {
        return (uint64_t) (uintptr_t) pointer;
}

/* All of it has to be zero that a command does not use, and an initializer need not reach all of a union. */
static void clear(union bpf_attr *attr) {
        memset(attr, 0, sizeof(*attr));
}

static int info(int fd, void *ret_info, uint32_t size) {
        union bpf_attr attr;

        clear(&attr);
        attr.info.bpf_fd = (uint32_t) fd;
        attr.info.info_len = size;
        attr.info.info = address(ret_info);
        return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* Opens a filter of the cgroup by its number, if it is ours. Returns the descriptor, -ENOENT when it is somebody else's. */
static int open_ours(uint32_t id) {
        struct bpf_prog_info program = { 0 };
        union bpf_attr attr;
        int fd, error;

        clear(&attr);
        attr.prog_id = id;
        fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
        if (fd < 0)
                return fd;
        error = info(fd, &program, sizeof(program));
        if (!error && strcmp(program.name, NAME))
                error = -ENOENT;
        if (!error)
                return fd;
        close(fd);
        return error;
}

/* Numbers of the filters on the cgroup itself. Returns how many. */
static int query(int cgroup_fd, uint32_t *ret_ids) {
        union bpf_attr attr;
        int error;

        clear(&attr);
        attr.query.target_fd = (uint32_t) cgroup_fd;
        attr.query.attach_type = BPF_CGROUP_DEVICE;
        attr.query.prog_ids = address(ret_ids);
        attr.query.prog_cnt = FILTERS_MAX;
        error = bpf(BPF_PROG_QUERY, &attr);
        return error < 0 ? error : (int) attr.query.prog_cnt;
}

/* The text that a filter of ours carries. Returns its length. */
static int32_t read_text(int program_fd, uint8_t *ret_text, int32_t size) {
        uint32_t map_id = 0, key = 0;
        struct bpf_prog_info program = { .nr_map_ids = 1, .map_ids = address(&map_id) };
        struct bpf_map_info map = { 0 };
        union bpf_attr attr;
        CLEANUP_FD int fd = -1;
        int error = info(program_fd, &program, sizeof(program));

        if (error < 0)
                return error;
        if (program.nr_map_ids != 1)
                return -EPROTO;
        clear(&attr);
        attr.map_id = map_id;
        fd = bpf(BPF_MAP_GET_FD_BY_ID, &attr);
        if (fd < 0)
                return fd;
        error = info(fd, &map, sizeof(map));
        if (error < 0)
                return error;
        if ((int64_t) map.value_size > size)
                return -EFBIG;
        clear(&attr);
        attr.map_fd = (uint32_t) fd;
        attr.key = address(&key);
        attr.value = address(ret_text);
        error = bpf(BPF_MAP_LOOKUP_ELEM, &attr);
        return error < 0 ? error : (int32_t) strnlen((char *) ret_text, map.value_size);
}

static int open_cgroup(const char *path) {
        return kernel_open(path, O_RDONLY | O_DIRECTORY);
}

int32_t nodeos_device_filter_read(const char *cgroup, uint8_t *ret_text, int32_t size) {
        CLEANUP_FD int cgroup_fd = open_cgroup(cgroup);
        uint32_t ids[FILTERS_MAX];
        int32_t used = 0;
        int count;

        if (cgroup_fd < 0)
                return cgroup_fd;
        count = query(cgroup_fd, ids);
        if (count < 0)
                return count;
        for (int i = 0; i < count; i++) {
                CLEANUP_FD int fd = open_ours(ids[i]);
                int32_t n;

                if (fd == -ENOENT)
                        continue;
                if (fd < 0)
                        return fd;
                if (used > 0) {
                        if (used >= size)
                                return -EFBIG;
                        ret_text[used++] = '\n';
                }
                n = read_text(fd, ret_text + used, size - used);
                if (n < 0)
                        return n;
                used += n;
        }
        return used;
}

/* A map that holds the text. Returns its descriptor. */
static int keep_text(const char *text) {
        union bpf_attr attr;
        uint32_t key = 0;
        int fd, error;

        clear(&attr);
        attr.map_type = BPF_MAP_TYPE_ARRAY;
        attr.key_size = sizeof(key);
        attr.value_size = (uint32_t) strlen(text) + 1;
        attr.max_entries = 1;
        strcpy(attr.map_name, NAME);
        fd = bpf(BPF_MAP_CREATE, &attr);
        if (fd < 0)
                return fd;
        clear(&attr);
        attr.map_fd = (uint32_t) fd;
        attr.key = address(&key);
        attr.value = address(text);
        error = bpf(BPF_MAP_UPDATE_ELEM, &attr);
        if (!error)
                return fd;
        close(fd);
        return error;
}

static int load(const uint8_t *program, int32_t size, int map_fd) {
        static const char license[] = "BSD";
        struct bpf_insn instructions[BPF_MAXINSNS];
        union bpf_attr attr;

        if (size < 0 || size % (int32_t) sizeof(*instructions) || (size_t) size > sizeof(instructions))
                return -E2BIG;
        memcpy(instructions, program, (size_t) size);
        clear(&attr);
        attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
        attr.insns = address(instructions);
        attr.insn_cnt = (uint32_t) size / sizeof(*instructions);
        attr.license = address(license);
        strcpy(attr.prog_name, NAME);
        /* It begins with a reference to a map, which nobody could number before. */
        if (attr.insn_cnt < 2 || instructions[0].code != (BPF_LD | BPF_IMM | BPF_DW) || instructions[0].src_reg != BPF_PSEUDO_MAP_FD)
                return -EINVAL;
        instructions[0].imm = map_fd;
        return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int cgroup_fd, const uint8_t *program, int32_t size, const char *text) {
        union bpf_attr attr;
        CLEANUP_FD int map_fd = strlen(text) < TEXT_MAX ? keep_text(text) : -E2BIG;
        CLEANUP_FD int fd = map_fd < 0 ? map_fd : load(program, size, map_fd);

        if (fd < 0)
                return fd;
        clear(&attr);
        attr.target_fd = (uint32_t) cgroup_fd;
        attr.attach_bpf_fd = (uint32_t) fd;
        attr.attach_type = BPF_CGROUP_DEVICE;
        attr.attach_flags = BPF_F_ALLOW_MULTI;
        return bpf(BPF_PROG_ATTACH, &attr);
}

static int detach(int cgroup_fd, uint32_t id) {
        union bpf_attr attr;
        CLEANUP_FD int fd = open_ours(id);

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        clear(&attr);
        attr.target_fd = (uint32_t) cgroup_fd;
        attr.attach_bpf_fd = (uint32_t) fd;
        attr.attach_type = BPF_CGROUP_DEVICE;
        return bpf(BPF_PROG_DETACH, &attr);
}

int32_t nodeos_device_filter_write(const char *cgroup, const uint8_t *program, int32_t size, const char *text) {
        CLEANUP_FD int cgroup_fd = open_cgroup(cgroup);
        uint32_t ids[FILTERS_MAX];
        int count, error = 0;

        if (cgroup_fd < 0)
                return cgroup_fd;
        count = query(cgroup_fd, ids);
        if (count < 0)
                return count;
        /* First the new one, then the old ones away: both count for a moment, and at no time none. */
        if (size > 0)
                error = attach(cgroup_fd, program, size, text);
        for (int i = 0; i < count && error >= 0; i++)
                error = detach(cgroup_fd, ids[i]);
        return error < 0 ? error : 0;
}
