/* Graphics cards, through the library of their driver. It is loaded when somebody first asks for cards, and stays. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "power_internal.h"

/* What the library answers; other numbers are errors that we do not tell apart. */
enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6, GPU_IS_LOST = 15 };

typedef void *card_t;

static struct {
        int error; /* 0, or why there is nothing */
        int (*count)(unsigned int *);
        int (*card)(unsigned int, card_t *);
        int (*uuid)(card_t, char *, unsigned int);
        int (*power)(card_t, unsigned int *);
        int (*energy)(card_t, unsigned long long *);
        int (*limit)(card_t, unsigned int *);
        int (*limit_default)(card_t, unsigned int *);
        int (*limit_range)(card_t, unsigned int *, unsigned int *);
        int (*set_limit)(card_t, unsigned int);
        int (*temperature)(card_t, int, unsigned int *);
        int (*clock)(card_t, int, unsigned int *);
} nvml;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
        void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
        int (*init)(void);

        nvml.error = -ENOENT;
        if (!library)
                return;
        *(void **) &init = dlsym(library, "nvmlInit_v2");
        *(void **) &nvml.count = dlsym(library, "nvmlDeviceGetCount_v2");
        *(void **) &nvml.card = dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
        *(void **) &nvml.uuid = dlsym(library, "nvmlDeviceGetUUID");
        *(void **) &nvml.power = dlsym(library, "nvmlDeviceGetPowerUsage");
        *(void **) &nvml.energy = dlsym(library, "nvmlDeviceGetTotalEnergyConsumption");
        *(void **) &nvml.limit = dlsym(library, "nvmlDeviceGetPowerManagementLimit");
        *(void **) &nvml.limit_default = dlsym(library, "nvmlDeviceGetPowerManagementDefaultLimit");
        *(void **) &nvml.limit_range = dlsym(library, "nvmlDeviceGetPowerManagementLimitConstraints");
        *(void **) &nvml.set_limit = dlsym(library, "nvmlDeviceSetPowerManagementLimit");
        *(void **) &nvml.temperature = dlsym(library, "nvmlDeviceGetTemperature");
        *(void **) &nvml.clock = dlsym(library, "nvmlDeviceGetClockInfo");
        nvml.error = init && nvml.count && nvml.card && init() == OK ? 0 : -ENODEV;
}

static int32_t errno_of(int result) {
        switch (result) {
        case OK:
                return 0;
        case INVALID_ARGUMENT:
                return -EINVAL;
        case NOT_SUPPORTED:
                return -ENOTSUP;
        case NO_PERMISSION:
                return -EPERM;
        case NOT_FOUND:
        case GPU_IS_LOST:
                return -ENODEV;
        default:
                return -EIO;
        }
}

int32_t nodeos_nvml_count(void) {
        unsigned int count = 0;
        int result;

        pthread_once(&once, load);
        if (nvml.error)
                return nvml.error;
        result = nvml.count(&count);
        return result == OK ? (int32_t) count : errno_of(result);
}

static int32_t find_card(int32_t card, card_t *ret_card) {
        int32_t count = nodeos_nvml_count();

        if (count < 0)
                return count;
        if (card < 0 || card >= count)
                return -ENODEV;
        return errno_of(nvml.card((unsigned int) card, ret_card));
}

static int get_number(int (*function)(card_t, unsigned int *), card_t card, int64_t *ret_value) {
        unsigned int value = 0;
        int result = function ? function(card, &value) : NOT_SUPPORTED;

        *ret_value = value;
        return result;
}

static int get_of(int (*function)(card_t, int, unsigned int *), card_t card, int which, int64_t *ret_value) {
        unsigned int value = 0;
        int result = function ? function(card, which, &value) : NOT_SUPPORTED;

        *ret_value = value;
        return result;
}

static int get_range(card_t card, int is_max, int64_t *ret_value) {
        unsigned int min = 0, max = 0;
        int result = nvml.limit_range ? nvml.limit_range(card, &min, &max) : NOT_SUPPORTED;

        *ret_value = is_max ? max : min;
        return result;
}

static int get_energy(card_t card, int64_t *ret_value) {
        unsigned long long value = 0;
        int result = nvml.energy ? nvml.energy(card, &value) : NOT_SUPPORTED;

        *ret_value = (int64_t) value;
        return result;
}

static int get_fact(card_t card, int32_t fact, int64_t *ret_value) {
        switch (fact) {
        case NODEOS_NVML_POWER:
                return get_number(nvml.power, card, ret_value);
        case NODEOS_NVML_ENERGY:
                return get_energy(card, ret_value);
        case NODEOS_NVML_LIMIT:
                return get_number(nvml.limit, card, ret_value);
        case NODEOS_NVML_LIMIT_MIN:
                return get_range(card, 0, ret_value);
        case NODEOS_NVML_LIMIT_MAX:
                return get_range(card, 1, ret_value);
        case NODEOS_NVML_LIMIT_DEFAULT:
                return get_number(nvml.limit_default, card, ret_value);
        case NODEOS_NVML_TEMPERATURE:
                return get_of(nvml.temperature, card, 0, ret_value);
        case NODEOS_NVML_CLOCK:
                return get_of(nvml.clock, card, 1, ret_value);
        default:
                return INVALID_ARGUMENT;
        }
}

int32_t nodeos_nvml_get(int32_t card, int32_t fact, int64_t *ret_value) {
        card_t found;
        int32_t error = find_card(card, &found);

        return error < 0 ? error : errno_of(get_fact(found, fact, ret_value));
}

int32_t nodeos_nvml_set_limit(int32_t card, int64_t milliwatts) {
        card_t found;
        int32_t error = find_card(card, &found);

        if (error < 0)
                return error;
        if (milliwatts < 1 || milliwatts > INT32_MAX)
                return -EINVAL;
        return nvml.set_limit ? errno_of(nvml.set_limit(found, (unsigned int) milliwatts)) : -ENOTSUP;
}

int32_t nodeos_nvml_uuid(int32_t card, uint8_t *ret_text, int32_t size) {
        char text[96] = "";
        int32_t error;
        card_t found;
        size_t length;

        error = find_card(card, &found);
        if (error < 0)
                return error;
        if (!nvml.uuid)
                return -ENOTSUP;
        error = errno_of(nvml.uuid(found, text, sizeof(text)));
        if (error < 0)
                return error;
        length = strnlen(text, sizeof(text) - 1) + 1;
        if (size < 0 || (size_t) size < length)
                return -EFBIG;
        memcpy(ret_text, text, length);
        return (int32_t) length;
}
