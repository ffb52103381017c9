/* tests/support/failing_allocator.h - an allocator that counts its live bytes and fails at a chosen
 * call. It is for loops of the shape "fail the n-th call, for every n until the scenario passes".
 * Not thread-safe. */
#ifndef WEIR_TESTS_FAILING_ALLOCATOR_H
#define WEIR_TESTS_FAILING_ALLOCATOR_H

#include <weir/base.h>

typedef struct failing_allocator {
    weir_allocator allocator; /* for the library; its arg is this struct, which must not move */
    size_t calls;             /* allocating calls so far (frees are not counted) */
    size_t fail_at;           /* the call that fails, from 1; 0: none */
    bool fail_after;          /* every call from fail_at on fails, not just that one */
    bool failed;              /* a call has failed */
    size_t live_bytes;
    size_t live_blocks;
    size_t peak_bytes;
    size_t largest; /* the biggest size ever asked for */
} failing_allocator;

/* fail_at 0: never fails. */
void failing_allocator_init(failing_allocator *self, size_t fail_at);

/* True when all that was allocated is freed, with the sizes that were asked for. */
bool failing_allocator_is_clean(const failing_allocator *self);

#endif
