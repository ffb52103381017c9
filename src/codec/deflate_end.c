/* A block with codes of its own ends with the code of the symbol 256. The code lengths at the
 * block's head give that code, and so how many zero bits it ends with, unless it is all zero. The
 * zero bits at the end of the last octet beyond these are free. */
#include "codec/deflate_end.h"

#include <string.h>

#define DYNAMIC      2 /* the type of a block with codes of its own */
#define END_OF_BLOCK 256
#define LENGTH_CODES 19
#define LENGTH_BITS  7 /* of a code that stands for a length */
#define CODE_BITS    15
#define REPEAT       16 /* the length before, 3 to 6 times */
#define ZEROS        17 /* 3 to 10 */
#define MANY_ZEROS   18 /* 11 to 138 */

struct bits {
    const uint8_t *in;
    size_t size;
    size_t at; /* in bits */
};

static inline uint32_t load(const uint8_t *in)
{
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

/* The last octets, and zero beyond. */
static __attribute__((noinline)) uint32_t load_end(const struct bits *bits, size_t first)
{
    uint8_t last[4] = {0};
    if (first < bits->size)
        memcpy(last, bits->in + first, bits->size - first);
    return load(last);
}

/* The next bits, the first one lowest. Zero beyond the end. */
static inline unsigned peek(const struct bits *bits, unsigned count)
{
    size_t first = bits->at / 8;
    uint32_t word =
        first + sizeof word <= bits->size ? load(bits->in + first) : load_end(bits, first);
    return (word >> (bits->at % 8)) & ((1U << count) - 1);
}

static void skip(struct bits *bits, unsigned count)
{
    bits->at += count;
}

static unsigned take(struct bits *bits, unsigned count)
{
    unsigned value = peek(bits, count);
    skip(bits, count);
    return value;
}

static unsigned reverse(unsigned code, unsigned count)
{
    unsigned reversed = 0;
    for (unsigned i = 0; i < count; i++)
        reversed |= ((code >> i) & 1) << (count - 1 - i);
    return reversed;
}

/* The first code of a length (3.2.2), when counts[] says how many there are of each. */
static unsigned first_code(const uint16_t *counts, unsigned length)
{
    unsigned code = 0;
    for (unsigned shorter = 1; shorter < length; shorter++)
        code = (code + counts[shorter]) << 1;
    return code;
}

/* For each value of the next bits: the symbol of a length, and in the upper bits the size of its
 * code. */
struct table {
    uint8_t entries[1 << LENGTH_BITS];
};

static void read_table(struct bits *bits, size_t count, struct table *table)
{
    static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LENGTH_CODES] = {0};
    uint16_t counts[LENGTH_BITS + 1] = {0};
    unsigned next[LENGTH_BITS + 1];
    memset(table, 0, sizeof *table);
    for (size_t i = 0; i < count; i++) {
        lengths[order[i]] = (uint8_t)take(bits, 3);
        counts[lengths[order[i]]]++;
    }
    for (unsigned length = 1; length <= LENGTH_BITS; length++)
        next[length] = first_code(counts, length);
    for (unsigned symbol = 0; symbol < LENGTH_CODES; symbol++) {
        unsigned length = lengths[symbol];
        if (length == 0)
            continue;
        unsigned step = 1U << length;
        for (unsigned at = reverse(next[length]++, length); at < 1 << LENGTH_BITS; at += step)
            table->entries[at] = (uint8_t)(symbol | length << 5);
    }
}

/* How often a symbol repeats, and what. */
static size_t read_run(struct bits *bits, unsigned symbol, uint8_t before, uint8_t *length)
{
    *length = symbol == REPEAT ? before : 0;
    if (symbol == REPEAT)
        return 3 + take(bits, 2);
    if (symbol == ZEROS)
        return 3 + take(bits, 3);
    if (symbol == MANY_ZEROS)
        return 11 + take(bits, 7);
    *length = (uint8_t)symbol;
    return 1;
}

/* Reads the lengths of all codes but those of distances, and returns the code of the block's end;
 * 0: it is all zero, or there is none. */
static unsigned read_end_code(struct bits *bits, const struct table *table, size_t count)
{
    uint16_t counts[CODE_BITS + 1] = {0};
    uint8_t length = 0;
    unsigned end_length = 0;
    unsigned before = 0; /* codes of that length that come first */
    for (size_t at = 0; at < count;) {
        unsigned entry = table->entries[peek(bits, LENGTH_BITS)];
        if (entry >> 5 == 0)
            return 0;
        skip(bits, entry >> 5);
        size_t run = read_run(bits, entry & 31, length, &length);
        if (run > count - at) /* it goes on into the distances */
            run = count - at;
        if (at <= END_OF_BLOCK && at + run > END_OF_BLOCK) {
            end_length = length;
            before = counts[length] + (unsigned)(END_OF_BLOCK - at);
        }
        counts[length] = (uint16_t)(counts[length] + run);
        at += run;
    }
    return end_length == 0 ? 0 : first_code(counts, end_length) + before;
}

static int zero_bits_at_end(const uint8_t *in, size_t size)
{
    int zeros = 0;
    while (size > 0 && in[size - 1] == 0) {
        zeros += 8;
        size--;
    }
    return size == 0 ? zeros : zeros + __builtin_clz(in[size - 1]) - 24;
}

int weir__deflate_free_bits(const uint8_t *in, size_t size)
{
    struct bits bits = {in, size, 1};
    struct table table;
    if (size == 0 || take(&bits, 2) != DYNAMIC)
        return -1;
    size_t count = END_OF_BLOCK + 1 + take(&bits, 5);
    skip(&bits, 5); /* the number of distances */
    read_table(&bits, 4 + take(&bits, 4), &table);
    unsigned code = read_end_code(&bits, &table, count);
    int free_bits = code == 0 ? -1 : zero_bits_at_end(in, size) - __builtin_ctz(code);
    return free_bits >= 0 && free_bits <= 7 ? free_bits : -1;
}
