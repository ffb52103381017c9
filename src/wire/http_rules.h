/* wire/http_rules.h - rules of fields that both roles of the handshake share. Private to the
 * library. */
#ifndef WEIR_WIRE_HTTP_RULES_H
#define WEIR_WIRE_HTTP_RULES_H

#include <weir/http.h>

#include "wire/text.h"

/* Whether all headers can be sent: names are tokens, values are values, and no name is in own, a
 * list that ends with NULL. An entry of own that ends with '*' stands for all names with that
 * beginning. */
bool weir__http_headers_check(const weir_http_header *headers, size_t count,
                              const char *const *own);

/* Writes the field lines of checked headers. */
void weir__http_headers_put(weir__text *text, const weir_http_header *headers, size_t count);

/* The fields that the handshake itself writes, in both roles: for weir__http_headers_check. */
extern const char *const weir__handshake_own_fields[];

/* The only field of that name. NULL: there is none, or *several is set: there are more. */
const weir_http_field *weir__http_field_only(const weir_http_head *head, const char *name,
                                             bool *several);

/* Whether a list field has an element, case ignored. */
bool weir__http_list_has(const weir_http_head *head, const char *name, const char *element);

/* Checks all Sec-WebSocket-Extensions of a head: WEIR_OK, also when there is none;
 * WEIR_EPROTOCOL: against the grammar, or there is a field and nothing in it. *at is then the
 * value. */
WEIR_MUST_USE int weir__extensions_check(const weir_http_head *head, weir_view *at);

/* Whether the value of a Sec-WebSocket-Extensions field to be sent follows the grammar and has
 * at least one extension. */
bool weir__extensions_are_sendable(const char *value);

#endif
