#include "attack.h"
const struct family sockets_family = { "sockets", 0, NULL };
