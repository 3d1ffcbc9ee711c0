/* malloc and its family: from an arena for each page size, the preferred one first; without them, and before they are there,
 * from the C library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "preload.h"

/* Free memory in pieces of so many bytes goes back to the kernel. */
#define KEEP ((size_t) 32 << 20)

/* The C library's own. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *pointer);

static struct nodeos_arena *heaps[PAGE_SIZES_MAX];

static int commit(struct nodeos_arena *heap, void *at, size_t bytes) {
        int saved = errno;

        if (!pages_take(at, bytes, heap->chunk))
                return -1;
        errno = saved;
        __atomic_add_fetch(&preload.heap_bytes, bytes, __ATOMIC_RELAXED);
        return 0;
}

static int release(struct nodeos_arena *heap, void *at, size_t bytes) {
        int saved = errno;
        bool is_done = addresses_take(at, bytes, heap->chunk);

        errno = saved;
        if (!is_done)
                return -1;
        if (preload.is_ordinary)
                __atomic_add_fetch(&preload.ordinary_left, bytes, __ATOMIC_RELAXED);
        __atomic_sub_fetch(&preload.heap_bytes, bytes, __ATOMIC_RELAXED);
        return 0;
}

/* Addresses for twice the memory of the machine, or as many as the process may have. */
static void *reserve(size_t page, size_t *ret_bytes) {
        struct sysinfo info;
        size_t bytes = (size_t) 64 << 30;
        void *at = NULL;

        if (sysinfo(&info) == 0)
                bytes = 2 * info.totalram * info.mem_unit;
        for (bytes = align_up(bytes, page) + 2 * page; !at && bytes >= 4 * page; bytes = align_up(bytes / 2, page)) {
                at = addresses_take(NULL, bytes, page);
                *ret_bytes = bytes;
        }
        return at;
}

static struct nodeos_arena *heap_new(size_t page) {
        struct nodeos_arena *heap;
        size_t range;

        heap = reserve(page, &range);
        if (!heap)
                return NULL;
        if (!pages_take(heap, page, page)) {
                kernel_munmap(heap, range);
                return NULL;
        }
        __atomic_add_fetch(&preload.heap_bytes, page, __ATOMIC_RELAXED);
        heap->commit = commit;
        heap->release = release;
        heap->chunk = page;
        heap->keep = KEEP > 2 * page ? KEEP : 2 * page;
        if (getrandom(&heap->cookie, sizeof(heap->cookie), GRND_NONBLOCK) < 0)
                heap->cookie = (uint32_t) ((uintptr_t) heap >> 12) ^ (uint32_t) getpid() << 8;
        pthread_mutex_init(&heap->lock, NULL);
        arena_make(heap, page, range);
        return arena_register(heap) < 0 ? NULL : heap;
}

static pthread_mutex_t second_lock = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void) {
        pthread_mutex_lock(&second_lock);
}

static void after_fork(void) {
        pthread_mutex_unlock(&second_lock);
}

/* The heap of the second page size is made when the first is exhausted. */
int heaps_start(void) {
        struct nodeos_arena *heap = heap_new(preload.pages[0]);

        if (!heap && preload.page_count > 1)
                heap = heap_new(preload.pages[1]);
        if (!heap)
                return -1;
        __atomic_store_n(&heaps[0], heap, __ATOMIC_RELEASE);
        return pthread_atfork(before_fork, after_fork, after_fork);
}

static struct nodeos_arena *second_heap(void) {
        if (preload.page_count < 2 || heaps[0]->chunk != preload.pages[0])
                return NULL;
        pthread_mutex_lock(&second_lock);
        if (!heaps[1])
                __atomic_store_n(&heaps[1], heap_new(preload.pages[1]), __ATOMIC_RELEASE);
        pthread_mutex_unlock(&second_lock);
        return heaps[1];
}

static inline struct nodeos_arena *heap_of(const void *pointer) {
        for (int i = 0; i < PAGE_SIZES_MAX; i++) {
                struct nodeos_arena *heap = __atomic_load_n(&heaps[i], __ATOMIC_RELAXED);

                if (heap && (uintptr_t) pointer - (uintptr_t) heap < heap->range)
                        return heap;
        }
        return NULL;
}

bool heaps_have(const void *pointer) {
        return heap_of(pointer) != NULL;
}

static __attribute__((noinline)) void *malloc_slowly(size_t bytes) {
        struct nodeos_arena *second;
        void *pointer;
        int saved = errno;

        if (!heaps[0])
                return __libc_malloc(bytes);
        pointer = arena_malloc_slowly(heaps[0], bytes);
        if (!pointer && (second = second_heap()))
                pointer = arena_malloc_slowly(second, bytes);
        if (pointer)
                errno = saved;
        return pointer;
}

/* Not `malloc` itself: a compiler knows that, and makes calloc of what calloc does with it. */
static inline void *take(size_t bytes) {
        struct nodeos_arena *heap = heaps[0];
        void *pointer;

        if (LIKELY(heap && own_caches.of[0].arena == heap)) {
                pointer = cache_take(own_caches.of[0].cache, bytes);
                if (LIKELY(pointer))
                        return pointer;
        }
        return malloc_slowly(bytes);
}

PUBLIC void *malloc(size_t bytes) {
        return take(bytes);
}

static __attribute__((noinline)) void free_slowly(void *pointer) {
        struct nodeos_arena *heap = heap_of(pointer);
        int saved = errno;

        if (!pointer)
                return;
        if (heap)
                arena_free_slowly(heap, pointer);
        else
                __libc_free(pointer);
        errno = saved;
}

PUBLIC void free(void *pointer) {
        struct nodeos_arena *heap = heaps[0];

        if (LIKELY(heap && own_caches.of[0].arena == heap) && LIKELY(is_within(heap, pointer)) &&
            LIKELY(cache_give(own_caches.of[0].cache, pointer)))
                return;
        free_slowly(pointer);
}

PUBLIC void *calloc(size_t count, size_t bytes) {
        void *pointer;

        if (!heaps[0])
                return __libc_calloc(count, bytes);
        if (__builtin_mul_overflow(count, bytes, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        pointer = take(bytes);
        return pointer ? memset(pointer, 0, bytes) : NULL;
}

static size_t libc_usable(void *pointer) {
        size_t (*next)(void *) = (size_t(*)(void *)) dlsym(RTLD_NEXT, "malloc_usable_size");

        return next ? next(pointer) : 0;
}

PUBLIC size_t malloc_usable_size(void *pointer) {
        struct nodeos_arena *heap = heap_of(pointer);

        return heap ? arena_usable(heap, pointer) : pointer ? libc_usable(pointer) : 0;
}

PUBLIC void *realloc(void *pointer, size_t bytes) {
        struct nodeos_arena *heap = heap_of(pointer);
        size_t old;
        void *new;

        if (!heaps[0])
                return __libc_realloc(pointer, bytes);
        if (!pointer)
                return malloc(bytes);
        if (bytes == 0) {
                free(pointer);
                return NULL;
        }
        if (heap && arena_resize_user(heap, pointer, bytes))
                return pointer;
        old = malloc_usable_size(pointer);
        new = malloc(bytes);
        if (!new)
                return NULL;
        memcpy(new, pointer, old < bytes ? old : bytes);
        free(pointer);
        return new;
}

PUBLIC void *reallocarray(void *pointer, size_t count, size_t bytes) {
        if (__builtin_mul_overflow(count, bytes, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(pointer, bytes);
}

PUBLIC void *memalign(size_t alignment, size_t bytes) {
        struct nodeos_arena *second;
        void *pointer;

        if (!heaps[0])
                return __libc_memalign(alignment, bytes);
        if (alignment <= 16)
                return malloc(bytes);
        /* As the C library does with other numbers. */
        if (alignment & (alignment - 1))
                alignment = alignment > SIZE_MAX / 4 ? alignment : (size_t) 2 << (63 - __builtin_clzl(alignment));
        pointer = arena_aligned(heaps[0], alignment, bytes);
        if (!pointer && (second = second_heap()))
                pointer = arena_aligned(second, alignment, bytes);
        return pointer;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t bytes) {
        return memalign(alignment, bytes);
}

PUBLIC int posix_memalign(void **ret_pointer, size_t alignment, size_t bytes) {
        int saved = errno;
        void *pointer;

        if (alignment < sizeof(void *) || alignment & (alignment - 1))
                return EINVAL;
        pointer = memalign(alignment, bytes);
        errno = saved;
        if (!pointer)
                return ENOMEM;
        *ret_pointer = pointer;
        return 0;
}

PUBLIC void *valloc(size_t bytes) {
        return memalign((size_t) sysconf(_SC_PAGESIZE), bytes);
}

PUBLIC void *pvalloc(size_t bytes) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE);

        return memalign(page, bytes > SIZE_MAX - page ? bytes : align_up(bytes, page));
}

/* Gives whole free chunks back, however few. */
PUBLIC int malloc_trim(size_t pad) {
        size_t before = preload.heap_bytes;

        (void) pad;
        for (int i = 0; i < PAGE_SIZES_MAX; i++) {
                if (!heaps[i])
                        continue;
                arena_flush(heaps[i]);
                pthread_mutex_lock(&heaps[i]->lock);
                arena_trim_all(heaps[i]);
                pthread_mutex_unlock(&heaps[i]->lock);
        }
        return preload.heap_bytes < before;
}
