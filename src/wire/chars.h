/* wire/chars.h - the classes of characters that HTTP and URLs are made of (RFC 9110 5.5, 5.6.2;
 * RFC 3986 2, 3.2.2), independent of any locale. Private to the library. */
#ifndef WEIR_WIRE_CHARS_H
#define WEIR_WIRE_CHARS_H

#include "base/view.h"

/* A set of ASCII characters: bit c % 32 of word c / 32. */
typedef struct weir__char_set {
    uint32_t bits[4];
} weir__char_set;

static inline bool weir__char_is_in(const weir__char_set *set, char c)
{
    unsigned code = (unsigned char)c;
    return code < 128 && (set->bits[code / 32] >> (code % 32) & 1) != 0;
}

/* tchar: !#$%&'*+-.^_`|~ digits and letters (RFC 9110 5.6.2). */
static inline bool weir__is_token_char(char c)
{
    static const weir__char_set set = {{0, 0x03FF6CFA, 0xC7FFFFFE, 0x57FFFFFF}};
    return weir__char_is_in(&set, c);
}

/* unreserved, sub-delims and the % of an escape: what a registered name is made of (RFC 3986
 * 3.2.2). */
static inline bool weir__is_host_char(char c)
{
    static const weir__char_set set = {{0, 0x2BFF7FF2, 0x87FFFFFE, 0x47FFFFFE}};
    return weir__char_is_in(&set, c);
}

/* Visible ASCII, no blank. */
static inline bool weir__is_visible(char c)
{
    return c > 0x20 && c < 0x7F;
}

/* What may stand in a field's value: all but control characters. Tab does not count as one, and
 * bytes over 127 are accepted (obs-text, RFC 9110 5.5). */
static inline bool weir__is_value_char(char c)
{
    unsigned code = (unsigned char)c;
    return (code >= 0x20 && code != 0x7F) || code == '\t';
}

static inline bool weir__is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool weir__is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool weir__is_letter(char c)
{
    char lower = weir__to_lower(c);
    return lower >= 'a' && lower <= 'z';
}

static inline bool weir__is_hex(char c)
{
    char lower = weir__to_lower(c);
    return weir__is_digit(c) || (lower >= 'a' && lower <= 'f');
}

/* A view without the blanks (SP, HTAB) at its ends; it stays present. */
weir_view weir__view_trim(weir_view view);

/* Whether it is a token (RFC 9110 5.6.2): one token character or more. */
bool weir__view_is_token(weir_view view);

/* Whether it may be sent as a field's value (RFC 9110 5.5): no control characters, no blanks at
 * its ends. May be empty. */
bool weir__view_is_value(weir_view view);

/* Whether all of it is visible ASCII. */
bool weir__view_is_visible(weir_view view);

#endif
