// A program that was written for UMap, with a store of its own: squares that nobody ever stored, and beside them what was written.
// Only the include is another one.
//
//         umap_store VALUES
#define NODEOS_UMAP_NAMES
#include "nodeos_umap.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

class Squares : public Umap::Store {
public:
        ssize_t read_from_store(char *buffer, size_t bytes, off_t offset) override {
                for (size_t at = 0; at < bytes; at += page)
                        read_page(buffer + at, bytes - at < page ? bytes - at : page, (uint64_t) offset + at);
                return (ssize_t) bytes;
        }

        ssize_t write_to_store(char *buffer, size_t bytes, off_t offset) override {
                std::lock_guard<std::mutex> guard(mutex);

                for (size_t at = 0; at < bytes; at += page) {
                        size_t length = bytes - at < page ? bytes - at : page;

                        written[(uint64_t) offset + at].assign(buffer + at, buffer + at + length);
                }
                return (ssize_t) bytes;
        }

        size_t written_pages() {
                std::lock_guard<std::mutex> guard(mutex);

                return written.size();
        }

private:
        static const size_t page = 4096;
        std::mutex mutex;
        std::map<uint64_t, std::vector<char>> written;

        void read_page(char *buffer, size_t bytes, uint64_t offset) {
                std::lock_guard<std::mutex> guard(mutex);
                auto found = written.find(offset);

                if (found != written.end()) {
                        memcpy(buffer, found->second.data(), bytes);
                        return;
                }
                for (size_t i = 0; i < bytes; i += 8) {
                        uint64_t index = (offset + i) / 8, square = index * index;

                        memcpy(buffer + i, &square, bytes - i < 8 ? bytes - i : 8);
                }
        }
};

int main(int argc, char **argv) {
        uint64_t count = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1000000, wrong = 0;
        Squares store;
        auto *values = (uint64_t *) Umap::umap_ex(nullptr, count * 8, PROT_READ | PROT_WRITE, UMAP_PRIVATE, -1, 0, &store);

        if (values == UMAP_FAILED)
                return perror("Cannot map squares"), 1;
        for (uint64_t i = 0; i < count; i++)
                wrong += values[i] != i * i;
        for (uint64_t i = 0; i < count; i += 5000)
                values[i] = 7;
        for (uint64_t i = 0; i < count; i++)
                wrong += values[i] != (i % 5000 ? i * i : 7);
        if (umap_flush() < 0)
                return perror("Cannot write back"), 1;
        printf("%s, %zu pages written\n", wrong ? "wrong" : "as it should be", store.written_pages());
        return uunmap(values, count * 8) < 0 || wrong;
}
