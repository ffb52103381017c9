/* A build without zlib: nothing can be compressed, and every call returns WEIR_ENOTSUP. */
#include <weir/deflate_codec.h>

int weir_deflate_new(weir_deflate **out, const weir_allocator *allocator)
{
    (void)allocator;
    *out = NULL;
    return WEIR_ENOTSUP;
}

void weir_deflate_free(weir_deflate *shared)
{
    (void)shared;
}

int weir_deflate_codec_new(weir_codec **out, weir_deflate *shared, enum weir_role role,
                           const weir_deflate_options *options, const weir_deflate_terms *terms)
{
    (void)shared;
    (void)role;
    (void)options;
    (void)terms;
    *out = NULL;
    return WEIR_ENOTSUP;
}
