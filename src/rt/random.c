#include "rt/random.h"

#include "rt/sys.h"

#include <string.h>

static int refill(struct weir__random *random)
{
    ssize_t size = weir__sys_getrandom(random->bytes, WEIR__RANDOM_SIZE);
    if (size < 0)
        return WEIR_SYSTEM((int)-size);
    random->left = (size_t)size;
    memmove(random->bytes + WEIR__RANDOM_SIZE - random->left, random->bytes, random->left);
    return WEIR_OK;
}

int weir__random_init(struct weir__random *random)
{
    return refill(random);
}

void weir__random_fill(struct weir__random *random, void *out, size_t size)
{
    uint8_t *to = out;
    while (size > 0) {
        if (random->left == 0 && refill(random) != WEIR_OK)
            continue;
        size_t part = size < random->left ? size : random->left;
        uint8_t *from = random->bytes + WEIR__RANDOM_SIZE - random->left;
        memcpy(to, from, part);
        memset(from, 0, part);
        random->left -= part;
        to += part;
        size -= part;
    }
}
