/** @file
 * weir/base.h - what every other header needs: export marks, status codes, the allocator.
 *
 * A function that can fail returns int: WEIR_OK (0), or a negative status. weir_strerror() and
 * weir_status_name() give its text and its name. Errors of the operating system are statuses too:
 * WEIR_SYSTEM(errno). Whether a function suspends its coroutine is said first: **Suspends.**
 *
 * Order of arguments:
 * - A function that makes an object or fills a value takes the pointer to it first:
 *   weir_channel_new(&channel, loop, options), weir_session_end_get(&end, session).
 * - A function that writes text or bytes takes the room and its size first: weir_url_write(out,
 *   capacity, url).
 * - A function that moves data through an object takes the object first, as recv() does:
 *   weir_receive(session, &frame), weir_stream_read(stream, out, size, &got),
 *   weir_endpoint_send(endpoint, frame, output), which appends to a buffer.
 * - Further results (a fault, a number of bytes) come last.
 * - A callback gets the pointer that was registered with it as its last argument, arg.
 *
 * Names: weir_TYPE_NOUN() returns a value, weir_TYPE_NOUN_get() fills *out with one,
 * weir_TYPE_set_NOUN() changes one, weir_TYPE_is_ADJECTIVE() asks; all else is a verb. The everyday
 * verbs of a session have no type in their name: weir_send(), weir_receive(), weir_close().
 *
 * Text and bytes:
 * - weir_TYPE_describe() writes a text for people. It cuts the text at the room, always ends it
 *   with a NUL when there is room for one, and returns the length of the whole text, as snprintf()
 *   does.
 * - weir_TYPE_write() writes what a peer or a parser reads, which must not be cut. It returns the
 *   size without the NUL that it puts at the end, and the room has to hold that too. When the room
 *   is too small it returns WEIR_ETOOBIG and what stands in it is of no use. With out NULL it
 *   writes nothing and returns the size.
 *
 * Limits and times:
 * - In an options struct, and in an argument that stands for an option (weir_session_set_ping(),
 *   weir_stream_connect()), 0 is the documented default and WEIR_UNLIMITED is no limit. What always
 *   needs a bound (a queue of frames, a head, a stack) refuses WEIR_UNLIMITED with WEIR_EINVAL.
 * - The time for which a call waits is what it says: 0 does not wait, WEIR_UNLIMITED waits without
 *   limit (weir_select(), weir_with_deadline(), weir_sleep()).
 * - A number that has no default is a value: 0 is none of it (the capacity of weir_channel_new(),
 *   the chances of weir/sim.h, user_size).
 *
 * Ownership is said in four words. No word: by value.
 * - Borrows: the function uses it during the call.
 * - Keeps: it uses it until a named event.
 * - Takes: it releases it, also on failure.
 * - Lends: the result is valid until a named event. */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#error "weir runs on POSIX systems"
#elif defined(__GNUC__)
#define WEIR_API      __attribute__((visibility("default")))
#define WEIR_MUST_USE __attribute__((warn_unused_result))
#else
#define WEIR_API
#define WEIR_MUST_USE
#endif

/** Marks what is public, low-level, and may change between minor versions. To use it without a
 * warning define WEIR_USE_INTERNAL_API before including weir. */
#if defined(WEIR_USE_INTERNAL_API) || defined(WEIR_BUILDING) || !defined(__GNUC__)
#define WEIR_INTERNAL_API WEIR_API
#else
#define WEIR_INTERNAL_API                                                                          \
    WEIR_API __attribute__((                                                                       \
        deprecated("low-level weir API, it may change: define WEIR_USE_INTERNAL_API")))
#endif

#ifdef __cplusplus
#define WEIR_BEGIN_DECLS extern "C" {
#define WEIR_END_DECLS   }
#else
#define WEIR_BEGIN_DECLS
#define WEIR_END_DECLS
#endif

WEIR_BEGIN_DECLS

/** No limit, where a size or a time may have none. */
#define WEIR_UNLIMITED UINT64_MAX

/** What a call returned. A value never changes its meaning between versions. */
enum weir_status {
    WEIR_OK = 0,
    /** The channel, session or stream has ended normally: nothing more comes or goes. */
    WEIR_CLOSED = -1,
    WEIR_CANCELLED = -2, /**< the scope of the caller, or the thing waited for, was cancelled */
    WEIR_ETIMEDOUT = -3, /**< a deadline passed */
    WEIR_EINVAL = -4,    /**< a bad argument */
    WEIR_ENOMEM = -5,    /**< no memory (or no address space, no mapping) */
    WEIR_EAGAIN = -6,    /**< a try_ call would have had to suspend */
    WEIR_EPROTOCOL = -7, /**< the peer broke the protocol */
    WEIR_EUTF8 = -8,     /**< the peer sent text that is not UTF-8 */
    WEIR_ETOOBIG = -9,   /**< a frame, message, head or field is over its limit */
    WEIR_EREFUSED = -10, /**< the opening handshake was answered with another status than 101 */
    /** The call is not allowed in this state (outside a coroutine, already started, ...). */
    WEIR_ESTATE = -11,
    WEIR_ENOTSUP = -12,   /**< not built in, or the kernel refuses it */
    WEIR_ELOST = -13,     /**< the connection ended without a Close */
    WEIR_ELIMIT = -14,    /**< a limit on a count was reached */
    WEIR_ERESOLVE = -15,  /**< the host name could not be resolved */
    WEIR_EDEADLOCK = -16, /**< nothing is left that could end the wait */
};

/** A system error as a status, and back: weir_status_errno() gives 0 for a status that is not
 * one. */
#define WEIR_SYSTEM_BASE (-1000)
/** The status that stands for a value of errno. */
#define WEIR_SYSTEM(errno_value) (WEIR_SYSTEM_BASE - (errno_value))

/** The errno inside a status made by WEIR_SYSTEM, or 0. Thread-safe. */
WEIR_API int weir_status_errno(int status);

/** A short English sentence for any status, never NULL. Lends a string that stays valid for ever.
 * Thread-safe. */
WEIR_API const char *weir_strerror(int status);

/** The name of a status ("WEIR_EPROTOCOL"), "WEIR_SYSTEM" for a system error, "WEIR_UNKNOWN"
 * otherwise. Lends a string that stays valid for ever. Thread-safe. */
WEIR_API const char *weir_status_name(int status);

/** Which rule a peer broke. For logs and people: code branches on the status alone. */
typedef struct weir_fault {
    int status;       /**< WEIR_EPROTOCOL, WEIR_EUTF8 or WEIR_ETOOBIG; 0: no fault */
    uint64_t offset;  /**< bytes of input before the byte that broke it */
    const char *rule; /**< a literal such as "5.5: control frame longer than 125"; NULL: no fault */
} weir_fault;

/** Where memory comes from.
 *
 * - resize(NULL, 0, n, arg) allocates n bytes, aligned as malloc() does.
 * - resize(p, old, 0, arg) frees p and returns NULL.
 * - resize(p, old, n, arg) reallocates. NULL: there is no memory, and p is unchanged.
 *
 * old_size is always the size that was asked for before, so that a counting allocator needs no
 * headers. */
typedef struct weir_allocator {
    void *(*resize)(void *block, size_t old_size, size_t new_size, void *arg); /**< see above */
    void *arg; /**< handed to resize */
} weir_allocator;

WEIR_END_DECLS
#endif
