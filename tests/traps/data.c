/* Data: where it comes from, where it goes, and what becomes of positions. */
#define _GNU_SOURCE
#include "trap.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static size_t page(void) {
        return (size_t) sysconf(_SC_PAGESIZE);
}

static int open_text(const char *text) {
        make_file("f", 0644, text);
        return (int) MUST(open("f", O_RDWR | O_CLOEXEC));
}

static void positions(void) {
        int fd = open_text("0123456789"), copy = (int) MUST(dup(fd));
        char found[16];

        EXPECT(read(fd, found, 3), 3);
        EXPECT(read(copy, found, 3), 3);
        HOLDS(!memcmp(found, "345", 3));
        EXPECT(pread(fd, found, 2, 8), 2);
        EXPECT(lseek(fd, 0, SEEK_CUR), 6);
        EXPECT(write(fd, "ab", 2), 2);
        EXPECT(pwrite(fd, "AB", 2, 0), 2);
        EXPECT(lseek(copy, 0, SEEK_CUR), 8);
        HOLDS(has_text("f", "AB2345ab89"));
        EXPECT(read(fd, found, 16), 2);
        EXPECT(read(fd, found, 16), 0);
        FAILS(pread(fd, found, 1, -1), EINVAL);
        EXPECT(pread(fd, found, 1, 1000), 0);
}

static void read_three(void) {
        char found[3];

        EXPECT(read(5, found, 3), 3);
}

static void shared_position(void) {
        int fd = open_text("0123456789");

        MUST(dup2(fd, 5));
        EXPECT(in_child(read_three), 0);
        EXPECT(lseek(fd, 0, SEEK_CUR), 3);
}

/* Two pages, of which the second one is not there: data up to its start. */
static void partly_there(void) {
        char *start = mmap(NULL, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        char *text = malloc(2 * page());
        int fd;

        HOLDS(start != MAP_FAILED && text);
        MUST(munmap(start + page(), page()));
        memset(text, 't', 2 * page() - 1);
        text[2 * page() - 1] = '\0';
        fd = open_text(text);
        EXPECT(read(fd, start + page() - 10, 100), 10);
        HOLDS(!memcmp(start + page() - 10, "tttttttttt", 10));
        EXPECT(lseek(fd, 0, SEEK_CUR), 10);
        EXPECT(pwrite(fd, start + page() - 10, 100, 0), 10);
        FAILS(pwrite(fd, start + page(), 100, 0), EFAULT);
        // The kernel's own addresses are refused before there is anything to move.
        FAILS(syscall(SYS_write, fd, -1L, 0), EFAULT);
        MUST(lseek(fd, 0, SEEK_END));
        FAILS(syscall(SYS_read, fd, -1L, 10), EFAULT);
        EXPECT(syscall(SYS_read, fd, start + page(), 10), 0);
        free(text);
}

/* Without a cache the place of the memory counts, and part of it is not enough; how, is the file system's affair. */
static void direct(void) {
#ifdef STATX_DIOALIGN
        int fd = open("f", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
        char *start = mmap(NULL, 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct statx file;

        if (fd < 0)
                trap_skip("there is no O_DIRECT here");
        HOLDS(start != MAP_FAILED);
        MUST(statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &file));
        if (!(file.stx_mask & STATX_DIOALIGN) || file.stx_dio_mem_align < 2 || file.stx_dio_offset_align > page())
                trap_skip("nobody says what O_DIRECT wants");
        EXPECT(pwrite(fd, start, page(), 0), page());
        FAILS(pwrite(fd, start + 1, page(), 0), EINVAL);
        FAILS(pread(fd, start + 1, page(), 0), EINVAL);
        EXPECT(pread(fd, start + page(), page(), 0), page());
#else
        trap_skip("nobody says what O_DIRECT wants");
#endif
}

/* What could not be given is still there to be read. */
static void given_nowhere(void) {
        int fd = open_text("0123456789");
        char found[16];

        FAILS(read(fd, nowhere(), 10), EFAULT);
        EXPECT(lseek(fd, 0, SEEK_CUR), 0);
        EXPECT(read(fd, found, 16), 10);
        FAILS(write(fd, nowhere(), 10), EFAULT);
        EXPECT(lseek(fd, 0, SEEK_CUR), 10);
        EXPECT(read(fd, nowhere(), 10), 0); // there is nothing to be given at the end
        EXPECT(read(fd, nowhere(), 0), 0);
        EXPECT(write(fd, nowhere(), 0), 0);
}

static void refused(void) {
        int fd = open_text("text"), reader, writer, directory;
        char found[4];

        reader = (int) MUST(open("f", O_RDONLY | O_CLOEXEC));
        writer = (int) MUST(open("f", O_WRONLY | O_CLOEXEC));
        directory = (int) MUST(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        FAILS(write(reader, "x", 1), EBADF);
        FAILS(read(writer, found, 1), EBADF);
        FAILS(read(directory, found, 1), EISDIR);
        FAILS(read(600, found, 1), EBADF);
        FAILS(read(-1, found, 1), EBADF);
        MUST(close(fd));
        FAILS(read(fd, found, 1), EBADF);
}

/* More than anybody keeps a buffer for, in one call. */
static void large(void) {
        const size_t size = 16 << 20;
        char *out = malloc(size), *in = malloc(size);
        int fd = open_text("");
        size_t done = 0;

        HOLDS(out && in);
        for (size_t i = 0; i < size; i++)
                out[i] = (char) (i * 2654435761u >> 13);
        EXPECT(write(fd, out, size), size);
        EXPECT(lseek(fd, 0, SEEK_SET), 0);
        EXPECT(read(fd, in, size), size);
        HOLDS(!memcmp(in, out, size));
        memset(in, 0, size);
        while (done < size) {
                struct iovec parts[3] = {{in + done, 1}, {in + done + 1, 4095}, {in + done + 4096, 4096}};
                EXPECT(preadv(fd, parts, 3, (off_t) done), 8192);
                done += 8192;
        }
        HOLDS(!memcmp(in, out, size));
        free(in);
        free(out);
}

static void pipes(void) {
        char found[16] = "";
        int ends[2];
        pid_t pid;

        MUST(pipe2(ends, O_CLOEXEC));
        pid = (pid_t) MUST(fork());
        if (pid == 0) {
                pause_ms(50);
                EXPECT(write(ends[1], "later", 5), 5);
                _exit(0);
        }
        MUST(close(ends[1]));
        EXPECT(read(ends[0], found, sizeof(found)), 5); // it waits
        EXPECT(read(ends[0], found, sizeof(found)), 0);
        EXPECT(ended(pid), 0);
        FAILS(pread(ends[0], found, 1, 0), ESPIPE);
        MUST(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
        FAILS(read(ends[0], found, 1), EAGAIN);
}

static void sockets(void) {
        char found[16] = "";
        int ends[2];

        or_refused(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
        EXPECT(write(ends[0], "one", 3), 3);
        EXPECT(write(ends[0], "second", 6), 6);
        EXPECT(read(ends[1], found, sizeof(found)), 3);
        EXPECT(read(ends[1], found, 2), 2);
        MUST(close(ends[0]));
        EXPECT(read(ends[1], found, sizeof(found)), 0);
}

/* What is mapped and what is read are the same file. */
static void mapped(void) {
        int fd = open_text("0123456789");
        char *memory = mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        HOLDS(memory != MAP_FAILED);
        EXPECT(pwrite(fd, "AB", 2, 4), 2);
        HOLDS(!memcmp(memory, "0123AB6789", 10));
        memory[0] = 'X';
        HOLDS(has_text("f", "X123AB6789"));
        // Reading a file into its own mapping, and writing it from there.
        EXPECT(pread(fd, memory + 5, 3, 0), 3);
        EXPECT(pwrite(fd, memory, 4, 6), 4);
        HOLDS(has_text("f", "X123AXX123"));
        MUST(ftruncate(fd, 0));
        FAILS(pwrite(fd, memory, 4, 0), EFAULT);
}

static void memory_file(void) {
        char found[8] = "", path[64];
        int fd = (int) or_refused(memfd_create("trap", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");

        EXPECT(write(fd, "text", 4), 4);
        EXPECT(pread(fd, found, sizeof(found), 0), 4);
        MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
        FAILS(write(fd, "more", 4), EPERM);
        FAILS(ftruncate(fd, 100), EPERM);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        HOLDS(has_text(path, "text"));
}

TRAPS({"each call moves the position that it should", positions},
      {"a child moves its parent's position", shared_position},
      {"data goes as far as there is memory", partly_there},
      {"data goes to the disk from where it lies", direct},
      {"data that has nowhere to go is not lost", given_nowhere},
      {"data of the wrong descriptor is refused", refused},
      {"16 MiB go in one call", large},
      {"a pipe waits for its writer", pipes},
      {"messages keep their ends", sockets},
      {"a mapping is the file", mapped},
      {"a file in memory is a file", memory_file})
