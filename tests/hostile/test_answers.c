/* ctest: loops */
/* Servers that answer a client's opening handshake with anything but what it asked for. The caller
 * gets the error that fits, the rule that was broken, and no session. */
#include "support/session_rig.h"

#include <stdio.h>
#include <weir/address.h>
#include <weir/handshake.h>

/* @ stands for the accept value of the client's key. */
#define ACCEPT       "Sec-WebSocket-Accept: @\r\n"
#define SWITCHING    "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADES     SWITCHING "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define WITH(fields) UPGRADES ACCEPT fields "\r\n"

/* The opening deadline, in tests that let it pass. */
#define SHORT_MS 1000

/* --- a server that answers as a script says --- */

struct answerer {
    weir_listener *listener;
    const char *answer;
    size_t size;
    uint64_t pause_ms; /* before each byte of it; 0: all at once */
    bool stays;        /* does not close the connection afterwards */
    bool done;
};

static size_t read_request(weir_stream *stream, char *request, size_t room)
{
    size_t size = 0;
    size_t got;
    do {
        assert_ok(weir_stream_read(stream, request + size, room - 1 - size, &got));
        size += got;
        request[size] = '\0';
    } while (strstr(request, "\r\n\r\n") == NULL);
    return size;
}

static void send_answer(const struct answerer *self, weir_stream *stream, const char *request)
{
    static const char field[] = "Sec-WebSocket-Key: ";
    char accept[WEIR_HANDSHAKE_ACCEPT_SIZE + 1];
    const char *key = strstr(request, field);
    assert_non_null(key);
    weir_handshake_accept_value(accept,
                                (weir_view){key + sizeof field - 1, WEIR_HANDSHAKE_KEY_SIZE});
    const char *at = self->answer;
    const char *end = at + self->size;
    for (int status = WEIR_OK; status == WEIR_OK && at < end;) {
        const char *hole = memchr(at, '@', (size_t)(end - at));
        size_t size = self->pause_ms > 0 ? 1 : (size_t)((hole != NULL ? hole : end) - at);
        if (at == hole)
            status = weir_stream_write(stream, accept, sizeof accept - 1);
        else
            status = weir_stream_write(stream, at, size);
        at += at == hole ? 1 : size;
        if (status == WEIR_OK && self->pause_ms > 0)
            status = weir_sleep(self->pause_ms);
    }
}

static int answer(void *arg)
{
    struct answerer *self = arg;
    weir_stream *stream;
    char request[2048];
    size_t got;
    assert_ok(weir_listener_accept(&stream, self->listener));
    (void)read_request(stream, request, sizeof request);
    send_answer(self, stream, request);
    while (self->stays && weir_stream_read(stream, request, sizeof request, &got) == WEIR_OK)
        continue;
    weir_stream_close(stream);
    self->done = true;
    return WEIR_OK;
}

/* The result of a client. offers: it offers a subprotocol, and compression if that is built in. */
static int try_to_open(struct answerer *self, bool offers, weir_connect_failure *failure)
{
    static const char *const subprotocols[] = {"chat"};
    weir_session *client;
    weir_address address;
    char url[64];
    assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
    assert_ok(weir_listener_open(&self->listener, weir_loop_current(), &address, false));
    assert_ok(weir_listener_address_get(&address, self->listener));
    self->done = false;
    assert_ok(weir_go(weir_scope_current(), "answer", answer, self));
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", weir_address_port(&address));
    weir_connect_options options = {.url = url, .failure = failure, .handshake_timeout_ms = 30000};
    if (self->pause_ms > 0 || self->stays)
        options.handshake_timeout_ms = SHORT_MS;
    if (offers) {
        options.subprotocols = subprotocols;
        options.subprotocol_count = 1;
#ifdef WEIR_HAVE_DEFLATE
        options.session.deflate.enabled = true;
#endif
    }
    int status = weir_client_open(&client, weir_scope_current(), &options);
    assert_int_equal(status == WEIR_OK, client != NULL);
    assert_int_equal(failure->status, status);
    weir_session_free(client);
    assert_eventually(self->done);
    weir_listener_close(self->listener);
    return status;
}

static void expect_failure(const char *text, bool offers, int status, unsigned http_status,
                           const char *rule)
{
    weir_connect_failure failure;
    struct answerer self = {.answer = text, .size = strlen(text)};
    int got = try_to_open(&self, offers, &failure);
    bool named = rule == NULL
                     ? failure.fault.rule == NULL
                     : failure.fault.rule != NULL && strstr(failure.fault.rule, rule) != NULL;
    if (got != status || failure.http_status != http_status || !named)
        print_error("%.300s\n%s, HTTP %u, %s\n", text, weir_status_name(got), failure.http_status,
                    failure.fault.rule != NULL ? failure.fault.rule : "no rule");
    assert_status(got, status);
    assert_int_equal(failure.http_status, http_status);
    assert_true(named);
    assert_int_equal(failure.fault.status, rule != NULL ? status : WEIR_OK);
}

/* --- cases --- */

static int a_101_that_breaks_a_rule_is_named(void *arg)
{
    static const struct {
        const char *answer;
        const char *rule;
    } cases[] = {
        {UPGRADES "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         "does not answer our key"},
        {UPGRADES "Sec-WebSocket-Accept:\r\n\r\n", "does not answer our key"},
        {UPGRADES "\r\n", "Sec-WebSocket-Accept is missing"},
        {WITH(ACCEPT), "several Sec-WebSocket-Accept"},
        {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", "Upgrade is not websocket"},
        {"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
         "Upgrade is not websocket"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n" ACCEPT "\r\n", "Connection lacks upgrade"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: close\r\n" ACCEPT "\r\n",
         "Connection lacks upgrade"},
        {"HTTP/1.0 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" ACCEPT "\r\n",
         "101 over HTTP/1.0"},
        {WITH("Sec-WebSocket-Protocol: other\r\n"), "a subprotocol that was not offered"},
        {WITH("Sec-WebSocket-Protocol: CHAT\r\n"), "a subprotocol that was not offered"},
        {WITH("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n"),
         "several Sec-WebSocket-Protocol"},
        {WITH("Sec-WebSocket-Extensions: x-unknown\r\n"), "an extension that was not offered"},
        {WITH("Sec-WebSocket-Extensions: permessage-deflate; =\r\n"),
         "malformed Sec-WebSocket-Extensions"},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_failure(cases[i].answer, true, WEIR_EPROTOCOL, 101, cases[i].rule);
    /* what would be right, had it been offered */
    expect_failure(WITH("Sec-WebSocket-Protocol: chat\r\n"), false, WEIR_EPROTOCOL, 101,
                   "a subprotocol that was not offered");
    expect_failure(WITH("Sec-WebSocket-Extensions: permessage-deflate\r\n"), false, WEIR_EPROTOCOL,
                   101, "an extension that was not offered");
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_101_that_breaks_a_rule_is_named)

#ifdef WEIR_HAVE_DEFLATE
static int parameters_that_cannot_be_are_named(void *arg)
{
    static const char *const parameters[] = {
        "bogus",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "server_max_window_bits=99999999999999999999",
        "server_no_context_takeover=1",
        "server_no_context_takeover; server_no_context_takeover",
        "client_max_window_bits=15; client_max_window_bits=15",
    };
    (void)arg;
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        char text[512];
        snprintf(text, sizeof text, WITH("Sec-WebSocket-Extensions: permessage-deflate; %s\r\n"),
                 parameters[i]);
        expect_failure(text, true, WEIR_EPROTOCOL, 101, "RFC 7692");
    }
    expect_failure(WITH("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n"),
                   true, WEIR_EPROTOCOL, 101, "RFC 7692");
    return WEIR_OK;
}
RUN_OVER_SOCKETS(parameters_that_cannot_be_are_named)
#endif

static int what_is_no_answer_is_a_violation_or_a_loss(void *arg)
{
    (void)arg;
    expect_failure("", false, WEIR_ELOST, 0, NULL);
    expect_failure("HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso", false, WEIR_ELOST, 0,
                   NULL);
    expect_failure("SSH-2.0-OpenSSH_9.2\r\n", false, WEIR_EPROTOCOL, 0, "RFC 9112");
    expect_failure("HTTP/2 101\r\n\r\n", false, WEIR_EPROTOCOL, 0, "RFC 9112");
    expect_failure("HTTP/1.1 101 x\nUpgrade: websocket\n\n", false, WEIR_EPROTOCOL, 0, "RFC 9112");
    expect_failure("HTTP/1.1 101 x\r\nUpgrade : websocket\r\n\r\n", false, WEIR_EPROTOCOL, 0,
                   "RFC 9112");
    expect_failure("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n folded: x\r\n\r\n", false,
                   WEIR_EPROTOCOL, 0, "RFC 9112");
    return WEIR_OK;
}
RUN_OVER_SOCKETS(what_is_no_answer_is_a_violation_or_a_loss)

static int a_head_over_its_limits_is_too_big(void *arg)
{
    static char text[20000];
    (void)arg;
    memset(text, 'a', sizeof text - 1);
    memcpy(text, UPGRADES "Name: ", sizeof UPGRADES + 5);
    expect_failure(text, false, WEIR_ETOOBIG, 0, "the head is too large");
    size_t size = sizeof UPGRADES - 1;
    for (int i = 0; i < 100; i++, size += 6)
        memcpy(text + size, "a: b\r\n", 6);
    memcpy(text + size, "\r\n", 3);
    expect_failure(text, false, WEIR_ETOOBIG, 0, "too many fields");
    for (size = 0; size < 19000; size += 25) /* answers that are none, without end */
        memcpy(text + size, "HTTP/1.1 100 Continue\r\n\r\n", 26);
    expect_failure(text, false, WEIR_ETOOBIG, 0, "too l");
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_head_over_its_limits_is_too_big)

static int another_status_is_reported_with_its_body(void *arg)
{
    static const struct {
        unsigned status;
        const char *fields;
        const char *body;
        const char *reported;
    } cases[] = {
        {200, "Content-Length: 5\r\n", "hello, and what is not its own", "hello"},
        {301, "Location: ws://elsewhere/\r\nContent-Length: 0\r\n", "", ""},
        {401, "WWW-Authenticate: Basic\r\nContent-Length: 12\r\n", "who are you?", "who are you?"},
        {403, "", "until the end", "until the end"},
        {404, "Content-Length: 100\r\n", "less than it says", "less than it says"},
        {429, "Content-Length: 18446744073709551616\r\n", "later", "later"},
        {500, "Content-Length: -1\r\n", "oops", "oops"},
        {503, "Connection: close\r\nContent-Length: 4\r\n", "busy", "busy"},
    };
    weir_connect_failure failure;
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        int size = snprintf(text, sizeof text, "HTTP/1.1 %u x\r\n%s\r\n%s", cases[i].status,
                            cases[i].fields, cases[i].body);
        struct answerer self = {.answer = text, .size = (size_t)size};
        assert_status(try_to_open(&self, false, &failure), WEIR_EREFUSED);
        assert_int_equal(failure.http_status, cases[i].status);
        assert_string_equal(failure.body, cases[i].reported);
        assert_null(failure.fault.rule);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(another_status_is_reported_with_its_body)

/* Of an endless body, the beginning is kept. When the body never comes, the caller still gets the
 * refusal. */
static int a_body_without_end_or_beginning_is_still_a_refusal(void *arg)
{
    static char text[100000];
    static const char silent[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\nno";
    weir_connect_failure failure;
    (void)arg;
    memset(text, 'b', sizeof text);
    memcpy(text, "HTTP/1.1 403 Forbidden\r\n\r\n", 26);
    struct answerer endless = {.answer = text, .size = sizeof text};
    assert_status(try_to_open(&endless, false, &failure), WEIR_EREFUSED);
    assert_int_equal(failure.http_status, 403);
    assert_int_equal(strlen(failure.body), sizeof failure.body - 1);
    struct answerer stuck = {.answer = silent, .size = sizeof silent - 1, .stays = true};
    assert_status(try_to_open(&stuck, false, &failure), WEIR_EREFUSED);
    assert_int_equal(failure.http_status, 403);
    assert_string_equal(failure.body, "no");
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_body_without_end_or_beginning_is_still_a_refusal)

static int a_trickled_answer_times_out(void *arg)
{
    static const char good[] = WITH("");
    weir_connect_failure failure;
    (void)arg;
    struct answerer slow = {.answer = good, .size = sizeof good - 1, .pause_ms = 60};
    uint64_t start = weir_loop_now(weir_loop_current());
    assert_status(try_to_open(&slow, false, &failure), WEIR_ETIMEDOUT);
    rig_expect_passed(start, SHORT_MS, 300);
    assert_int_equal(failure.http_status, 0);
    struct answerer silent = {.answer = "", .stays = true};
    assert_status(try_to_open(&silent, false, &failure), WEIR_ETIMEDOUT);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_trickled_answer_times_out)

static int a_right_answer_opens_a_session(void *arg)
{
    static const char good[] = WITH("Sec-WebSocket-Protocol: chat\r\n") "\x81\x02hi";
    weir_connect_failure failure;
    (void)arg;
    struct answerer self = {.answer = good, .size = sizeof good - 1};
    assert_status(try_to_open(&self, true, &failure), WEIR_OK);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_right_answer_opens_a_session)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_101_that_breaks_a_rule_is_named_),
#ifdef WEIR_HAVE_DEFLATE
        cmocka_unit_test(parameters_that_cannot_be_are_named_),
#endif
        cmocka_unit_test(what_is_no_answer_is_a_violation_or_a_loss_),
        cmocka_unit_test(a_head_over_its_limits_is_too_big_),
        cmocka_unit_test(another_status_is_reported_with_its_body_),
        cmocka_unit_test(a_body_without_end_or_beginning_is_still_a_refusal_),
        cmocka_unit_test(a_trickled_answer_times_out_),
        cmocka_unit_test(a_right_answer_opens_a_session_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
