/* The system management port of AMD's servers: messages to the firmware of a socket. Some of them change links between sockets
 * and memory clocks: only those of our list are sent. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "power_internal.h"

enum { WORD_MAX = 8 };

/* Of the kernel's interface, which packs it to four bytes. */
struct message {
        uint32_t id;
        uint16_t argument_count;
        uint16_t answer_count;
        uint32_t words[WORD_MAX];
        uint16_t socket;
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct message) == 44, "hsmp_message");

#define MESSAGE_IOCTL _IOWR(0xF8, 0, struct message)

static const struct {
        uint32_t id;
        uint16_t argument_count;
        uint16_t answer_count;
} allowed[] = {
        { 0x02, 0, 1 }, /* version of the firmware */
        { 0x03, 0, 1 }, /* version of this protocol */
        { 0x04, 0, 1 }, /* power, mW */
        { 0x05, 1, 0 }, /* set the power limit, mW */
        { 0x06, 0, 1 }, /* the power limit, mW */
        { 0x07, 0, 1 }, /* the highest one, mW */
        { 0x09, 1, 0 }, /* set the limit of the cores' frequency, MHz */
        { 0x0a, 1, 1 }, /* the limit of a core's frequency, MHz */
        { 0x0b, 0, 1 }, /* whether it is too hot */
        { 0x10, 0, 1 }, /* highest frequency that the firmware allows now, MHz */
        { 0x11, 0, 1 }, /* share of the time that cores are awake, % */
        { 0x15, 0, 1 }, /* temperature */
        { 0x30, 0, 1 }, /* units of the energy counters */
        { 0x31, 1, 2 }, /* energy counter of a core */
        { 0x32, 0, 2 }, /* energy counter of the package */
};

int32_t nodeos_hsmp(int32_t socket, uint32_t id, const uint32_t *words, int32_t count, uint32_t *ret_words) {
        struct message message = { .id = id, .socket = (uint16_t) socket };
        CLEANUP_FD int fd = -1;
        size_t i = 0;

        while (i < sizeof(allowed) / sizeof(*allowed) && allowed[i].id != id)
                i++;
        if (i == sizeof(allowed) / sizeof(*allowed))
                return -EACCES;
        if (count != allowed[i].argument_count || socket < 0 || socket > 255)
                return -EINVAL;
#if !defined(__x86_64__)
        return -ENOTSUP;
#endif
        message.argument_count = allowed[i].argument_count;
        message.answer_count = allowed[i].answer_count;
        if (count > 0)
                memcpy(message.words, words, (size_t) count * sizeof(*words));
        /* The kernel takes messages that set something only from who opened it for writing. */
        fd = open("/dev/hsmp", (allowed[i].answer_count ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        if (ioctl(fd, MESSAGE_IOCTL, &message) < 0)
                return -errno;
        memcpy(ret_words, message.words, allowed[i].answer_count * sizeof(*ret_words));
        return allowed[i].answer_count;
}
