#include "ws/session/lru.h"

#include "rt/loop.h"

#include <string.h>

/* Few where the pool keeps nothing either, so that a use of freed memory is seen. */
#define LRU_MAX (WEIR__POOL_KEEPS ? 256 : 2)

struct lru {
    struct weir__loop_data data;
    weir_loop *loop;
    unsigned next; /* the place of the least recently used */
    weir_session *sessions[LRU_MAX];
};

static const char kind[] = "least recently used sessions";

static void fini_lru(struct weir__loop_data *data)
{
    struct lru *lru = WEIR__CONTAINER(data, struct lru, data);
    weir__loop_free(lru->loop, lru, sizeof *lru);
}

static struct lru *lru_of(const weir_loop *loop)
{
    struct weir__loop_data *data = weir__loop_data_find(loop, kind);
    return data == NULL ? NULL : WEIR__CONTAINER(data, struct lru, data);
}

/* NULL: no memory. */
static struct lru *attach_lru(weir_loop *loop)
{
    struct lru *lru = weir__loop_alloc(loop, sizeof *lru);
    if (lru == NULL)
        return NULL;
    memset(lru, 0, sizeof *lru);
    lru->data = (struct weir__loop_data){.kind = kind, .fini = fini_lru};
    lru->loop = loop;
    weir__loop_attach(loop, &lru->data);
    return lru;
}

static weir_session *vacate(struct lru *lru, unsigned place)
{
    weir_session *session = lru->sessions[place];
    lru->sessions[place] = NULL;
    if (session != NULL)
        session->active->in_lru = false;
    return session;
}

weir_session *weir__lru_put(weir_session *session)
{
    struct lru *lru = lru_of(session->loop);
    if (lru == NULL)
        lru = attach_lru(session->loop);
    if (lru == NULL)
        return session;
    unsigned place = lru->next++ % LRU_MAX;
    weir_session *oldest = vacate(lru, place);
    lru->sessions[place] = session;
    session->active->in_lru = true;
    session->active->place = (uint8_t)place;
    return oldest;
}

void weir__lru_remove(weir_session *session)
{
    if (session->active->in_lru)
        (void)vacate(lru_of(session->loop), session->active->place);
}

weir_session *weir__lru_pop(weir_loop *loop)
{
    struct lru *lru = lru_of(loop);
    for (unsigned place = 0; lru != NULL && place < LRU_MAX; place++)
        if (lru->sessions[place] != NULL)
            return vacate(lru, place);
    return NULL;
}
