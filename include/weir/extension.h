/** @file
 * weir/extension.h - the grammar of Sec-WebSocket-Extensions (RFC 6455 9.1): reading and writing,
 * no negotiation.
 *
 * Each extension has its own module that knows what its parameters mean and which offer it takes.
 * Everything here is pure: no I/O, no allocation. Nothing suspends. Thread-safe. */
#ifndef WEIR_EXTENSION_H
#define WEIR_EXTENSION_H

#include <weir/base.h>
#include <weir/http.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

/** One element of the list: an extension with its parameters. All views lie in the text that was
 * read. */
typedef struct weir_extension {
    weir_view name;   /**< a token; case matters */
    weir_view params; /**< text from the first ';' on: for weir_extension_param_next */
} weir_extension;

/** One parameter: `name`, `name=token` or `name="token"`. */
typedef struct weir_extension_param {
    weir_view name;  /**< a token */
    weir_view value; /**< absent without '='; a quoted one: what is between the quotes, as it is */
    bool quoted;     /**< the value was a quoted string */
} weir_extension_param;

/** Takes the next extension off the front of a field's value. *rest starts as the whole value, and
 * moves on. The parameters are checked too. Empty list elements are skipped. Lends *out as long as
 * the text.
 *
 * Returns 1; 0 at the end; WEIR_EPROTOCOL: the text breaks the grammar (RFC 6455 9.1), and *rest is
 * undefined. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_extension_next(weir_extension *out, weir_view *rest);

/** The same over all lines of Sec-WebSocket-Extensions in a head, one after the other. Zero *cursor
 * to start. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_extension_head_next(weir_extension *out,
                                                             const weir_http_head *head,
                                                             weir_http_cursor *cursor);

/** Takes the next parameter off the front. *rest starts as weir_extension.params. Lends *out as
 * long as the text.
 *
 * Returns 1; 0 at the end; WEIR_EPROTOCOL: the text breaks the grammar, which is impossible after
 * weir_extension_next(). */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_extension_param_next(weir_extension_param *out,
                                                              weir_view *rest);

/** The value of a parameter as a decimal number of at most max, without leading zeros and signs.
 * Escapes of a quoted value are undone.
 *
 * Returns the number, 0..max; WEIR_EPROTOCOL: there is no value, or it is no such number. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_extension_param_number(const weir_extension_param *param,
                                                                int max);

/** A parameter to be sent. */
typedef struct weir_extension_setting {
    const char *name;  /**< a token */
    const char *value; /**< a token; NULL: none */
} weir_extension_setting;

/** An extension to be sent: an offer of a client or the answer of a server. */
typedef struct weir_extension_offer {
    const char *name;                       /**< a token */
    const weir_extension_setting *settings; /**< setting_count of them */
    size_t setting_count;                   /**< entries of settings */
} weir_extension_offer;

/** Writes the field's value for count offers, most wanted first: `name; param; param=value,
 * name...`. Measures, returns and fails as base.h says of every weir_TYPE_write(). Borrows all.
 * Errors: WEIR_EINVAL: a name or a value is not a token; WEIR_ETOOBIG. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_extension_write(char *out, size_t capacity,
                                                         const weir_extension_offer *offers,
                                                         size_t count);

WEIR_END_DECLS
#endif
