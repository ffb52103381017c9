/* Bytes that were read and are not wanted yet. */
#include "rt_rig.h"

#include "rt/backlog.h"

#define LARGE 2000 /* of a buffer of 4096: too many to be copied */
#define SMALL 512

static weir__buf *take_filled(weir_loop *loop)
{
    weir__buf *buf = weir__buf_take(loop);
    assert_non_null(buf);
    for (uint32_t i = 0; i < buf->size; i++)
        buf->data[i] = (uint8_t)(i * 7 + i / 256);
    return buf;
}

static void many_bytes_are_kept_where_they_lie(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    (void)state;
    rig_open(&rig);
    weir__buf *buf = take_filled(rig.loop);
    assert_true(weir__backlog_is_empty(&backlog));
    weir__backlog_keep(&backlog, buf, buf->data + 100, SMALL + 1);
    assert_false(weir__backlog_is_empty(&backlog));
    assert_ptr_equal(backlog.buf, buf);
    assert_ptr_equal(backlog.data, buf->data + 100);
    assert_int_equal(backlog.size, SMALL + 1);
    assert_int_equal(buf->refs, 2);
    weir__backlog_release(&backlog);
    assert_true(weir__backlog_is_empty(&backlog));
    assert_int_equal(backlog.size, 0);
    assert_int_equal(buf->refs, 1);
    weir__backlog_release(&backlog); /* harmless */
    weir__buf_unref(buf);
    rig_close(&rig);
}

static void few_bytes_do_not_pin_a_buffer(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    uint8_t expected[SMALL];
    (void)state;
    rig_open(&rig);
    weir__buf *buf = take_filled(rig.loop);
    memcpy(expected, buf->data + 9, SMALL);
    weir__backlog_keep(&backlog, buf, buf->data + 9, SMALL);
    assert_int_equal(buf->refs, 1);
    memset(buf->data, 0, buf->size);
    weir__buf_unref(buf);
    assert_int_equal(backlog.size, SMALL);
    assert_int_equal(backlog.buf->size, SMALL);
    assert_memory_equal(backlog.data, expected, SMALL);
    weir__backlog_release(&backlog);
    rig_close(&rig);
}

static void without_memory_for_a_copy_the_buffer_is_kept(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    (void)state;
    rig_open(&rig);
    weir__buf *buf = take_filled(rig.loop);
    rig.memory.fail_at = rig.memory.calls + 1;
    weir__backlog_keep(&backlog, buf, buf->data, SMALL);
    assert_true(rig.memory.failed);
    assert_ptr_equal(backlog.buf, buf);
    assert_int_equal(buf->refs, 2);
    weir__backlog_release(&backlog);
    weir__buf_unref(buf);
    rig_close(&rig);
}

static void what_is_taken_is_the_takers(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    (void)state;
    rig_open(&rig);
    weir__buf *buf = take_filled(rig.loop);
    weir__backlog_keep(&backlog, buf, buf->data, LARGE);
    struct weir__backlog taken = weir__backlog_take(&backlog);
    assert_true(weir__backlog_is_empty(&backlog));
    assert_int_equal(backlog.size, 0);
    assert_ptr_equal(taken.buf, buf);
    assert_int_equal(taken.size, LARGE);
    assert_int_equal(buf->refs, 2);
    weir__buf_unref(taken.buf);
    weir__buf_unref(buf);
    rig_close(&rig);
}

static void bytes_are_read_piece_by_piece(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    uint8_t got[LARGE];
    (void)state;
    rig_open(&rig);
    weir__buf *buf = take_filled(rig.loop);
    assert_int_equal(weir__backlog_read(&backlog, got, sizeof got), 0);
    weir__backlog_keep(&backlog, buf, buf->data, LARGE);
    assert_int_equal(weir__backlog_read(&backlog, got, 0), 0);
    assert_int_equal(weir__backlog_read(&backlog, got, 1), 1);
    assert_int_equal(weir__backlog_read(&backlog, got + 1, LARGE - 2), LARGE - 2);
    assert_int_equal(backlog.size, 1);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(weir__backlog_read(&backlog, got + LARGE - 1, 100), 1);
    assert_memory_equal(got, buf->data, LARGE);
    assert_true(weir__backlog_is_empty(&backlog));
    assert_int_equal(buf->refs, 1);
    weir__buf_unref(buf);
    rig_close(&rig);
}

static void bytes_can_be_put_in_front(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    uint8_t got[LARGE + 8];
    (void)state;
    rig_open(&rig);
    assert_int_equal(weir__backlog_put_front(&backlog, rig.loop, "", 0), WEIR_OK);
    assert_true(weir__backlog_is_empty(&backlog));
    assert_int_equal(weir__backlog_put_front(&backlog, rig.loop, "weir", 4), WEIR_OK);
    assert_int_equal(weir__backlog_read(&backlog, got, sizeof got), 4);
    assert_memory_equal(got, "weir", 4);
    weir__buf *buf = take_filled(rig.loop);
    weir__backlog_keep(&backlog, buf, buf->data, LARGE);
    assert_int_equal(weir__backlog_put_front(&backlog, rig.loop, "head", 4), WEIR_OK);
    assert_int_equal(buf->refs, 1);
    assert_int_equal(backlog.size, LARGE + 4);
    assert_int_equal(weir__backlog_read(&backlog, got, sizeof got), LARGE + 4);
    assert_memory_equal(got, "head", 4);
    assert_memory_equal(got + 4, buf->data, LARGE);
    weir__buf_unref(buf);
    rig_close(&rig);
}

static void without_memory_nothing_is_put_in_front(void **state)
{
    struct rig rig;
    struct weir__backlog backlog = {.buf = NULL};
    (void)state;
    rig_open(&rig);
    weir__buf *buf = take_filled(rig.loop);
    weir__backlog_keep(&backlog, buf, buf->data, LARGE);
    rig.memory.fail_at = rig.memory.calls + 1;
    assert_int_equal(weir__backlog_put_front(&backlog, rig.loop, "head", 4), WEIR_ENOMEM);
    assert_ptr_equal(backlog.data, buf->data);
    assert_int_equal(backlog.size, LARGE);
    weir__backlog_release(&backlog);
    weir__buf_unref(buf);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_bytes_are_kept_where_they_lie),
        cmocka_unit_test(few_bytes_do_not_pin_a_buffer),
        cmocka_unit_test(without_memory_for_a_copy_the_buffer_is_kept),
        cmocka_unit_test(what_is_taken_is_the_takers),
        cmocka_unit_test(bytes_are_read_piece_by_piece),
        cmocka_unit_test(bytes_can_be_put_in_front),
        cmocka_unit_test(without_memory_nothing_is_put_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
