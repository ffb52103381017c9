/** @file
 * weir/version.h - which weir this is: numbers for the compiler, strings for people.
 * Thread-safe. */
#ifndef WEIR_VERSION_H
#define WEIR_VERSION_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

#define WEIR_VERSION_MAJOR 0 /**< changes when the binary interface does: the soname's number */
#define WEIR_VERSION_MINOR 1 /**< changes when something is added (before 1.0: also changed) */
#define WEIR_VERSION_PATCH 0 /**< changes when something is repaired */

/** The version as one number that grows: 100 for 0.1.0, 10203 for 1.2.3. */
#define WEIR_VERSION_NUMBER                                                                        \
    (WEIR_VERSION_MAJOR * 10000 + WEIR_VERSION_MINOR * 100 + WEIR_VERSION_PATCH)

/** The version of the library that is linked, which may be newer than the headers: "0.1.0". Lends a
 * string that stays valid for ever. */
WEIR_API const char *weir_version(void);

/** What the linked library was built with: words with a space between them, and a '-' before what
 * was left out, as in "epoll io_uring sim deflate libdeflate context=x86_64". Lends a string that
 * stays valid for ever. */
WEIR_API const char *weir_features(void);

WEIR_END_DECLS
#endif
