#include "support/session_rig.h"

#include "net/stream.h"
#include "rt/loop.h"
#include "support/descriptors.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <weir/address.h>

/* Fixed, with no byte 0, so that a mask that is not applied is noticed. */
static const uint8_t KEY[4] = {0x37, 0xfa, 0x21, 0x3d};

static bool rig_is_server(const struct rig *rig)
{
    return !weir_session_masking(rig->session);
}

void expect_status(int got, int expected, const char *what, const char *file, int line)
{
    if (got == expected)
        return;
    print_error("%s: %s, expected %s\n", what, weir_status_name(got), weir_status_name(expected));
    _fail(file, line);
}

/* --- running --- */

/* What the rigs of the running test use. */
static struct {
    bool sockets; /* else a pair in memory */
    bool real;    /* the kernel's sockets and time */
    failing_allocator *memory;
} place;

bool rig_is_real(void)
{
    return place.real;
}

const failing_allocator *rig_memory(void)
{
    return place.memory;
}

void rig_starve(bool starve)
{
    weir__pool_fini(&weir_loop_current()->pool);
    place.memory->fail_at = starve ? 1 : 0;
    place.memory->fail_after = starve;
}

int rig_echo(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

void rig_expect_passed(uint64_t start, uint64_t least_ms, uint64_t slack_ms)
{
    uint64_t passed_ms = weir_loop_now(weir_loop_current()) - start;
    bool is_bounded = !place.real && !transport_cuts(); /* that one pauses between pieces */
    assert_in_range(passed_ms, least_ms, least_ms + (is_bounded ? slack_ms : 30000));
}

/* cmocka's longjmp must not leave a coroutine, so a failure ends the process after its message. */
static void run_on(const weir_loop_options *options, int (*body)(void *arg), void *arg)
{
    failing_allocator memory;
    weir_loop *loop;
    weir_loop_options own = *options;
    size_t descriptors = count_descriptors();
    transport_choose();
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    failing_allocator_init(&memory, 0);
    own.allocator = memory.allocator;
    place.memory = &memory;
    assert_ok(weir_loop_new(&loop, &own));
    int status = weir_loop_run(loop, "test", body, arg);
    assert_int_equal(weir_loop_coroutine_count(loop), 0);
    weir_loop_free(loop);
    assert_status(status, WEIR_OK);
    if (!failing_allocator_is_clean(&memory))
        print_error("left: %zu bytes in %zu blocks\n", memory.live_bytes, memory.live_blocks);
    assert_true(failing_allocator_is_clean(&memory));
    assert_int_equal(count_descriptors(), descriptors);
}

static void run_in_sim(bool sockets, int (*body)(void *arg), void *arg)
{
    weir_sim_options sim = {.seed = 1};
    place.sockets = sockets;
    place.real = false;
    run_on(&(weir_loop_options){.backend = WEIR_BACKEND_SIM, .sim = &sim}, body, arg);
}

void rig_run(int (*body)(void *arg), void *arg)
{
    run_in_sim(false, body, arg);
}

void rig_run_real(int (*body)(void *arg), void *arg)
{
    place.sockets = place.real = true;
    run_on(&(weir_loop_options){.backend = WEIR_BACKEND_DEFAULT}, body, arg);
}

void rig_run_over_sockets(int (*body)(void *arg), void *arg)
{
    run_in_sim(true, body, arg);
    rig_run_real(body, arg);
}

void rig_run_everywhere(int (*body)(void *arg), void *arg)
{
    rig_run(body, arg);
    rig_run_over_sockets(body, arg);
}

/* --- opening --- */

/* The kernel lets a buffer grow to megabytes, so a test that fills it makes it small first. */
static void narrow(weir_stream *stream, int option, int size)
{
    if (stream->io.fd >= 0)
        assert_int_equal(setsockopt(stream->io.fd, SOL_SOCKET, option, &size, sizeof size), 0);
}

static void connect_sockets(struct rig *rig, enum weir_role role, weir_stream **end)
{
    weir_listener *listener;
    weir_address address;
    weir_stream **client = role == WEIR_ROLE_CLIENT ? end : &rig->wire;
    weir_stream **server = role == WEIR_ROLE_CLIENT ? &rig->wire : end;
    assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
    assert_ok(weir_listener_open(&listener, rig->loop, &address, false));
    assert_ok(weir_listener_address_get(&address, listener));
    assert_ok(weir_stream_connect(client, &address, 0));
    assert_ok(weir_listener_accept(server, listener));
    weir_listener_close(listener);
    narrow(*end, SO_SNDBUF, 64 * 1024);
    narrow(rig->wire, SO_RCVBUF, 128 * 1024);
}

void rig_open_streams(struct rig *rig, enum weir_role role, weir_stream **end)
{
    rig->session = NULL;
    rig->loop = weir_loop_current();
    if (place.sockets)
        connect_sockets(rig, role, end);
    else
        assert_ok(weir_stream_pair(end, &rig->wire, rig->loop));
    *end = transport_over(*end);
    assert_non_null(*end);
}

static void open_pair(struct rig *rig, enum weir_role role, const weir_session_options *options,
                      bool raw)
{
    weir_stream *end;
    rig_open_streams(rig, role, &end);
    if (raw)
        assert_ok(weir_session_start_raw(&rig->session, weir_scope_current(), end, role, options));
    else
        assert_ok(weir_session_start(&rig->session, weir_scope_current(), end, role, options));
}

void rig_open(struct rig *rig, enum weir_role role, const weir_session_options *options)
{
    open_pair(rig, role, options, false);
}

void rig_open_raw(struct rig *rig, enum weir_role role, const weir_session_options *options)
{
    open_pair(rig, role, options, true);
}

void rig_open_peer(struct rig *rig, weir_session **peer, const weir_session_options *options)
{
    enum weir_role role = rig_is_server(rig) ? WEIR_ROLE_CLIENT : WEIR_ROLE_SERVER;
    weir_stream *wire = transport_over(rig->wire);
    assert_non_null(wire);
    assert_ok(weir_session_start(peer, weir_scope_current(), wire, role, options));
    rig->wire = NULL;
}

void rig_close(struct rig *rig)
{
    weir_session_free(rig->session);
    weir_stream_close(rig->wire);
}

/* --- the wire --- */

void rig_put(struct rig *rig, const void *data, size_t size)
{
    assert_ok(weir_stream_write(rig->wire, data, size));
}

static size_t put_head(uint8_t head[14], uint8_t first, size_t size, bool masked)
{
    size_t at = 2;
    head[0] = first;
    if (size < 126) {
        head[1] = (uint8_t)size;
    } else if (size < 65536) {
        head[1] = 126;
        head[2] = (uint8_t)(size >> 8);
        head[3] = (uint8_t)size;
        at = 4;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
        at = 10;
    }
    if (masked) {
        head[1] |= 0x80;
        memcpy(head + at, KEY, 4);
        at += 4;
    }
    return at;
}

void rig_put_frame(struct rig *rig, uint8_t first, const void *payload, size_t size)
{
    bool masked = rig_is_server(rig);
    uint8_t *bytes = test_malloc(14 + size);
    size_t at = put_head(bytes, first, size, masked);
    for (size_t i = 0; i < size; i++)
        bytes[at + i] = ((const uint8_t *)payload)[i] ^ (masked ? KEY[i % 4] : 0);
    rig_put(rig, bytes, at + size);
    test_free(bytes);
}

void rig_put_text(struct rig *rig, const char *text)
{
    rig_put_frame(rig, 0x81, text, strlen(text));
}

static void take(struct rig *rig, void *out, size_t size)
{
    if (size > 0)
        assert_ok(weir_stream_read_exactly(rig->wire, out, size));
}

size_t rig_take_frame(struct rig *rig, uint8_t *first, void *payload, size_t room)
{
    uint8_t head[14];
    uint8_t key[4] = {0};
    take(rig, head, 2);
    *first = head[0];
    uint64_t size = head[1] & 0x7f;
    size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    take(rig, head + 2, extra);
    if (extra > 0)
        size = 0;
    for (size_t i = 0; i < extra; i++)
        size = size << 8 | head[2 + i];
    bool masked = (head[1] & 0x80) != 0;
    assert_int_equal(masked, !rig_is_server(rig));
    if (masked)
        take(rig, key, 4);
    assert_true(size <= room);
    take(rig, payload, (size_t)size);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)payload)[i] ^= key[i % 4];
    return (size_t)size;
}

void rig_expect_frame(struct rig *rig, uint8_t first, const void *payload, size_t size)
{
    uint8_t got_first;
    uint8_t *got = test_malloc(size + 256);
    size_t got_size = rig_take_frame(rig, &got_first, got, size + 256);
    assert_int_equal(got_first, first);
    assert_int_equal(got_size, size);
    if (size > 0)
        assert_memory_equal(got, payload, size);
    test_free(got);
}

void rig_expect_close(struct rig *rig, unsigned code)
{
    uint8_t first;
    uint8_t payload[128];
    size_t size = rig_take_frame(rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x88);
    assert_true(code == 0 ? size == 0 : size >= 2);
    if (code != 0)
        assert_int_equal(payload[0] << 8 | payload[1], code);
}

void rig_expect_end(struct rig *rig)
{
    uint8_t byte;
    size_t got;
    assert_status(weir_stream_read(rig->wire, &byte, 1, &got), WEIR_CLOSED);
}

void expect_message(weir_session *session, enum weir_frame_type type, const void *data, size_t size)
{
    weir_frame frame;
    assert_ok(weir_receive(session, &frame));
    assert_int_equal(frame.type, type);
    assert_true(frame.fin);
    assert_int_equal(frame.size, size);
    if (size > 0)
        assert_memory_equal(frame.data, data, size);
    weir_frame_release(&frame);
}

void expect_text(weir_session *session, const char *text)
{
    expect_message(session, WEIR_FRAME_TEXT, text, strlen(text));
}

void rig_expect_received(struct rig *rig, enum weir_frame_type type, const void *payload,
                         size_t size)
{
    expect_message(rig->session, type, payload, size);
}

void rig_expect_ended(struct rig *rig, enum weir_end_kind kind, unsigned ours, unsigned theirs)
{
    weir_end end;
    assert_int_not_equal(weir_deferred_await(weir_session_close_reason(rig->session), NULL),
                         WEIR_OK);
    weir_session_end_get(&end, rig->session);
    assert_string_equal(weir_end_kind_name(end.kind), weir_end_kind_name(kind));
    assert_int_equal(end.ours.code, ours);
    assert_int_equal(end.theirs.code, theirs);
}
