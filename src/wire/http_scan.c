#include "wire/http_head.h"

#include <string.h>

#include "wire/chars.h"

#define HEAD_CEILING ((size_t)1 << 30) /* sizes are returned as int */
#define METHOD_MAX   32                /* the longest registered method has 17 */
#define HEAD_ENDED   1                 /* what a step says then; else WEIR_OK or an error */

/* Named by what is awaited. Bytes before scan->seen are good; scan->mark is where the present
 * element began. */
enum scan_state {
    AWAIT_MESSAGE, /* the first byte; nothing has come */
    AWAIT_EMPTY_LINE_LF,
    AWAIT_METHOD,
    AWAIT_TARGET,
    AWAIT_VERSION,
    AWAIT_STATUS_VERSION,
    AWAIT_STATUS_CODE,
    AWAIT_REASON,
    AWAIT_START_LINE_LF,
    AWAIT_FIELD, /* the first byte of a line */
    AWAIT_NAME,
    AWAIT_VALUE,
    AWAIT_FIELD_LF,
    AWAIT_LAST_LF,
    AWAIT_NOTHING, /* the head is whole */
};

/* What one call works with. */
struct machine {
    weir_http_scan *scan;
    const char *bytes;
    size_t end; /* bytes that came, up to the limit */
    size_t field_max;
    bool request;
    weir__http_error *error;
};

int weir__http_refuse(weir__http_error *error, unsigned http_status, size_t offset,
                      const char *rule)
{
    bool too_big = http_status == 414 || http_status == 431;
    error->http_status = http_status;
    error->fault.status = too_big ? WEIR_ETOOBIG : WEIR_EPROTOCOL;
    error->fault.offset = offset;
    error->fault.rule = rule;
    return error->fault.status;
}

static int refuse_head(struct machine *m, unsigned http_status, const char *rule)
{
    return weir__http_refuse(m->error, http_status, m->scan->seen, rule);
}

/* The next byte is wrong here. A wrong line end gets a rule of its own. */
static int refuse_byte(struct machine *m, const char *rule)
{
    char c = m->bytes[m->scan->seen];
    if (c == '\n')
        return refuse_head(m, 400, "RFC 9112 2.2: bare LF");
    if (c == '\0')
        return refuse_head(m, 400, "RFC 9110 5.5: NUL");
    return refuse_head(m, 400, rule);
}

/* Consumes the next byte; the next element begins behind it. */
static int go_on(struct machine *m, enum scan_state next)
{
    m->scan->seen++;
    m->scan->mark = m->scan->seen;
    m->scan->state = (uint8_t)next;
    return WEIR_OK;
}

static int await_lf(struct machine *m, enum scan_state next)
{
    if (m->bytes[m->scan->seen] != '\n')
        return refuse_head(m, 400, "RFC 9112 2.2: bare CR");
    return go_on(m, next);
}

static int await_message(struct machine *m)
{
    if (!m->request) {
        m->scan->state = AWAIT_STATUS_VERSION;
        return WEIR_OK;
    }
    if (m->bytes[m->scan->seen] == '\r') /* one empty line is accepted, RFC 9112 2.2 */
        return go_on(m, AWAIT_EMPTY_LINE_LF);
    m->scan->state = AWAIT_METHOD;
    return WEIR_OK;
}

static int await_empty_line_lf(struct machine *m)
{
    int status = await_lf(m, AWAIT_METHOD);
    if (status == WEIR_OK)
        m->scan->start = m->scan->seen;
    return status;
}

static int end_method(struct machine *m)
{
    const char *method = m->bytes + m->scan->mark;
    size_t size = m->scan->seen - m->scan->mark;
    if (size == 3 && memcmp(method, "GET", 3) == 0)
        return go_on(m, AWAIT_TARGET);
    m->error->head_request = size == 4 && memcmp(method, "HEAD", 4) == 0;
    return refuse_head(m, 405, "RFC 6455 4.1: the method is not GET");
}

static int await_method(struct machine *m)
{
    weir_http_scan *scan = m->scan;
    for (; scan->seen < m->end && weir__is_token_char(m->bytes[scan->seen]); scan->seen++)
        if (scan->seen - scan->mark == METHOD_MAX)
            return refuse_head(m, 501, "RFC 9112 3: no known method is that long");
    if (scan->seen == m->end)
        return WEIR_OK;
    if (m->bytes[scan->seen] != ' ' || scan->seen == scan->mark)
        return refuse_byte(m, "RFC 9112 3: it does not begin with a method and a space");
    return end_method(m);
}

static int await_target(struct machine *m)
{
    weir_http_scan *scan = m->scan;
    while (scan->seen < m->end && weir__is_visible(m->bytes[scan->seen]) &&
           m->bytes[scan->seen] != '#')
        scan->seen++;
    if (scan->seen == m->end)
        return WEIR_OK;
    if (m->bytes[scan->seen] != ' ' || scan->seen == scan->mark)
        return refuse_byte(m, "RFC 9112 3: malformed request target");
    return go_on(m, AWAIT_VERSION);
}

/* Whether c may be byte i of "HTTP/1.1" with any digits. */
static bool is_version_byte(char c, size_t i)
{
    static const char name[] = "HTTP/0.0";
    return i < 8 && (name[i] == '0' ? weir__is_digit(c) : c == name[i]);
}

static int end_request_version(struct machine *m)
{
    char major = m->bytes[m->scan->mark + 5];
    char minor = m->bytes[m->scan->mark + 7];
    if (major == '1' && minor == '0')
        return refuse_head(m, 426, "RFC 9110 7.8: HTTP/1.0 cannot be upgraded");
    if (major != '1' || minor != '1')
        return refuse_head(m, 505, "RFC 6455 4.1: the version is not HTTP/1.1");
    return WEIR_OK;
}

static int await_version(struct machine *m)
{
    weir_http_scan *scan = m->scan;
    size_t have = scan->seen - scan->mark;
    char c = m->bytes[scan->seen];
    if (have == 8)
        return c == '\r' ? go_on(m, AWAIT_START_LINE_LF)
                         : refuse_byte(m, "RFC 9112 3: something follows the version");
    if (!is_version_byte(c, have))
        return refuse_byte(m, "RFC 9112 2.3: malformed version");
    int status = have == 7 ? end_request_version(m) : WEIR_OK;
    if (status == WEIR_OK)
        scan->seen++;
    return status;
}

static int await_status_version(struct machine *m)
{
    weir_http_scan *scan = m->scan;
    size_t have = scan->seen - scan->mark;
    char c = m->bytes[scan->seen];
    if (have == 8)
        return c == ' ' ? go_on(m, AWAIT_STATUS_CODE)
                        : refuse_byte(m, "RFC 9112 4: malformed status line");
    if (!is_version_byte(c, have))
        return refuse_byte(m, "RFC 9112 4: it is not an HTTP/1 response");
    if ((have == 5 && c != '1') || (have == 7 && c != '1' && c != '0'))
        return refuse_head(m, 400, "RFC 9112 2.3: the version is not HTTP/1.1");
    scan->seen++;
    return WEIR_OK;
}

/* A missing blank before an empty reason is accepted: some servers leave it out. */
static int await_status_code(struct machine *m)
{
    weir_http_scan *scan = m->scan;
    size_t have = scan->seen - scan->mark;
    char c = m->bytes[scan->seen];
    if (have == 3 && c == ' ')
        return go_on(m, AWAIT_REASON);
    if (have == 3 && c == '\r')
        return go_on(m, AWAIT_START_LINE_LF);
    if (have == 3 || !weir__is_digit(c) || (have == 0 && c == '0'))
        return refuse_byte(m, "RFC 9112 4: malformed status code");
    scan->seen++;
    return WEIR_OK;
}

/* A run of text up to CR: a reason phrase or a field's value. */
static int await_text(struct machine *m, enum scan_state next)
{
    weir_http_scan *scan = m->scan;
    while (scan->seen < m->end && weir__is_value_char(m->bytes[scan->seen]))
        scan->seen++;
    if (scan->seen == m->end)
        return WEIR_OK;
    if (m->bytes[scan->seen] != '\r')
        return refuse_byte(m, "RFC 9110 5.5: control character");
    return go_on(m, next);
}

static int await_field(struct machine *m)
{
    char c = m->bytes[m->scan->seen];
    if (c == '\r')
        return go_on(m, AWAIT_LAST_LF);
    if (weir__is_blank(c))
        return refuse_head(m, 400, "RFC 9112 5.2: folded line");
    if (!weir__is_token_char(c))
        return refuse_byte(m, "RFC 9110 5.1: malformed field name");
    if (m->scan->field_count == m->field_max)
        return refuse_head(m, 431, "RFC 6585 5: too many fields");
    m->scan->field_count++;
    m->scan->state = AWAIT_NAME;
    return WEIR_OK;
}

static int await_name(struct machine *m)
{
    weir_http_scan *scan = m->scan;
    while (scan->seen < m->end && weir__is_token_char(m->bytes[scan->seen]))
        scan->seen++;
    if (scan->seen == m->end)
        return WEIR_OK;
    if (weir__is_blank(m->bytes[scan->seen]))
        return refuse_head(m, 400, "RFC 9112 5.1: blank before the colon");
    if (m->bytes[scan->seen] != ':')
        return refuse_byte(m, "RFC 9110 5.1: malformed field name");
    return go_on(m, AWAIT_VALUE);
}

static int step(struct machine *m)
{
    switch ((enum scan_state)m->scan->state) {
    case AWAIT_MESSAGE:
        return await_message(m);
    case AWAIT_EMPTY_LINE_LF:
        return await_empty_line_lf(m);
    case AWAIT_METHOD:
        return await_method(m);
    case AWAIT_TARGET:
        return await_target(m);
    case AWAIT_VERSION:
        return await_version(m);
    case AWAIT_STATUS_VERSION:
        return await_status_version(m);
    case AWAIT_STATUS_CODE:
        return await_status_code(m);
    case AWAIT_REASON:
        return await_text(m, AWAIT_START_LINE_LF);
    case AWAIT_START_LINE_LF:
        return await_lf(m, AWAIT_FIELD);
    case AWAIT_FIELD:
        return await_field(m);
    case AWAIT_NAME:
        return await_name(m);
    case AWAIT_VALUE:
        return await_text(m, AWAIT_FIELD_LF);
    case AWAIT_FIELD_LF:
        return await_lf(m, AWAIT_FIELD);
    case AWAIT_LAST_LF:
        return await_lf(m, AWAIT_NOTHING);
    case AWAIT_NOTHING:
        break;
    }
    return HEAD_ENDED;
}

static size_t size_limit(const weir_http_scan *scan)
{
    if (scan->size_max == 0)
        return WEIR_HTTP_HEAD_DEFAULT;
    return scan->size_max < HEAD_CEILING ? scan->size_max : HEAD_CEILING;
}

static int run(weir_http_scan *scan, const weir__http_input *in, bool request,
               weir__http_error *error)
{
    size_t limit = size_limit(scan);
    struct machine m = {.scan = scan,
                        .bytes = in->bytes,
                        .end = in->size < limit ? in->size : limit,
                        .field_max = in->field_max,
                        .request = request,
                        .error = error};
    int status = WEIR_OK;
    while (scan->seen < m.end && status == WEIR_OK)
        status = step(&m);
    if (status < 0)
        return status;
    if (scan->state == AWAIT_NOTHING)
        return (int)scan->seen;
    if (scan->seen < limit)
        return 0;
    if (scan->state < AWAIT_FIELD)
        return refuse_head(&m, 414, "RFC 9110 15.5.15: the first line is too long");
    return refuse_head(&m, 431, "RFC 6585 5: the head is too large");
}

int weir__http_request_scan(weir_http_scan *scan, const weir__http_input *in,
                            weir__http_error *error)
{
    return run(scan, in, true, error);
}

int weir__http_response_scan(weir_http_scan *scan, const weir__http_input *in,
                             weir__http_error *error)
{
    return run(scan, in, false, error);
}

void weir__http_scan_restart(weir_http_scan *scan)
{
    scan->start = scan->seen;
    scan->mark = scan->seen;
    scan->field_count = 0;
    scan->state = AWAIT_MESSAGE;
}
