/* Runs a fuzz target without a fuzzer: replay SEEDS RUNS. It runs every file of the folder SEEDS,
 * and RUNS inputs that are made of them by changes. The changes follow from fixed numbers: they are
 * the same each time, with any compiler. The last line before a failure names the seed. */
#include "support/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_MAX 256
#define INPUT_MAX 4096

struct seed {
    char *name;
    uint8_t *data;
    size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;

/* --- seeds --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seed *)a)->name, ((const struct seed *)b)->name);
}

static void read_seed(const char *folder, const char *name)
{
    char path[4096];
    struct seed *seed = &seeds[seed_count++];
    FUZZ_CHECK(seed_count <= SEEDS_MAX);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file != NULL);
    seed->name = strdup(name);
    seed->data = malloc(INPUT_MAX);
    FUZZ_CHECK(seed->name != NULL && seed->data != NULL);
    seed->size = fread(seed->data, 1, INPUT_MAX, file);
    (void)fclose(file);
}

static void read_seeds(const char *folder)
{
    DIR *entries = opendir(folder);
    FUZZ_CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (entry->d_name[0] != '.')
            read_seed(folder, entry->d_name);
    (void)closedir(entries);
    FUZZ_CHECK(seed_count > 0);
    qsort(seeds, seed_count, sizeof *seeds, by_name);
}

/* --- changes --- */

struct input {
    uint8_t data[INPUT_MAX];
    size_t size;
};

static size_t below(uint32_t *random, size_t limit)
{
    return limit > 0 ? fuzz_draw(random) % limit : 0;
}

static void change_byte(struct input *input, uint32_t *random)
{
    static const uint8_t telling[] = {0,    1,    0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x88,
                                      0x89, 0xC0, 0xED, 0xF4, 0xFE, 0xFF, '\r', ';'};
    if (input->size == 0)
        return;
    uint8_t *byte = &input->data[below(random, input->size)];
    if (below(random, 2) == 0)
        *byte ^= (uint8_t)(1u << below(random, 8));
    else
        *byte = telling[below(random, sizeof telling)];
}

/* Takes a part out. */
static void cut_out(struct input *input, uint32_t *random)
{
    size_t at = below(random, input->size);
    size_t size = 1 + below(random, 8);
    size = size < input->size - at ? size : input->size - at;
    memmove(input->data + at, input->data + at + size, input->size - at - size);
    input->size -= size;
}

/* Puts a part of any seed in. */
static void splice(struct input *input, uint32_t *random)
{
    const struct seed *other = &seeds[below(random, seed_count)];
    size_t from = below(random, other->size);
    size_t size = below(random, other->size - from + 1);
    size_t at = below(random, input->size + 1);
    if (size > INPUT_MAX - input->size)
        return;
    memmove(input->data + at + size, input->data + at, input->size - at);
    memcpy(input->data + at, other->data + from, size);
    input->size += size;
}

static void change(struct input *input, uint32_t *random)
{
    for (size_t count = 1 + below(random, 4); count > 0; count--) {
        size_t what = below(random, 8);
        if (what < 5)
            change_byte(input, random);
        else if (what < 6)
            cut_out(input, random);
        else
            splice(input, random);
    }
}

/* In an allocation of exactly its size. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_changed(const struct seed *seed, uint32_t count)
{
    uint32_t random = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct input input = {.size = seed->size};
        memcpy(input.data, seed->data, seed->size);
        change(&input, &random);
        run(input.data, input.size);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s SEEDS RUNS\n", argv[0]);
        return 2;
    }
    read_seeds(argv[1]);
    uint32_t each = (uint32_t)(strtoul(argv[2], NULL, 10) / seed_count);
    for (size_t i = 0; i < seed_count; i++) {
        printf("%s\n", seeds[i].name);
        (void)fflush(stdout);
        run(seeds[i].data, seeds[i].size);
        run_changed(&seeds[i], each);
    }
    for (size_t i = 0; i < seed_count; i++) {
        free(seeds[i].name);
        free(seeds[i].data);
    }
    return 0;
}
