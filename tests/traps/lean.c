/* Ways around a filter: a filter refuses them, a bare kernel may not. All say ENOSYS, as a kernel without them does. */
#define _GNU_SOURCE
#include "trap.h"

#include <sys/mman.h>

static void uring(void) {
        unsigned char parameters[120] = {0};

        FAILS(syscall(SYS_io_uring_setup, 8, parameters), ENOSYS);
        FAILS(syscall(SYS_io_uring_setup, 0, NULL), ENOSYS);
        FAILS(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0), ENOSYS);
        FAILS(syscall(SYS_io_uring_register, -1, 0, NULL, 0), ENOSYS);
}

#ifdef __x86_64__

/* A call by its number of the 32-bit kernel; results below 4 GiB. */
static long old_call(long number, const char *path, long mode) {
        long result;

        __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(path), "c"(mode) : "r8", "r9", "r10", "r11", "memory");
        return result;
}

static void old_abi(void) {
        char *low = mmap((void *) 0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        long result;

        HOLDS(low != MAP_FAILED);
        strcpy(low, "by-old-abi");
        result = old_call(39, low, 0755); // mkdir
        HOLDS(access(low, F_OK) < 0);
        EXPECT(result, -ENOSYS);
        EXPECT(old_call(20, NULL, 0), -ENOSYS); // getpid
}

/* Numbers with this bit are of x32, of which most kernels have none. */
static void x32(void) {
        FAILS(syscall(0x40000000 | SYS_getpid), ENOSYS);
        FAILS(syscall(0x40000000 | SYS_mkdir, "by-x32", 0755), ENOSYS);
        HOLDS(access("by-x32", F_OK) < 0);
        FAILS(syscall(0x40000000 | 519, 0, 0, 0), ENOSYS); // recvmsg, which only x32 has under this number
}

#else

static void old_abi(void) {
        trap_skip("only x86-64 has it");
}

static void x32(void) {
        trap_skip("only x86-64 has it");
}

#endif

static void unknown(void) {
        FAILS(syscall(1000), ENOSYS);
        FAILS(syscall(511), ENOSYS);
        FAILS(syscall(-1), ENOSYS);
        FAILS(syscall(0x7fffffff), ENOSYS);
}

TRAPS({"lean: io_uring is refused", uring},
      {"lean: the calls of the 32-bit kernel are refused", old_abi},
      {"lean: the calls of x32 are refused", x32},
      {"a number without a call says so", unknown})
