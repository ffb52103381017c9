/* A loop's memory: size classes, reuse, and that everything goes back with the size it was asked
 * for (the allocator below checks it). */
#include "rt/rt_rig.h"

#include "rt/pool.h"

#define LARGEST ((size_t)2 * 1024 * 1024) /* that is kept */
#define KEPT    ((size_t)8 * 1024 * 1024) /* in all */

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS false
#endif
#endif
#ifndef KEEPS
#define KEEPS true
#endif

struct pooled {
    failing_allocator memory;
    struct weir__pool pool;
};

static void open_pool(struct pooled *pooled, size_t fail_at)
{
    failing_allocator_init(&pooled->memory, fail_at);
    weir__pool_init(&pooled->pool, &pooled->memory.allocator);
}

static void close_pool(struct pooled *pooled)
{
    weir__pool_fini(&pooled->pool);
    assert_true(failing_allocator_is_clean(&pooled->memory));
}

static void touch(uint8_t *block, size_t size)
{
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % _Alignof(max_align_t), 0);
    block[0] = 1;
    block[size - 1] = 2;
}

static void blocks_of_every_size_go_back_as_they_came(void **state)
{
    (void)state;
    struct pooled pooled;
    open_pool(&pooled, 0);
    for (size_t size = 1; size <= LARGEST + 100; size += size < 3000 ? 1 : 61 + size / 200) {
        uint8_t *block = weir__pool_take(&pooled.pool, size);
        touch(block, size);
        weir__pool_give(&pooled.pool, block, size);
    }
    close_pool(&pooled);
}

static void sizes_about_each_power_of_two_go_back_as_they_came(void **state)
{
    (void)state;
    for (size_t power = 1; power <= 4 * LARGEST; power *= 2) {
        for (size_t size = power > 2 ? power - 2 : 1; size <= power + 2; size++) {
            struct pooled pooled;
            open_pool(&pooled, 0);
            uint8_t *block = weir__pool_take(&pooled.pool, size);
            touch(block, size);
            weir__pool_give(&pooled.pool, block, size);
            close_pool(&pooled);
        }
    }
}

static void at_most_a_ninth_of_a_block_is_waste(void **state)
{
    (void)state;
    for (size_t size = 32; size <= LARGEST; size += 1 + size / 50) {
        struct pooled pooled;
        open_pool(&pooled, 0);
        uint8_t *block = weir__pool_take(&pooled.pool, size);
        touch(block, size);
        size_t real = pooled.memory.live_bytes;
        assert_true(real >= size && (real - size) * 9 <= real);
        weir__pool_give(&pooled.pool, block, size);
        close_pool(&pooled);
    }
}

static void a_block_given_back_is_taken_again_without_the_allocator(void **state)
{
    (void)state;
    struct pooled pooled;
    open_pool(&pooled, 0);
    void *first = weir__pool_take(&pooled.pool, 1000);
    weir__pool_give(&pooled.pool, first, 1000);
    size_t calls = pooled.memory.calls;
    void *second = weir__pool_take(&pooled.pool, 990); /* of the same class */
    if (KEEPS) {
        assert_ptr_equal(first, second);
        assert_int_equal(pooled.memory.calls, calls);
    }
    weir__pool_give(&pooled.pool, second, 990);
    close_pool(&pooled);
}

static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    enum { COUNT = 3000, SIZE = 8192 };
    struct pooled pooled;
    void *blocks[COUNT];
    open_pool(&pooled, 0);
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = weir__pool_take(&pooled.pool, SIZE);
    assert_true(pooled.memory.live_bytes >= (size_t)COUNT * SIZE && (size_t)COUNT * SIZE > KEPT);
    for (size_t i = 0; i < COUNT; i++)
        weir__pool_give(&pooled.pool, blocks[i], SIZE);
    assert_true(pooled.memory.live_bytes <= KEPT);
    close_pool(&pooled);
}

static void take_and_give(struct pooled *pooled, size_t size, size_t bytes)
{
    enum { COUNT_MAX = 8192 };
    static void *blocks[COUNT_MAX];
    size_t count = bytes / size;
    for (size_t i = 0; i < count; i++)
        blocks[i] = weir__pool_take(&pooled->pool, size);
    for (size_t i = 0; i < count; i++)
        weir__pool_give(&pooled->pool, blocks[i], size);
}

static void what_is_kept_in_all_classes_together_is_bounded(void **state)
{
    (void)state;
    enum { EACH = 512 << 10 };
    struct pooled pooled;
    open_pool(&pooled, 0);
    for (size_t size = 64; size <= LARGEST; size += size / 4) {
        take_and_give(&pooled, size, size > EACH ? size : EACH);
        assert_true(pooled.memory.live_bytes <= KEPT);
    }
    assert_true(!KEEPS || pooled.memory.live_bytes > KEPT - 2 * LARGEST);
    close_pool(&pooled);
}

/* However much others keep, a class that is in use has room: the second time its blocks cost
 * nothing. */
static void no_class_keeps_others_out(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 1000, 65600, 200000, (1 << 20) + 100};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pooled pooled;
        open_pool(&pooled, 0);
        for (size_t size = 4096; size < 65536; size += size / 4) /* these alone could fill it */
            take_and_give(&pooled, size, 1 << 20);
        take_and_give(&pooled, sizes[i], sizes[i]);
        size_t calls = pooled.memory.calls;
        take_and_give(&pooled, sizes[i], sizes[i]);
        assert_true(!KEEPS || pooled.memory.calls == calls);
        close_pool(&pooled);
    }
}

static void blocks_in_use_stay_valid_after_fini(void **state)
{
    (void)state;
    struct pooled pooled;
    open_pool(&pooled, 0);
    uint8_t *used = weir__pool_take(&pooled.pool, 100);
    void *kept = weir__pool_take(&pooled.pool, 100);
    weir__pool_give(&pooled.pool, kept, 100);
    weir__pool_fini(&pooled.pool);
    touch(used, 100);
    weir__pool_give(&pooled.pool, used, 100);
    close_pool(&pooled);
}

static void giving_back_nothing_is_allowed(void **state)
{
    (void)state;
    struct pooled pooled;
    open_pool(&pooled, 0);
    weir__pool_give(&pooled.pool, NULL, 0);
    weir__pool_give(&pooled.pool, NULL, 500);
    close_pool(&pooled);
}

static void without_an_allocator_it_is_the_c_librarys(void **state)
{
    (void)state;
    struct weir__pool pool;
    weir__pool_init(&pool, &(weir_allocator){0});
    uint8_t *block = weir__pool_take(&pool, 77);
    touch(block, 77);
    block = pool.face.resize(block, 77, 600000, pool.face.arg);
    touch(block, 600000);
    weir__pool_give(&pool, block, 600000);
    weir__pool_fini(&pool);
}

/* --- as an allocator --- */

#define HELD 40

static size_t some_size(struct dice *dice)
{
    static const uint32_t reaches[] = {40, 300, 5000, 70000, 400000};
    return 1 + roll_below(dice, reaches[roll_below(dice, 5)]);
}

static void check_pattern(const uint8_t *block, size_t size, uint8_t pattern)
{
    assert_int_equal(block[0], pattern);
    assert_int_equal(block[size / 2], pattern);
    assert_int_equal(block[size - 1], pattern);
}

static void resizing_at_random_keeps_the_content_and_leaks_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct pooled pooled;
        struct dice dice = {seed};
        uint8_t *blocks[HELD] = {0};
        size_t sizes[HELD] = {0};
        open_pool(&pooled, 0);
        const weir_allocator *face = &pooled.pool.face;
        for (int step = 0; step < 500; step++) {
            uint32_t i = roll_below(&dice, HELD);
            size_t size = roll_below(&dice, 4) == 0 ? 0 : some_size(&dice);
            if (blocks[i] == NULL && size == 0)
                continue;
            uint8_t *block = face->resize(blocks[i], sizes[i], size, face->arg);
            assert_int_equal(block != NULL, size > 0);
            size_t same = size < sizes[i] ? size : sizes[i];
            if (same > 0)
                check_pattern(block, same, (uint8_t)i);
            blocks[i] = block;
            sizes[i] = size;
            if (size > 0)
                memset(block, (int)i, size);
        }
        for (size_t i = 0; i < HELD; i++)
            if (blocks[i] != NULL)
                (void)face->resize(blocks[i], sizes[i], 0, face->arg);
        close_pool(&pooled);
    }
}

static void a_failed_resize_leaves_the_block_alone(void **state)
{
    (void)state;
    static const size_t steps[][2] = {{10, 100}, {100, 300000}, {300000, 500000}, {300000, 100}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct pooled pooled;
        open_pool(&pooled, 2);
        const weir_allocator *face = &pooled.pool.face;
        uint8_t *block = face->resize(NULL, 0, steps[i][0], face->arg);
        assert_non_null(block);
        memset(block, 9, steps[i][0]);
        assert_null(face->resize(block, steps[i][0], steps[i][1], face->arg));
        assert_true(pooled.memory.failed);
        check_pattern(block, steps[i][0], 9);
        assert_null(face->resize(block, steps[i][0], 0, face->arg));
        close_pool(&pooled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size_go_back_as_they_came),
        cmocka_unit_test(sizes_about_each_power_of_two_go_back_as_they_came),
        cmocka_unit_test(at_most_a_ninth_of_a_block_is_waste),
        cmocka_unit_test(a_block_given_back_is_taken_again_without_the_allocator),
        cmocka_unit_test(what_is_kept_is_bounded),
        cmocka_unit_test(what_is_kept_in_all_classes_together_is_bounded),
        cmocka_unit_test(no_class_keeps_others_out),
        cmocka_unit_test(blocks_in_use_stay_valid_after_fini),
        cmocka_unit_test(giving_back_nothing_is_allowed),
        cmocka_unit_test(without_an_allocator_it_is_the_c_librarys),
        cmocka_unit_test(resizing_at_random_keeps_the_content_and_leaks_nothing),
        cmocka_unit_test(a_failed_resize_leaves_the_block_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
