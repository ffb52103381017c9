/** @file
 * weir/http.h - the head of an HTTP/1.1 message as views, and plain answers (RFC 9110, RFC 9112).
 *
 * It has what the opening handshake of WebSocket needs. It is not an HTTP server: it reads no
 * bodies and keeps no connection. Everything here is pure: no I/O, no allocation. Nothing suspends.
 * Thread-safe. */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include <weir/base.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

/** The most bytes that a head may have when no other limit is set: start line, fields and empty
 * line together. */
#define WEIR_HTTP_HEAD_DEFAULT 8192

/** The usual number of fields that a head may have: the size of the array that is set as
 * weir_http_head.fields. */
#define WEIR_HTTP_FIELDS_DEFAULT 100

/** A field line that was received. The value has no blanks around it; both lie in the head's
 * bytes. */
typedef struct weir_http_field {
    weir_view name;  /**< as received: names compare without case */
    weir_view value; /**< without the blanks around it, maybe empty */
} weir_http_field;

/** A field line to be sent. */
typedef struct weir_http_header {
    const char *name;  /**< a token (RFC 9110 5.1) */
    const char *value; /**< no control characters, no blanks at its ends (RFC 9110 5.5) */
} weir_http_header;

/** How far a head that arrives in pieces was read, so that each byte is looked at once. Zero it and
 * set the limit before the first byte of a message. It has only offsets: the bytes may move between
 * calls. */
typedef struct weir_http_scan {
    size_t size_max; /**< most bytes of the head; 0: WEIR_HTTP_HEAD_DEFAULT; at most 1 GiB counts */
    size_t start;    /**< where this head begins (after interim responses, or one empty line) */
    size_t seen;     /**< bytes that have been read and found good */
    size_t mark;     /**< where the element that is being read began */
    size_t field_count; /**< field lines begun */
    uint8_t state;      /**< private to the scanner */
} weir_http_scan;

/** A whole head. The caller lends the array for its fields. All views lie in the bytes that were
 * parsed, and are valid as long as those stay where they are. */
typedef struct weir_http_head {
    weir_http_field *fields; /**< set by the caller: room for field_capacity fields */
    size_t field_capacity;   /**< set by the caller: limit of fields; one more is WEIR_ETOOBIG */
    size_t field_count;      /**< fields filled */
    size_t size;             /**< bytes of the head, the empty line included */
    weir_view method;        /**< of a request; else absent */
    weir_view target;        /**< of a request, as received; else absent */
    unsigned status;         /**< of a response, 100..999; else 0 */
    weir_view reason;        /**< of a response, maybe empty; else absent */
} weir_http_head;

/** The next field of that name at index from or later. The case of names does not matter. Lends the
 * field as long as the head. NULL: there is none. To go on, ask again from (size_t)(field -
 * head->fields) + 1. */
WEIR_API const weir_http_field *weir_http_field_find(const weir_http_head *head, const char *name,
                                                     size_t from);

/** Where an iteration over the elements of a list field stands. Zero it to start. */
typedef struct weir_http_cursor {
    size_t field;   /**< index of the next field line to look at */
    weir_view rest; /**< what is left of the present one */
} weir_http_cursor;

/** The next element of a comma-separated field, all its lines taken together (RFC 9110 5.3),
 * without blanks around it. Empty elements are skipped (5.6.1.2). It is for lists of tokens: a
 * comma inside a quoted string separates too.
 *
 * Returns whether there was one. Lends *element as long as the head. */
WEIR_API bool weir_http_list_next(weir_view *element, const weir_http_head *head, const char *name,
                                  weir_http_cursor *cursor);

/** A plain answer to a request, after which the connection ends. */
typedef struct weir_http_answer {
    unsigned status;                 /**< 200..599 */
    const char *reason;              /**< reason phrase; NULL: the registered one */
    const weir_http_header *headers; /**< further fields, header_count of them; see below */
    size_t header_count;             /**< entries of headers */
    const void *body;                /**< may be NULL when body_size is 0 */
    size_t body_size;                /**< bytes */
    bool no_body; /**< answers HEAD: Content-Length has the size, no body is written */
} weir_http_answer;

/** Writes an answer: the status line, `Connection: close`, Content-Length, the headers, the body.
 * With an Upgrade field among the headers it is `Connection: close, Upgrade` (RFC 9110 7.8). With a
 * body and without such a header, `Content-Type: text/plain; charset=utf-8` is added. No Date is:
 * there is no clock here, and the caller may add one. Measures, returns and fails as base.h says of
 * every weir_TYPE_write(). Borrows all.
 * Errors:
 * - WEIR_EINVAL: the status is not in 200..599;
 * - WEIR_EINVAL: the reason or a header cannot be sent, or a header is Connection, Content-Length
 *   or Transfer-Encoding;
 * - WEIR_EINVAL: 204, 205 or 304 with a body;
 * - WEIR_ETOOBIG. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_http_response_write(char *out, size_t capacity,
                                                             const weir_http_answer *answer);

/** The registered reason phrase of a status ("Bad Request"), "" for one that is not registered.
 * Never NULL. */
WEIR_API const char *weir_http_reason(unsigned status);

WEIR_END_DECLS
#endif
