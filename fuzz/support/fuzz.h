/* fuzz/support/fuzz.h - what fuzz targets share. The first bytes of an input choose how it is run;
 * the rest is fed. */
#ifndef WEIR_FUZZ_H
#define WEIR_FUZZ_H

#include <weir/base.h>
#include <weir/buffer.h>

/* libFuzzer's entry, and that of the replay in the test suite. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A condition that must hold; otherwise it is printed, and the program aborts. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

__attribute__((noreturn)) void fuzz_fail(const char *condition, const char *file, int line);

/* The bytes of an input that are not used yet. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

/* The next byte; 0 when there is none. */
uint8_t fuzz_take(struct fuzz_input *input);

/* A copy in an allocation of exactly its size, so that a sanitizer finds every access beyond it. */
uint8_t *fuzz_copy(const uint8_t *data, size_t size);

/* Cuts: a sequence of sizes that follows from a seed. */
struct fuzz_cuts {
    uint32_t state;
    uint32_t longest; /* bytes of the longest piece */
};

/* 0 as seed means that nothing is cut. */
struct fuzz_cuts fuzz_cuts_of(uint8_t seed);

/* The size of the next piece, 1..left. */
size_t fuzz_next_cut(struct fuzz_cuts *cuts, size_t left);

/* Numbers that follow from a seed; also a source of mask keys: random(out, size, state). */
uint32_t fuzz_draw(uint32_t *state);
void fuzz_random(void *out, size_t size, void *state);

/* A log of what happened: two runs are compared by it. */
void fuzz_log(weir_buffer *log, const void *data, size_t size);
void fuzz_log_number(weir_buffer *log, uint64_t number);

/* Compares two logs and empties both. */
void fuzz_compare(weir_buffer *a, weir_buffer *b);

/* UTF-8 by RFC 3629, one byte at a time: how many bytes are right, and whether the text may end
 * there. Shares nothing with the library. */
size_t fuzz_utf8_prefix(const uint8_t *data, size_t size, bool *complete);

#endif
