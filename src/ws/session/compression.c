/* Sessions that compress: what the codecs of a loop share lives as long as the loop. */
#include "rt/loop.h"
#include "ws/session/session.h"

#include <weir/deflate_codec.h>

struct shared {
    struct weir__loop_data data;
    weir_loop *loop;
    weir_deflate *deflate;
};

static const char kind[] = "deflate";

static void fini_shared(struct weir__loop_data *data)
{
    struct shared *shared = WEIR__CONTAINER(data, struct shared, data);
    weir_deflate_free(shared->deflate);
    weir__loop_free(shared->loop, shared, sizeof *shared);
}

int weir__deflate_prepare(weir_loop *loop, const weir_deflate_options *options)
{
    if (!weir_deflate_options_is_valid(options))
        return WEIR_EINVAL;
    if (!options->enabled || weir__loop_data_find(loop, kind) != NULL)
        return WEIR_OK;
    struct shared *shared = weir__loop_alloc(loop, sizeof *shared);
    if (shared == NULL)
        return WEIR_ENOMEM;
    *shared = (struct shared){.data = {.kind = kind, .fini = fini_shared}, .loop = loop};
    int status = weir_deflate_new(&shared->deflate, weir__loop_allocator(loop));
    if (status == WEIR_OK)
        weir__loop_attach(loop, &shared->data);
    else
        weir__loop_free(loop, shared, sizeof *shared);
    return status;
}

int weir__session_deflate(weir_session *session, enum weir_role role,
                          const weir_deflate_options *options, const weir_deflate_terms *terms)
{
    weir_codec *codec;
    struct weir__loop_data *data = weir__loop_data_find(session->loop, kind);
    struct shared *shared = WEIR__CONTAINER(data, struct shared, data);
    int status = weir_deflate_codec_new(&codec, shared->deflate, role, options, terms);
    if (status != WEIR_OK)
        return status;
    weir_endpoint_set_codec(&session->active->endpoint, codec);
    session->deflate_terms = *terms;
    session->deflates = true;
    return WEIR_OK;
}
