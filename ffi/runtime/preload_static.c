/* The program's own .data and .bss: the whole huge pages within them move, before main, with what is in them already. */
#define _GNU_SOURCE
#include <link.h>
#include <string.h>
#include <sys/mman.h>

#include "preload_pieces.h"

struct statics {
        char *from, *to; /* of the largest writable segment, without what is read-only after relocation */
};

/* The first object is the program itself. */
static int look(struct dl_phdr_info *info, size_t size, void *data) {
        struct statics *statics = data;

        (void) size;
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *header = &info->dlpi_phdr[i];
                char *from = (char *) (info->dlpi_addr + header->p_vaddr), *to = from + header->p_memsz;

                if (header->p_type == PT_LOAD && header->p_flags & PF_W && to - from > statics->to - statics->from)
                        *statics = (struct statics) { from, to };
        }
        for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *header = &info->dlpi_phdr[i];
                char *to = (char *) (info->dlpi_addr + header->p_vaddr) + header->p_memsz;

                if (header->p_type == PT_GNU_RELRO && to > statics->from && to <= statics->to)
                        statics->from = to;
        }
        return 1;
}

static bool is_zero(const char *from, size_t bytes) {
        const uint64_t *words = (const uint64_t *) from;

        for (size_t i = 0; i < bytes / sizeof(*words); i++)
                if (words[i])
                        return false;
        return true;
}

/* What nobody has touched is left to the first who does, where pages come by that. */
static void copy(char *to, const char *from, size_t bytes, size_t page) {
        for (size_t at = 0; at < bytes; at += page)
                if (!preload.is_lazy || !is_zero(from + at, page))
                        memcpy(to + at, from + at, page);
}

/* Pages of the smallest size that the container has, so that most of it moves. */
int static_move(size_t *ret_bytes) {
        struct statics statics = { 0 };
        size_t page = preload.pages[0], bytes;
        char *from, *to, *pages;

        dl_iterate_phdr(look, &statics);
        for (int i = 1; i < preload.page_count; i++)
                if (preload.pages[i] < page)
                        page = preload.pages[i];
        from = (char *) align_up((uintptr_t) statics.from, page);
        to = (char *) align_down((uintptr_t) statics.to, page);
        *ret_bytes = 0;
        if (to <= from)
                return 0;
        /* Somebody could write while it is copied. */
        if (!piece_alone()) {
                preload.left_bytes += (size_t) (to - from);
                return 0;
        }
        *ret_bytes = bytes = (size_t) (to - from);
        pages = pages_take(NULL, bytes, page);
        if (!pages)
                return -1;
        copy(pages, from, bytes, page);
        if (kernel_mremap(pages, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, from) != from) {
                /* Before Linux 5.16 huge pages do not move; it stays where it is. */
                pages_give(pages, bytes);
                preload.left_bytes += bytes;
                return 0;
        }
        preload.static_bytes = bytes;
        return 0;
}
