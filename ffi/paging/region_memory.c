/* The addresses of a region, and the kernel's watch over them. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "paging.h"
#include "uffd.h"

static uint64_t align_of(const struct nodeos_region *region) {
        return region->page_bytes % HUGE_BYTES == 0 ? HUGE_BYTES : SMALL_BYTES;
}

/* Addresses at such a boundary. The same protection and kind everywhere: the kernel moves pages only between likes. */
static int map_aligned(const struct nodeos_region *region, void *wanted, uint64_t bytes, uint64_t align, char **ret) {
        int protection = PROT_READ | (region->writable || region->guarded ? PROT_WRITE : 0);
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        uint64_t more = wanted ? 0 : align;
        char *memory, *start;

        if ((uintptr_t) wanted % align)
                return -EINVAL;
        memory = mmap(wanted, bytes + more, protection, flags | (wanted ? MAP_FIXED_NOREPLACE : 0), -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        if (wanted && memory != wanted) {
                munmap(memory, bytes);
                return -EEXIST;
        }
        start = (char *) (((uintptr_t) memory + align - 1) & ~(uintptr_t) (align - 1));
        if (start > memory)
                munmap(memory, (size_t) (start - memory));
        if (more > (uint64_t) (start - memory))
                munmap(start + bytes, more - (uint64_t) (start - memory));
        madvise(start, bytes, region->page_bytes % HUGE_BYTES == 0 && uffd_features() & FEATURE_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
        /* A child that touches it is told so, rather than given zeroes. */
        madvise(start, bytes, MADV_DONTFORK);
        *ret = start;
        return 0;
}

/* Beside the region: where pages are moved to, and the bell. A program may have asked for just the region's addresses. */
static int map_annex(struct nodeos_region *region) {
        uint64_t window = region->window_pages * region->page_bytes, align = align_of(region);
        uint64_t scanned = region->tracking == NODEOS_TRACKING_SCAN ? window : 0;
        uint64_t stages = region->memory == NODEOS_MEMORY_MOVE ? STAGES * window : 0;
        uint64_t nursery = align == HUGE_BYTES ? stages : 0;
        int error;

        region->annex_watched = scanned + stages + SMALL_BYTES;
        region->annex_bytes = scanned + stages + nursery + SMALL_BYTES;
        error = map_aligned(region, NULL, region->annex_bytes, align, &region->annex);
        if (error)
                return error;
        /* What is not watched lies last, but begins where huge pages do. */
        region->scan_stage = region->annex;
        region->stages = region->annex + scanned;
        region->bell = region->annex + scanned + stages;
        region->nursery = NULL;
        if (nursery) {
                region->nursery = region->bell;
                region->bell += nursery;
                region->annex_watched = scanned + stages;
        }
        return 0;
}

int region_map_memory(struct nodeos_region *region, void *wanted) {
        int error = map_aligned(region, wanted, region->pages * region->page_bytes, align_of(region), &region->address);

        if (error)
                return error;
        region->mapped = region->pages * region->page_bytes;
        return map_annex(region);
}

static int register_all(struct nodeos_region *region, uint64_t modes) {
        uint64_t minor = region->memory == NODEOS_MEMORY_SHARED ? UFFDIO_REGISTER_MODE_MINOR : 0;
        int error = uffd_register(region->uffd, region->address, region->mapped, modes | minor);

        if (!error)
                error = uffd_register(region->uffd, region->annex, region->annex_watched, modes);
        if (!error && region->nursery)
                error = uffd_register(region->uffd, region->bell, SMALL_BYTES, modes);
        return error;
}

int region_watch(struct nodeos_region *region) {
        uint64_t features = region->mode == NODEOS_MODE_SIGNAL ? UFFD_FEATURE_SIGBUS : 0;
        uint64_t events = UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP;
        bool protects = region->writable || region->guarded;

        features |= protects ? UFFD_FEATURE_PAGEFAULT_FLAG_WP : 0;
        features |= region->tracking == NODEOS_TRACKING_SCAN ? FEATURE_WP_ASYNC | FEATURE_MOVE : 0;
        features |= region->memory == NODEOS_MEMORY_SHARED ? FEATURE_MINOR_SHMEM | UFFD_FEATURE_MISSING_SHMEM : 0;
        features |= region->memory == NODEOS_MEMORY_MOVE ? FEATURE_MOVE : 0;
        features |= region->mode == NODEOS_MODE_THREAD && !(uffd_features() & FEATURE_POISON) ? UFFD_FEATURE_THREAD_ID : 0;
        if (features & ~uffd_features())
                return -EOPNOTSUPP;
        region->poisons = uffd_features() & FEATURE_POISON;
        features |= uffd_features() & FEATURE_POISON;
        region->sees_events = uffd_features() & FEATURE_EVENTS && !(events & ~uffd_features());
        features |= region->sees_events ? events : 0;
        region->uffd = uffd_open(features, region->mode == NODEOS_MODE_THREAD);
        if (region->uffd < 0)
                return region->uffd;
        return register_all(region, UFFDIO_REGISTER_MODE_MISSING | (protects ? UFFDIO_REGISTER_MODE_WP : 0));
}

/* In this order nobody reads zeroes where pages were. */
static void unmap_pages(struct nodeos_region *region, uint64_t first, uint64_t end) {
        char *address = page_address(region, first);
        uint64_t bytes = (end - first) * region->page_bytes;

        if (first == end)
                return;
        if (region->uffd >= 0) {
                mprotect(address, bytes, PROT_NONE);
                uffd_unregister(region->uffd, address, bytes);
        }
        munmap(address, bytes);
}

/* What the program unmapped itself may be somebody else's now. */
static void unmap_what_is_ours(struct nodeos_region *region) {
        uint64_t first = 0;

        for (uint64_t page = 0; page < region->pages; page++)
                if (is_charged(region, page) && region->states[page] & LOST) {
                        unmap_pages(region, first, page);
                        first = page + 1;
                }
        unmap_pages(region, first, region->pages);
}

void region_unmap_memory(struct nodeos_region *region) {
        if (region->address && region->has_lost)
                unmap_what_is_ours(region);
        else if (region->address)
                unmap_pages(region, 0, region->pages);
        if (region->annex && region->uffd >= 0)
                uffd_unregister(region->uffd, region->annex, region->annex_watched);
        if (region->uffd >= 0)
                close(region->uffd);
        if (region->annex)
                munmap(region->annex, region->annex_bytes);
        region->address = region->annex = NULL;
        region->uffd = -1;
}

void region_refuse_write(struct nodeos_region *region, uint64_t page) {
        /* Each such page may be a mapping of its own, of which the kernel allows so many. */
        if (mprotect(page_address(region, page), region->page_bytes, PROT_READ) < 0)
                mprotect(region->address, region->mapped, PROT_READ);
}
