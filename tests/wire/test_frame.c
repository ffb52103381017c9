#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing_allocator.h"

#include <weir/frame.h>

#include <stdlib.h>
#include <string.h>

static void types_and_opcodes_belong_together(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 300; opcode++) {
        bool known = opcode == 1 || opcode == 2 || (opcode >= 8 && opcode <= 10);
        assert_int_equal(weir_frame_type_from_opcode(opcode), known ? (int)opcode : -1);
    }
    assert_false(weir_frame_type_is_control(WEIR_FRAME_TEXT));
    assert_false(weir_frame_type_is_control(WEIR_FRAME_BINARY));
    assert_true(weir_frame_type_is_control(WEIR_FRAME_CLOSE));
    assert_true(weir_frame_type_is_control(WEIR_FRAME_PING));
    assert_true(weir_frame_type_is_control(WEIR_FRAME_PONG));
}

static void types_have_names(void **state)
{
    (void)state;
    assert_string_equal(weir_frame_type_name(WEIR_FRAME_TEXT), "TEXT");
    assert_string_equal(weir_frame_type_name(WEIR_FRAME_BINARY), "BINARY");
    assert_string_equal(weir_frame_type_name(WEIR_FRAME_CLOSE), "CLOSE");
    assert_string_equal(weir_frame_type_name(WEIR_FRAME_PING), "PING");
    assert_string_equal(weir_frame_type_name(WEIR_FRAME_PONG), "PONG");
    assert_string_equal(weir_frame_type_name(0), "UNKNOWN");
    assert_string_equal(weir_frame_type_name(-1), "UNKNOWN");
}

static void makers_borrow_the_bytes_and_are_whole(void **state)
{
    (void)state;
    static const char bytes[] = "Hello";
    weir_frame frames[] = {weir_frame_text(bytes, 5), weir_frame_binary(bytes, 5),
                           weir_frame_ping(bytes, 5), weir_frame_pong(bytes, 5)};
    static const uint8_t types[] = {WEIR_FRAME_TEXT, WEIR_FRAME_BINARY, WEIR_FRAME_PING,
                                    WEIR_FRAME_PONG};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(frames[i].type, types[i]);
        assert_ptr_equal(frames[i].data, bytes);
        assert_int_equal(frames[i].size, 5);
        assert_true(frames[i].fin);
        assert_null(frames[i].release);
        weir_frame_release(&frames[i]);
        assert_null(frames[i].data);
    }
}

static void fin_is_ignored_for_control_types(void **state)
{
    (void)state;
    assert_false(weir_frame_by_type(false, WEIR_FRAME_TEXT, "", 0).fin);
    assert_false(weir_frame_by_type(false, WEIR_FRAME_BINARY, "", 0).fin);
    assert_true(weir_frame_by_type(false, WEIR_FRAME_PING, "", 0).fin);
    assert_true(weir_frame_by_type(false, WEIR_FRAME_CLOSE, "", 0).fin);
}

static void a_close_reason_goes_into_a_frame_and_comes_out(void **state)
{
    (void)state;
    static const char *const messages[] = {"websocket closed",
                                           "\xd0\xb7\xd0\xb0\xd0\xba\xd1\x80\xd1\x8b\xd1\x82", ""};
    for (size_t i = 0; i < 3; i++) {
        weir_close_reason in;
        weir_close_reason out;
        weir_frame frame;
        assert_int_equal(weir_close_reason_init(&in, 1000, messages[i]), WEIR_OK);
        assert_int_equal(weir_frame_close(&frame, &in, NULL), WEIR_OK);
        assert_int_equal(frame.type, WEIR_FRAME_CLOSE);
        assert_int_equal(weir_frame_close_reason_get(&out, &frame), WEIR_OK);
        assert_true(weir_close_reason_equal(&in, &out));
        weir_frame_release(&frame);
    }
}

static void an_empty_close_has_no_reason(void **state)
{
    (void)state;
    weir_frame frame;
    weir_close_reason reason;
    assert_int_equal(weir_frame_close(&frame, NULL, NULL), WEIR_OK);
    assert_int_equal(frame.size, 0);
    assert_true(frame.fin);
    assert_int_equal(weir_frame_close_reason_get(&reason, &frame), WEIR_CLOSED);
    assert_int_equal(reason.code, WEIR_CLOSE_NO_STATUS);
    weir_frame_release(&frame);
}

static void a_close_that_may_not_be_sent_is_refused(void **state)
{
    (void)state;
    static const unsigned codes[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535};
    weir_frame frame;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        weir_close_reason reason = {.code = (uint16_t)codes[i]};
        assert_int_equal(weir_frame_close(&frame, &reason, NULL), WEIR_EINVAL);
        assert_null(frame.release);
    }
    weir_close_reason long_one = {.code = 1000, .message_size = 124};
    assert_int_equal(weir_frame_close(&frame, &long_one, NULL), WEIR_EINVAL);
    weir_close_reason bad_text = {.code = 1000, .message_size = 1, .message = "\xff"};
    assert_int_equal(weir_frame_close(&frame, &bad_text, NULL), WEIR_EINVAL);
}

static void a_malformed_close_payload_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        size_t size;
    } bad[] = {
        {"\x03", 1}, {"\x03\xed", 2}, {"\xe8\x03", 2}, {"\x03\xe8\xff", 3}, {"\x03\xe8\xce", 3}};
    weir_close_reason reason;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_frame frame = weir_frame_by_type(true, WEIR_FRAME_CLOSE, bad[i].payload, bad[i].size);
        assert_int_equal(weir_frame_close_reason_get(&reason, &frame), WEIR_EPROTOCOL);
    }
    char too_long[126] = "\x03\xe8";
    weir_frame frame = weir_frame_by_type(true, WEIR_FRAME_CLOSE, too_long, 126);
    assert_int_equal(weir_frame_close_reason_get(&reason, &frame), WEIR_EPROTOCOL);
    frame = weir_frame_text("x", 1);
    assert_int_equal(weir_frame_close_reason_get(&reason, &frame), WEIR_EINVAL);
}

static void a_copy_has_bytes_of_its_own(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    char bytes[] = "Hello";
    weir_frame source = weir_frame_by_type(false, WEIR_FRAME_TEXT, bytes, 5);
    source.rsv = 4;
    weir_frame copy;
    assert_int_equal(weir_frame_copy(&copy, &source, &memory.allocator), WEIR_OK);
    bytes[0] = 'J';
    assert_memory_equal(copy.data, "Hello", 5);
    assert_int_equal(copy.type, WEIR_FRAME_TEXT);
    assert_int_equal(copy.rsv, 4);
    assert_false(copy.fin);
    assert_ptr_not_equal(copy.release, source.release);
    weir_frame_release(&copy);
    weir_frame_release(&copy);
    assert_true(failing_allocator_is_clean(&memory));
}

static void an_empty_copy_needs_no_memory(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 1);
    weir_frame source = weir_frame_binary(NULL, 0);
    weir_frame copy;
    assert_int_equal(weir_frame_copy(&copy, &source, &memory.allocator), WEIR_OK);
    assert_int_equal(memory.calls, 0);
    weir_frame_release(&copy);
}

static void without_memory_no_frame_is_made(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 1);
    memory.fail_after = true;
    weir_frame source = weir_frame_text("Hello", 5);
    weir_frame out;
    memset(&out, 0xFF, sizeof out);
    assert_int_equal(weir_frame_copy(&out, &source, &memory.allocator), WEIR_ENOMEM);
    assert_null(out.release);
    assert_null(out.data);
    weir_close_reason reason = {.code = 1000};
    memset(&out, 0xFF, sizeof out);
    assert_int_equal(weir_frame_close(&out, &reason, &memory.allocator), WEIR_ENOMEM);
    assert_null(out.release);
    weir_frame_release(&out);
    source.size = SIZE_MAX;
    assert_int_equal(weir_frame_copy(&out, &source, &memory.allocator), WEIR_ENOMEM);
}

static void text_is_only_to_be_had_of_whole_text_frames(void **state)
{
    (void)state;
    weir_view text;
    size_t size;
    weir_frame frame = weir_frame_text("Hello", 5);
    assert_int_equal(weir_frame_text_get(&text, &frame), WEIR_OK);
    assert_true(weir_view_equal(text, "Hello"));
    frame.fin = false;
    assert_int_equal(weir_frame_text_get(&text, &frame), WEIR_EINVAL);
    assert_null(text.data);
    frame = weir_frame_text(NULL, 0);
    assert_int_equal(weir_frame_text_get(&text, &frame), WEIR_OK);
    assert_true(weir_view_equal(text, ""));
    frame = weir_frame_binary("Hello", 5);
    assert_int_equal(weir_frame_text_get(&text, &frame), WEIR_EINVAL);
    assert_ptr_equal(weir_frame_bytes(&frame, &size), frame.data);
    assert_int_equal(size, 5);
}

static int releases;

static void count_release(void *owner)
{
    (void)owner;
    releases++;
}

static void a_frame_is_released_once(void **state)
{
    (void)state;
    weir_frame frame = weir_frame_text("Hello", 5);
    frame.release = count_release;
    releases = 0;
    weir_frame_release(&frame);
    weir_frame_release(&frame);
    assert_int_equal(releases, 1);
    weir_frame zeroed = {0};
    weir_frame_release(&zeroed);
}

static void a_frame_is_described_and_cut_at_the_room(void **state)
{
    (void)state;
    char out[64];
    weir_frame frame = weir_frame_text("Hello", 5);
    assert_int_equal(weir_frame_describe(out, sizeof out, &frame), 29);
    assert_string_equal(out, "Frame TEXT (fin=true, size=5)");
    frame.fin = false;
    assert_true(weir_frame_describe(out, 11, &frame) > 10);
    assert_string_equal(out, "Frame TEXT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_opcodes_belong_together),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(makers_borrow_the_bytes_and_are_whole),
        cmocka_unit_test(fin_is_ignored_for_control_types),
        cmocka_unit_test(a_close_reason_goes_into_a_frame_and_comes_out),
        cmocka_unit_test(an_empty_close_has_no_reason),
        cmocka_unit_test(a_close_that_may_not_be_sent_is_refused),
        cmocka_unit_test(a_malformed_close_payload_is_told),
        cmocka_unit_test(a_copy_has_bytes_of_its_own),
        cmocka_unit_test(an_empty_copy_needs_no_memory),
        cmocka_unit_test(without_memory_no_frame_is_made),
        cmocka_unit_test(text_is_only_to_be_had_of_whole_text_frames),
        cmocka_unit_test(a_frame_is_released_once),
        cmocka_unit_test(a_frame_is_described_and_cut_at_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
