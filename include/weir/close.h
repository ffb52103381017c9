/** @file
 * weir/close.h - close codes and reasons (RFC 6455 7.4 and the IANA registry). Values;
 * thread-safe. */
#ifndef WEIR_CLOSE_H
#define WEIR_CLOSE_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** The registered codes (RFC 6455 7.4.1 and the IANA registry). */
enum weir_close_code {
    WEIR_CLOSE_NORMAL = 1000,            /**< the conversation is over */
    WEIR_CLOSE_GOING_AWAY = 1001,        /**< a server stops, or a user leaves a page */
    WEIR_CLOSE_PROTOCOL_ERROR = 1002,    /**< the peer broke the protocol */
    WEIR_CLOSE_CANNOT_ACCEPT = 1003,     /**< a kind of data that this end does not take */
    WEIR_CLOSE_NO_STATUS = 1005,         /**< never on the wire: a Close without a payload */
    WEIR_CLOSE_CLOSED_ABNORMALLY = 1006, /**< never on the wire: the connection was lost */
    WEIR_CLOSE_NOT_CONSISTENT = 1007,    /**< text that is not UTF-8, data that does not inflate */
    WEIR_CLOSE_VIOLATED_POLICY = 1008,   /**< a rule of the application that no other code tells */
    WEIR_CLOSE_TOO_BIG = 1009,           /**< a frame or message over the limit */
    WEIR_CLOSE_NO_EXTENSION = 1010,    /**< a client's: the server did not agree to an extension */
    WEIR_CLOSE_INTERNAL_ERROR = 1011,  /**< a server's: something unexpected happened */
    WEIR_CLOSE_SERVICE_RESTART = 1012, /**< come back in a moment */
    WEIR_CLOSE_TRY_AGAIN_LATER = 1013, /**< overloaded: come back later, or elsewhere */
    WEIR_CLOSE_BAD_GATEWAY = 1014,     /**< a gateway got a bad answer from behind it */
    WEIR_CLOSE_TLS_HANDSHAKE = 1015,   /**< never on the wire: TLS could not be set up */
};

/** The most bytes of UTF-8 that the message of a reason may have: 125 bytes of a control payload
 * less 2 of the code (RFC 6455 5.5). */
#define WEIR_CLOSE_MESSAGE_MAX 123

/** A code and a text, as a Close frame carries them (RFC 6455 7.1.5, 7.1.6). */
typedef struct weir_close_reason {
    uint16_t code;        /**< 1000..4999; 0: no reason at all (nothing was sent or received) */
    uint8_t message_size; /**< bytes in message, 0..123 */
    char message[WEIR_CLOSE_MESSAGE_MAX + 1]; /**< UTF-8, terminated by NUL */
} weir_close_reason;

/** Fills *out with a code and a message. message may be NULL. Borrows it. A code that is only used
 * locally, such as 1006, is accepted here, and refused when it is sent. On failure *out is zeroed.
 * Errors: WEIR_EINVAL: the code is not in 1000..4999, or the message is over 123 bytes or not
 * UTF-8. */
WEIR_API WEIR_MUST_USE int weir_close_reason_init(weir_close_reason *out, unsigned code,
                                                  const char *message);

/** The name of a registered code ("NORMAL"). NULL for any other code. Lends a string that stays
 * valid for ever. */
WEIR_API const char *weir_close_code_name(unsigned code);

/** Whether a code may stand in a Close frame: 1000-1003, 1007-1014, 3000-4999 (RFC 6455 7.4). */
WEIR_API bool weir_close_code_is_sendable(unsigned code);

/** Whether two reasons have the same code and the same message. Borrows both. */
WEIR_API bool weir_close_reason_equal(const weir_close_reason *a, const weir_close_reason *b);

/** How a session ended. */
enum weir_end_kind {
    WEIR_END_NONE = 0,      /**< it has not ended yet */
    WEIR_END_CLEAN,         /**< a Close went each way (RFC 6455 7.1.4) */
    WEIR_END_LOST,          /**< the stream ended with no Close from the peer: 1006 */
    WEIR_END_PING_TIMEOUT,  /**< the peer did not answer a ping in time; ours is 1011 */
    WEIR_END_CLOSE_TIMEOUT, /**< our Close was not answered in time */
    WEIR_END_PROTOCOL,      /**< the peer broke the rule in fault; ours is 1002 or 1007 */
    WEIR_END_TOO_BIG,       /**< a frame or message was over its limit; ours is 1009 */
    WEIR_END_CANCELLED,     /**< terminated or cancelled on this side */
    WEIR_END_IO,            /**< the system reported an error on the stream: status holds it */
};

/** Everything that is known of the end of a session. */
typedef struct weir_end {
    enum weir_end_kind kind; /**< WEIR_END_NONE: it has not ended */
    bool by_peer;            /**< the peer's Close came before ours was sent */
    /** What receivers get after the last frame: the system's error of WEIR_END_IO, the status of
     * the broken rule, else the one that fits the kind; WEIR_OK while it has not ended. */
    int status;
    weir_close_reason ours; /**< what we sent; code 0: no Close was sent */
    /** What the peer sent; code 0: none arrived, 1005: one without a code. */
    weir_close_reason theirs;
    weir_fault fault; /**< the rule that was broken, if one was */
} weir_end;

/** The reason of the side that closed first. Its code is 1006 when neither side closed. Lends it as
 * long as *end lives. */
WEIR_API const weir_close_reason *weir_end_reason(const weir_end *end);

/** The name of a kind for logs: "clean", "lost", "ping timeout", ... Never NULL. Lends a string
 * that stays valid for ever. */
WEIR_API const char *weir_end_kind_name(enum weir_end_kind kind);

/** Writes "NORMAL (1000) message". Cuts and returns the length as base.h says of every
 * weir_TYPE_describe(). */
WEIR_API size_t weir_close_reason_describe(char *out, size_t capacity,
                                           const weir_close_reason *reason);

WEIR_END_DECLS
#endif
