#include "wire/authority.h"

#include <weir/url.h>

#include "wire/chars.h"

static int refuse_authority(weir_fault *fault, size_t offset, const char *rule)
{
    *fault = (weir_fault){WEIR_EINVAL, offset, rule};
    return WEIR_EINVAL;
}

/* Four numbers of 0..255 without leading zeros (dec-octet, RFC 3986 3.2.2). */
static bool is_ipv4(weir_view text)
{
    for (unsigned part = 0; part < 4; part++) {
        unsigned value = 0;
        size_t digits = 0;
        while (digits < text.size && digits < 3 && weir__is_digit(text.data[digits]))
            value = value * 10 + (unsigned)(text.data[digits++] - '0');
        if (digits == 0 || value > 255 || (digits > 1 && text.data[0] == '0'))
            return false;
        text = weir__view_after(text, digits);
        if (part == 3)
            break;
        if (text.size == 0 || text.data[0] != '.')
            return false;
        text = weir__view_after(text, 1);
    }
    return text.size == 0;
}

static size_t count_hex(weir_view text)
{
    size_t count = 0;
    while (count < text.size && weir__is_hex(text.data[count]))
        count++;
    return count;
}

/* Takes the colon, or the two of the gap, that part two groups. False: neither is there, a
 * second gap, or nothing follows one colon. */
static bool take_colons(weir_view *text, bool *gap)
{
    if (text->size < 2 || text->data[0] != ':')
        return false;
    bool two = text->data[1] == ':';
    if (two && *gap)
        return false;
    *gap = *gap || two;
    *text = weir__view_after(*text, two ? 2 : 1);
    return true;
}

/* IPv6address of RFC 3986 3.2.2: eight groups, or fewer with one gap; the last two may be
 * written as IPv4. */
static bool is_ipv6(weir_view text)
{
    bool gap = false;
    unsigned groups = 0;
    if (text.size > 0 && text.data[0] == ':' && (!take_colons(&text, &gap) || !gap))
        return false;
    while (text.size > 0 && groups < 8) {
        if (is_ipv4(text)) {
            groups += 2;
            text = weir__view_after(text, text.size);
            break;
        }
        size_t digits = count_hex(text);
        if (digits == 0 || digits > 4)
            return false;
        groups++;
        text = weir__view_after(text, digits);
        if (text.size > 0 && !take_colons(&text, &gap))
            return false;
    }
    return text.size == 0 && (gap ? groups < 8 : groups == 8);
}

static int parse_port(weir__authority *out, weir_view digits, size_t offset, weir_fault *fault)
{
    uint32_t value = 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (!weir__is_digit(digits.data[i]))
            return refuse_authority(fault, offset + i, "RFC 3986 3.2.3: the port is not a number");
        value = value * 10 + (uint32_t)(digits.data[i] - '0');
        if (value > UINT16_MAX)
            return refuse_authority(fault, offset, "RFC 3986 3.2.3: the port is over 65535");
    }
    out->has_port = digits.size > 0;
    out->port = (uint16_t)value;
    return WEIR_OK;
}

/* "[address]" at the front; *size: with the brackets. */
static int parse_bracketed(weir__authority *out, weir_view text, size_t *size, weir_fault *fault)
{
    size_t close = weir__view_find(text, ']');
    if (close == text.size)
        return refuse_authority(fault, 0, "RFC 3986 3.2.2: bracket not closed");
    out->host = weir__view_after(weir__view_first(text, close), 1);
    out->ipv6 = true;
    *size = close + 1;
    size_t percent = weir__view_find(out->host, '%');
    if (percent < out->host.size)
        return refuse_authority(fault, 1 + percent, "RFC 6874: a zone means nothing to the peer");
    if (!is_ipv6(out->host))
        return refuse_authority(fault, 1, "RFC 3986 3.2.2: it is not an IPv6 address");
    return WEIR_OK;
}

/* A name or an IPv4 address at the front. */
static int parse_name(weir__authority *out, weir_view text, size_t *size, weir_fault *fault)
{
    out->host = weir__view_first(text, weir__view_find(text, ':'));
    *size = out->host.size;
    for (size_t i = 0; i < out->host.size; i++) {
        char c = out->host.data[i];
        if (!weir__is_host_char(c) ||
            (c == '%' && count_hex(weir__view_after(out->host, i + 1)) < 2))
            return refuse_authority(fault, i, "RFC 3986 3.2.2: malformed host");
    }
    if (out->host.size == 0)
        return refuse_authority(fault, 0, "RFC 9110 4.2.1: empty host");
    if (out->host.size > WEIR_URL_HOST_MAX)
        return refuse_authority(fault, 0, "RFC 1035 2.3.4: the host is over 255 bytes");
    return WEIR_OK;
}

int weir__authority_parse(weir__authority *out, weir_view text, weir_fault *fault)
{
    bool bracket = text.size > 0 && text.data[0] == '[';
    size_t size = 0;
    *out = (weir__authority){0};
    int status =
        bracket ? parse_bracketed(out, text, &size, fault) : parse_name(out, text, &size, fault);
    if (status != WEIR_OK || size == text.size)
        return status;
    if (text.data[size] != ':')
        return refuse_authority(fault, size, "RFC 3986 3.2: something follows the bracket");
    return parse_port(out, weir__view_after(text, size + 1), size + 1, fault);
}

size_t weir__authority_size(weir_view text)
{
    size_t size = 0;
    while (size < text.size && text.data[size] != '/' && text.data[size] != '?')
        size++;
    return size;
}

void weir__target_split(weir_view target, weir_view *path, weir_view *query)
{
    size_t mark = weir__view_find(target, '?');
    *path = mark > 0 ? weir__view_first(target, mark) : weir_view_of("/");
    *query = mark < target.size ? weir__view_after(target, mark + 1) : (weir_view){0};
}
