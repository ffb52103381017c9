#include <weir/version.h>

#define QUOTE(x)     #x
#define TO_STRING(x) QUOTE(x)
#define VERSION_TEXT                                                                               \
    TO_STRING(WEIR_VERSION_MAJOR)                                                                  \
    "." TO_STRING(WEIR_VERSION_MINOR) "." TO_STRING(WEIR_VERSION_PATCH)

#ifdef WEIR_HAVE_URING
#define URING_TEXT "io_uring"
#else
#define URING_TEXT "-io_uring"
#endif

#ifdef WEIR_HAVE_DEFLATE
#define DEFLATE_TEXT "deflate"
#else
#define DEFLATE_TEXT "-deflate"
#endif

#ifdef WEIR_HAVE_LIBDEFLATE
#define LIBDEFLATE_TEXT "libdeflate"
#else
#define LIBDEFLATE_TEXT "-libdeflate"
#endif

/* Builds without CMake name no context. */
#ifndef WEIR_CONTEXT_NAME
#define WEIR_CONTEXT_NAME "unnamed"
#endif

const char *weir_version(void)
{
    return VERSION_TEXT;
}

const char *weir_features(void)
{
    return "epoll " URING_TEXT " sim " DEFLATE_TEXT " " LIBDEFLATE_TEXT
           " context=" WEIR_CONTEXT_NAME;
}
