#include "attack.h"
const struct family stalls_family = { "stalls", 0, NULL };
