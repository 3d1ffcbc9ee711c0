/* Events of PAPI, through its library. It is loaded when somebody first asks for events, and stays. The declarations are ours; names
 * and numbers are those of PAPI 7. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "power_papi.h"

enum { NAME_MAX_BYTES = 1024, MINOR_MAX = 15, INFO_BYTES = 65536 };

/* Where its description of an event has what we want; the library fills some kilobytes. */
enum { INFO_TEXT = 1092, INFO_TEXT_BYTES = 1024, INFO_UNIT = 2120, INFO_UNIT_BYTES = 64, INFO_DATA_TYPE = 2188, INFO_TIMESCOPE = 2196 };

struct papi papi;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *load_library(void) {
        static const char *const names[] = { "libpapi.so.7.0", "libpapi.so.7.1", "libpapi.so.7.2", "libpapi.so.7", "libpapi.so" };
        void *library = NULL;

        /* PAPI looks for it among the symbols that everybody sees, and has no events of software without. */
        if (!dlsym(RTLD_DEFAULT, "papi_sde_init"))
                dlopen("libsde.so.1", RTLD_NOW | RTLD_GLOBAL);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !library; i++)
                library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        return library;
}

/* It wants to be asked for by its own version, major and minor. */
static int32_t init_library(void) {
        for (int minor = 0; minor <= MINOR_MAX; minor++) {
                int version = 7 << 24 | minor << 16;

                if (papi.init(version) == version) {
                        papi.version = version;
                        return 0;
                }
        }
        return -ENODEV;
}

static void load(void) {
        const struct {
                const char *name;
                void *at;
        } functions[] = {
                { "PAPI_library_init", &papi.init },
                { "PAPI_event_name_to_code", &papi.find },
                { "PAPI_get_event_component", &papi.component },
                { "PAPI_get_event_info", &papi.info },
                { "PAPI_create_eventset", &papi.create },
                { "PAPI_assign_eventset_component", &papi.assign },
                { "PAPI_attach", &papi.attach },
                { "PAPI_set_opt", &papi.set_option },
                { "PAPI_add_event", &papi.add },
                { "PAPI_start", &papi.start },
                { "PAPI_read", &papi.read },
                { "PAPI_stop", &papi.stop },
                { "PAPI_cleanup_eventset", &papi.cleanup },
                { "PAPI_destroy_eventset", &papi.destroy },
        };
        void *library = load_library();

        papi.error = library ? 0 : -ENOENT;
        for (size_t i = 0; i < sizeof(functions) / sizeof(*functions) && library; i++) {
                void *found = dlsym(library, functions[i].name);

                memcpy(functions[i].at, &found, sizeof(found));
                if (!found)
                        papi.error = -ENODEV;
        }
        if (papi.error == 0)
                papi.error = init_library();
}

int32_t papi_errno(int result) {
        switch (result) {
        case PAPI_OK:
                return 0;
        case PAPI_INVALID:
                return -EINVAL;
        case PAPI_NO_MEMORY:
                return -ENOMEM;
        case PAPI_NO_EVENT:
        case PAPI_NO_PRESET:
                return -ENOENT;
        case PAPI_CONFLICT:
        case PAPI_TOO_MANY:
        case PAPI_MANY_PASSES:
                return -EBUSY;
        case PAPI_NO_PERMISSION:
                return -EPERM;
        case PAPI_NOT_IN_COMPONENT:
        case PAPI_NO_COUNTERS:
        case PAPI_NOT_SUPPORTED:
        case PAPI_NOT_IMPLEMENTED:
        case PAPI_DISABLED:
                return -ENOTSUP;
        default:
                return result > 0 ? 0 : -EIO;
        }
}

int32_t nodeos_papi_version(void) {
        pthread_once(&once, load);
        return papi.error ? papi.error : papi.version >> 16;
}

int32_t papi_find(const char *name, int *ret_code) {
        char copy[NAME_MAX_BYTES];
        size_t length = strlen(name);

        if (length == 0 || length >= sizeof(copy))
                return -EINVAL;
        memcpy(copy, name, length + 1);
        return papi_errno(papi.find(copy, ret_code));
}

/* Appends a text of PAPI, with a NUL; what has none is empty. */
static int32_t append(uint8_t *ret_text, int32_t size, int32_t at, const char *text, size_t text_bytes) {
        size_t length = strnlen(text, text_bytes);

        if (at < 0 || size < at || (size_t) (size - at) < length + 1)
                return -EFBIG;
        memcpy(ret_text + at, text, length);
        ret_text[(size_t) at + length] = 0;
        return at + (int32_t) length + 1;
}

int32_t nodeos_papi_describe(const char *name, int32_t *ret_types, uint8_t *ret_text, int32_t size) {
        int32_t result = nodeos_papi_version();
        char *info;
        int code;

        if (result < 0)
                return result;
        info = calloc(1, INFO_BYTES);
        if (!info)
                return -ENOMEM;
        result = papi_find(name, &code);
        if (result == 0)
                result = papi_errno(papi.info(code, info));
        if (result == 0) {
                memcpy(&ret_types[0], info + INFO_DATA_TYPE, sizeof(*ret_types));
                memcpy(&ret_types[1], info + INFO_TIMESCOPE, sizeof(*ret_types));
                result = append(ret_text, size, 0, info + INFO_TEXT, INFO_TEXT_BYTES);
        }
        if (result > 0)
                result = append(ret_text, size, result, info + INFO_UNIT, INFO_UNIT_BYTES);
        free(info);
        return result;
}
