/* Stands for the library of a graphics driver: two cards; the second one has no energy counter, and refuses limits. */
#include <stdio.h>
#include <string.h>

typedef struct card *card_t;

static unsigned int limits[2] = { 300000, 250000 };

static int index_of(card_t card) {
        return (int) ((char *) card - (char *) 0) - 1;
}

int nvmlInit_v2(void) {
        return 0;
}

int nvmlDeviceGetCount_v2(unsigned int *ret_count) {
        *ret_count = 2;
        return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, card_t *ret_card) {
        *ret_card = (card_t) ((char *) 0 + index + 1);
        return 0;
}

int nvmlDeviceGetUUID(card_t card, char *ret_text, unsigned int size) {
        snprintf(ret_text, size, "GPU-0000-%d", index_of(card));
        return 0;
}

int nvmlDeviceGetPowerUsage(card_t card, unsigned int *ret_milliwatts) {
        *ret_milliwatts = 71250 + (unsigned int) index_of(card);
        return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(card_t card, unsigned long long *ret_millijoules) {
        *ret_millijoules = 1ull << 40;
        return index_of(card) == 0 ? 0 : 3;
}

int nvmlDeviceGetPowerManagementLimit(card_t card, unsigned int *ret_milliwatts) {
        *ret_milliwatts = limits[index_of(card)];
        return 0;
}

int nvmlDeviceGetPowerManagementLimitConstraints(card_t card, unsigned int *ret_min, unsigned int *ret_max) {
        (void) card;
        *ret_min = 100000;
        *ret_max = 350000;
        return 0;
}

int nvmlDeviceSetPowerManagementLimit(card_t card, unsigned int milliwatts) {
        if (index_of(card) != 0)
                return 4;
        limits[0] = milliwatts;
        return 0;
}

int nvmlDeviceGetTemperature(card_t card, int sensor, unsigned int *ret_degrees) {
        (void) card;
        *ret_degrees = 55;
        return sensor == 0 ? 0 : 2;
}

int nvmlDeviceGetClockInfo(card_t card, int which, unsigned int *ret_megahertz) {
        (void) card;
        *ret_megahertz = 1410;
        return which == 1 ? 0 : 2;
}
