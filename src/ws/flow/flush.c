#include "ws/flow/flush.h"

#include "rt/coroutine.h"

#include <assert.h>

enum flusher_step {
    AWAIT_FRAMES, /* until flusher->frame are serialized */
    AWAIT_TAKEN,  /* until flusher->target bytes are taken */
    AWAIT_PASSED, /* until the transport has passed on what it has; it was not asked yet */
    AWAIT_DRAINED /* the same, and it was */
};

struct flusher {
    struct weir__wait wait;
    struct weir__flush *flush;
    weir__node link;
    enum flusher_step step;
    uint32_t frame;
    uint64_t target;
};

void weir__flush_init(struct weir__flush *flush)
{
    *flush = (struct weir__flush){.taken = 0};
}

void weir__flush_fini(struct weir__flush *flush)
{
    assert(flush->waiting == NULL);
    (void)flush;
}

static void withdraw(struct weir__wait *wait)
{
    struct flusher *flusher = WEIR__CONTAINER(wait, struct flusher, wait);
    weir__chain_remove(&flusher->flush->waiting, &flusher->link);
}

/* Goes as far as it can. Returns whether all is done but for what the transport holds. */
static bool advance(const struct weir__flush *flush, struct flusher *flusher, size_t unsent)
{
    if (flusher->step == AWAIT_FRAMES && (int32_t)(flush->pushed - flusher->frame) >= 0) {
        flusher->step = AWAIT_TAKEN;
        flusher->target = flush->taken + unsent;
    }
    if (flusher->step == AWAIT_TAKEN && flush->taken >= flusher->target)
        flusher->step = AWAIT_PASSED;
    return flusher->step == AWAIT_PASSED;
}

static void wake(struct flusher *flusher, int status)
{
    weir__chain_remove(&flusher->flush->waiting, &flusher->link);
    weir__wait_wake(&flusher->wait, status);
}

/* Wakes the flushers that have nothing left to wait for. If the transport still holds bytes, it
 * calls on_drained later. */
static void ask_transport(struct weir__flush *flush, weir__io *io)
{
    bool drained = io == NULL || weir__io_unsent(io) == 0;
    bool asks = !drained && (io->flags & WEIR__IO_DRAINING) == 0 && weir__io_await_drained(io);
    weir__node *node = flush->waiting;
    while (node != NULL) {
        struct flusher *flusher = WEIR__CONTAINER(node, struct flusher, link);
        node = weir__chain_next(&flush->waiting, node);
        if (flusher->step == AWAIT_PASSED && drained)
            wake(flusher, WEIR_OK);
        else if (flusher->step == AWAIT_PASSED && asks)
            flusher->step = AWAIT_DRAINED;
    }
}

int weir__flush_wait(struct weir__flush *flush, weir__io *io, size_t queued, size_t unsent)
{
    struct flusher flusher = {
        .flush = flush, .step = AWAIT_FRAMES, .frame = flush->pushed + (uint32_t)queued};
    int status = weir__wait_init(&flusher.wait, "flush", withdraw);
    if (status != WEIR_OK)
        return status;
    bool passed = advance(flush, &flusher, unsent);
    if (passed && weir__io_unsent(io) == 0)
        return WEIR_OK;
    weir__chain_push(&flush->waiting, &flusher.link);
    if (passed)
        ask_transport(flush, io);
    return weir__wait_suspend(&flusher.wait);
}

void weir__flush_advance(struct weir__flush *flush, weir__io *io, size_t unsent)
{
    bool passed = false;
    for (weir__node *node = flush->waiting; node != NULL;
         node = weir__chain_next(&flush->waiting, node))
        passed |= advance(flush, WEIR__CONTAINER(node, struct flusher, link), unsent);
    if (passed)
        ask_transport(flush, io);
}

void weir__flush_all_taken(struct weir__flush *flush, weir__io *io)
{
    for (weir__node *node = flush->waiting; node != NULL;
         node = weir__chain_next(&flush->waiting, node)) {
        struct flusher *flusher = WEIR__CONTAINER(node, struct flusher, link);
        if (flusher->step < AWAIT_PASSED)
            flusher->step = AWAIT_PASSED;
    }
    ask_transport(flush, io);
}

void weir__flush_on_drained(struct weir__flush *flush, weir__io *io, int status)
{
    weir__node *node = flush->waiting;
    while (node != NULL) {
        struct flusher *flusher = WEIR__CONTAINER(node, struct flusher, link);
        node = weir__chain_next(&flush->waiting, node);
        if (flusher->step == AWAIT_DRAINED)
            wake(flusher, status);
    }
    ask_transport(flush, io);
}

void weir__flush_end(struct weir__flush *flush, int status)
{
    weir__node *node;
    while ((node = flush->waiting) != NULL)
        wake(WEIR__CONTAINER(node, struct flusher, link), status);
}
