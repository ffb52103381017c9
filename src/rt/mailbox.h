/* rt/mailbox.h - calls handed to a loop from other threads. Posting is thread-safe; opening belongs
 * to the loop's thread. */
#ifndef WEIR_RT_MAILBOX_H
#define WEIR_RT_MAILBOX_H

#include <weir/base.h>

#include <stdatomic.h>

struct weir__mail;

struct weir__mailbox {
    struct weir__mail *_Atomic newest; /* linked to older ones */
};

void weir__mailbox_init(struct weir__mailbox *mailbox);

/* Drops what was never delivered. */
void weir__mailbox_fini(struct weir__mailbox *mailbox);

/* Errors: WEIR_ENOMEM. The memory is the C library's: a loop's own allocator need not be
 * thread-safe. */
WEIR_MUST_USE int weir__mailbox_post(struct weir__mailbox *mailbox, void (*fn)(void *arg),
                                     void *arg);

/* Calls everything posted so far, in order. */
void weir__mailbox_open(struct weir__mailbox *mailbox);

#endif
