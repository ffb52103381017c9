/** @file
 * weir/handshake.h - the opening handshake over HTTP/1.1, both roles (RFC 6455 4, RFC 9110, RFC
 * 9112).
 *
 * It is a codec and its rules. There is no I/O, no deadline and no randomness: the bytes of the key
 * are an argument. Extensions negotiate their parameters themselves (weir/extension.h). Everything
 * here is pure and allocates nothing. Nothing suspends. Thread-safe.
 *
 * A parser takes the bytes that were received so far. It returns:
 * - the size of the head, > 0;
 * - 0: more is needed; call again with the same bytes and those that followed;
 * - a negative status.
 *
 * A rule of syntax fails at the first byte that breaks it. A rule that needs the whole head is
 * checked when the head is whole. However the bytes are cut, the answer is the same. */
#ifndef WEIR_HANDSHAKE_H
#define WEIR_HANDSHAKE_H

#include <weir/base.h>
#include <weir/extension.h>
#include <weir/http.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

#define WEIR_HANDSHAKE_NONCE_SIZE  16 /**< bytes of a key before base64 */
#define WEIR_HANDSHAKE_KEY_SIZE    24 /**< characters of Sec-WebSocket-Key */
#define WEIR_HANDSHAKE_ACCEPT_SIZE 28 /**< characters of Sec-WebSocket-Accept */

/** Writes the accept value of a key, ended by a NUL (RFC 6455 4.2.2). Borrows the key, which is not
 * checked. */
WEIR_INTERNAL_API void weir_handshake_accept_value(char out[WEIR_HANDSHAKE_ACCEPT_SIZE + 1],
                                                   weir_view key);

/* ---- server ---- */

/** A request to open a WebSocket. All views lie in the bytes of the head, with one exception: the
 * path "/" of an absolute target without one is a literal. Other fields, such as cookies:
 * weir_http_field_find(&request->head, ...). */
typedef struct weir_handshake_request {
    weir_http_head head; /**< the caller sets head.fields and head.field_capacity before parsing */
    weir_view path;      /**< begins with '/'; percent-encoding is as received */
    weir_view query;     /**< what follows '?', maybe empty; absent when there is no '?' */
    weir_view host; /**< maybe with a port; from the target if that is absolute (RFC 9112 3.2.2) */
    weir_view origin; /**< absent when there is none: not a browser */
    weir_view key;    /**< Sec-WebSocket-Key, 24 characters */
} weir_handshake_request;

/** Why a request was refused, and the answer that it should get. */
typedef struct weir_handshake_refusal {
    weir_fault fault;            /**< which rule, and where in the bytes */
    unsigned http_status;        /**< 400, 405, 414, 426, 431, 501 or 505 */
    weir_http_header headers[2]; /**< fields that the status calls for; literals */
    size_t header_count;         /**< entries of headers */
    bool no_body;                /**< it was a HEAD request: the answer has no body */
} weir_handshake_refusal;

/** Parses and checks a client's request. Borrows all.
 *
 * scan: how far earlier calls read, and the limit of bytes. NULL: this is the only call. The array
 * request->head.fields need not be the same at each call.
 * Returns:
 * - the size of the head, > 0: *request is filled; the first frames follow the head;
 * - 0: more is needed; *request is not filled;
 * - WEIR_EPROTOCOL, WEIR_ETOOBIG: *refusal (may be NULL) is filled. request->head is filled if its
 *   size is not 0: then the head was whole and well-formed, and only its meaning is refused. When
 *   http_status is 426 the request is for something other than WebSocket (a page, a health check),
 *   which may be answered.
 *
 * Statuses. The first four groups are found byte by byte, the first byte that is wrong decides;
 * then the first that applies in this order:
 * - 400: not the syntax of RFC 9112: bare CR or LF, folded line, control characters, blank before
 *   the colon, not a request line, non-ASCII outside a field value. One empty line before the
 *   request is passed over (2.2);
 * - 501: a method over 32 bytes (RFC 9112 3); 405 with Allow: a method other than GET (as soon as
 *   it has come);
 * - 426: HTTP/1.0: Upgrade must be ignored in it (RFC 9110 7.8); 505: any other version than
 *   HTTP/1.1;
 * - 414: the limit of bytes was reached within the request line, 431: in the fields, or too many of
 *   these;
 * - 400: a target that is not a path or an absolute URL (http, https, ws, wss); Host missing, twice
 *   or malformed; Transfer-Encoding, or a Content-Length other than 0; Origin twice;
 * - 426 with Upgrade and Sec-WebSocket-Version: Connection without `upgrade`, Upgrade without
 *   `websocket`;
 * - 400: Sec-WebSocket-Version missing or twice; 426: other than 13;
 * - 400: Sec-WebSocket-Key missing, twice or not 16 bytes in base64; Sec-WebSocket-Protocol not a
 *   list of tokens; Sec-WebSocket-Extensions against its grammar. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_handshake_request_parse(weir_handshake_request *request,
                                                                 const void *in, size_t size,
                                                                 weir_http_scan *scan,
                                                                 weir_handshake_refusal *refusal);

/** The next subprotocol that the client offers, in its order. Zero *cursor to start. Lends *out as
 * long as the head. Returns whether there was one. */
WEIR_API bool weir_handshake_subprotocol_next(weir_view *out, const weir_handshake_request *request,
                                              weir_http_cursor *cursor);

/** The first of the server's subprotocols, most wanted first, that the client offers. Case matters
 * (RFC 6455 4.2.2). Lends one of supported. NULL: none in common. */
WEIR_API const char *weir_handshake_choose_subprotocol(const weir_handshake_request *request,
                                                       const char *const *supported, size_t count);

/** What a server adds to its acceptance. Zeroed: nothing. */
typedef struct weir_handshake_acceptance {
    const char *subprotocol;         /**< one that was offered; NULL: none */
    const char *extensions;          /**< value of Sec-WebSocket-Extensions; NULL: none */
    const weir_http_header *headers; /**< further fields, header_count of them */
    size_t header_count;             /**< entries of headers */
} weir_handshake_acceptance;

/** Writes the response 101 that accepts a request. acceptance may be NULL. Measures, returns and
 * fails as base.h says of every weir_TYPE_write(). Borrows all.
 * Errors:
 * - WEIR_EINVAL: the request was not parsed with success;
 * - WEIR_EINVAL: the subprotocol was not offered;
 * - WEIR_EINVAL: the extensions break the grammar, or name one that was not offered;
 * - WEIR_EINVAL: a header cannot be sent, or is one of the handshake's own (Connection, Upgrade,
 *   Sec-WebSocket-*, Host, Origin, Content-Length, Transfer-Encoding);
 * - WEIR_ETOOBIG. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_handshake_response_write(
    char *out, size_t capacity, const weir_handshake_request *request,
    const weir_handshake_acceptance *acceptance);

/** Writes the whole answer to a refused request, with a short text as its body: the status and the
 * rule. Measures, returns and fails as base.h says of every weir_TYPE_write().
 * WEIR_HANDSHAKE_REFUSAL_ROOM bytes are always enough.
 * Errors: WEIR_EINVAL: nothing was refused (http_status 0); WEIR_ETOOBIG. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_handshake_refusal_write(
    char *out, size_t capacity, const weir_handshake_refusal *refusal);

/** Room for any answer of weir_handshake_refusal_write. */
#define WEIR_HANDSHAKE_REFUSAL_ROOM 512

/* ---- client ---- */

/** What a client asks for. */
typedef struct weir_handshake_offer {
    const char *host; /**< value of the Host field: see weir_url_host_header_write */
    weir_view path;   /**< begins with '/'; absent or empty: "/" */
    weir_view query;  /**< sent after '?' unless it is empty */
    uint8_t nonce[WEIR_HANDSHAKE_NONCE_SIZE]; /**< random, new ones each time (4.1) */
    const char *origin;                       /**< value of Origin; NULL: none */
    const char *const *subprotocols;          /**< tokens, most wanted first */
    size_t subprotocol_count;                 /**< entries of subprotocols */
    const char *extensions;                   /**< by weir_extension_write; NULL: none */
    const weir_http_header *headers;          /**< further fields, header_count of them */
    size_t header_count;                      /**< entries of headers */
} weir_handshake_offer;

/** Writes the request of a client. Measures, returns and fails as base.h says of every
 * weir_TYPE_write(). Borrows all.
 * Errors:
 * - WEIR_EINVAL: the host is missing or malformed;
 * - WEIR_EINVAL: the path does not begin with '/', or has a '?'; or path or query have a blank, a
 *   control character, '#' or a byte outside ASCII;
 * - WEIR_EINVAL: a subprotocol is not a token or is named twice (RFC 6455 4.1);
 * - WEIR_EINVAL: the extensions break the grammar;
 * - WEIR_EINVAL: origin or a header cannot be sent, or a header is one of the handshake's own
 *   (Connection, Upgrade, Host, Origin, Sec-WebSocket-*, Content-Length, Transfer-Encoding);
 * - WEIR_ETOOBIG. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_handshake_request_write(char *out, size_t capacity,
                                                                 const weir_handshake_offer *offer);

/** The answer of a server. All views lie in the bytes of the head. */
typedef struct weir_handshake_response {
    weir_http_head head;    /**< the caller sets fields and field_capacity */
    weir_fault fault;       /**< what the server did wrong; rule NULL: nothing */
    weir_view subprotocol;  /**< the one chosen; absent: none */
    int64_t content_length; /**< of a refusal's body; -1: not said, or no number */
} weir_handshake_response;

/** Parses and checks a server's answer to an offer. Interim responses (1xx other than 101) are
 * skipped (RFC 9110 15.2). Borrows all.
 *
 * scan: how far earlier calls read, and the limit of bytes. NULL: this is the only call.
 * Returns:
 * - the size of all heads, > 0: *response is filled and the WebSocket is open; frames follow.
 *   weir_extension_head_next(out, &response->head, cursor) gives the extensions that the server
 *   chose: each was offered, and its parameters are not checked yet;
 * - 0: more is needed;
 * - WEIR_EREFUSED: another status than 101: response->head is filled, and a body may follow at in +
 *   head.size;
 * - WEIR_ETOOBIG: a limit was reached: response->fault;
 * - WEIR_EPROTOCOL: response->fault says which of these: it is no HTTP/1.1 response; Upgrade is not
 *   `websocket`; Connection lacks `upgrade`; Sec-WebSocket-Accept is missing, given twice or wrong;
 *   a subprotocol was not offered, or there are several; an extension was not offered (RFC 6455
 *   4.1). */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_handshake_response_parse(
    weir_handshake_response *response, const void *in, size_t size, weir_http_scan *scan,
    const weir_handshake_offer *offer);

WEIR_END_DECLS
#endif
