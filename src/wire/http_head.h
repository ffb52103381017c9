/* wire/http_head.h - reading the head of an HTTP/1.1 message (RFC 9112): a scanner that checks
 * every byte once, in however many pieces they come, and a splitter that makes views of a head
 * found good. Private to the library. */
#ifndef WEIR_WIRE_HTTP_HEAD_H
#define WEIR_WIRE_HTTP_HEAD_H

#include <weir/http.h>

/* What was wrong, and the status that a server answers with. */
typedef struct weir__http_error {
    weir_fault fault;
    unsigned http_status;
    bool head_request; /* the method was HEAD: the answer has no body */
} weir__http_error;

/* All that was received, and how many fields are allowed. */
typedef struct weir__http_input {
    const char *bytes;
    size_t size;
    size_t field_max;
} weir__http_input;

/* Scans on from where *scan stands. Returns the offset behind the head (> 0); 0: more is needed;
 * WEIR_EPROTOCOL or WEIR_ETOOBIG, and *error is filled. What it says depends on the bytes alone,
 * not on how they were cut. A request must be GET over HTTP/1.1, and is refused at the byte that
 * shows it is not. */
WEIR_MUST_USE int weir__http_request_scan(weir_http_scan *scan, const weir__http_input *in,
                                          weir__http_error *error);
WEIR_MUST_USE int weir__http_response_scan(weir_http_scan *scan, const weir__http_input *in,
                                           weir__http_error *error);

/* After a scan that ended: makes it ready for another head that follows the first in the same
 * bytes, under the same limit. */
void weir__http_scan_restart(weir_http_scan *scan);

/* Fills *head, whose fields have room for scan->field_count, from bytes that a scan has found
 * good to the end. */
void weir__http_request_split(weir_http_head *head, const char *bytes, const weir_http_scan *scan);
void weir__http_response_split(weir_http_head *head, const char *bytes, const weir_http_scan *scan);

/* Notes what was wrong and returns fault.status. */
int weir__http_refuse(weir__http_error *error, unsigned http_status, size_t offset,
                      const char *rule);

#endif
