/* Stacks: mapped in slabs, guarded, recycled, given back; and what happens when the kernel
 * refuses. */
#include "rt/rt_rig.h"

#include "rt/stack.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLAB = 64, MANY = 1000 };

static struct weir__stack_sys real;

/* What the kernel was asked for, and what it shall refuse. */
static struct {
    size_t mapped, guards, protects, discards;
    int guard_error;
    size_t map_fails_at, protect_fails_at; /* from 1; 0: never */
    size_t map_calls;
} kernel;

static void *map(size_t size)
{
    if (++kernel.map_calls == kernel.map_fails_at)
        return NULL;
    void *at = real.map(size);
    if (at != NULL)
        kernel.mapped += size;
    return at;
}

static void unmap(void *at, size_t size)
{
    kernel.mapped -= size;
    real.unmap(at, size);
}

static int guard(void *at, size_t size)
{
    if (kernel.guard_error != 0)
        return kernel.guard_error;
    kernel.guards++;
    return real.guard(at, size);
}

static int protect(void *at, size_t size)
{
    if (++kernel.protects == kernel.protect_fails_at)
        return ENOMEM;
    return real.protect(at, size);
}

static void discard(void *at, size_t size)
{
    kernel.discards++;
    real.discard(at, size);
}

static int watch_kernel(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    real = weir__stack_sys;
    weir__stack_sys = (struct weir__stack_sys){map, unmap, guard, protect, discard};
    return 0;
}

static int leave_kernel(void **state)
{
    (void)state;
    weir__stack_sys = real;
    return kernel.mapped != 0;
}

static struct weir__stack stacks[MANY];

static void open_pool(struct weir__stack_pool *pool)
{
    assert_int_equal(weir__stack_pool_init(pool, (size_t)16 * 1024), WEIR_OK);
}

static void take(struct weir__stack_pool *pool, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(weir__stack_take(pool, &stacks[i]), WEIR_OK);
        stacks[i].low[0] = stacks[i].low[stacks[i].size - 1] = (uint8_t)i;
    }
}

static void give(struct weir__stack_pool *pool, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        weir__stack_give(pool, &stacks[i]);
}

/* --- sizes --- */

static void sizes_are_rounded_up_and_bounded(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    struct weir__stack stack;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(weir__stack_pool_init(&pool, 0), WEIR_OK);
    assert_true(pool.stride >= (size_t)16 * 1024);
    assert_int_equal(weir__stack_pool_init(&pool, ((size_t)1 << 30) + 1), WEIR_EINVAL);
    assert_int_equal(weir__stack_pool_init(&pool, SIZE_MAX), WEIR_EINVAL);
    assert_int_equal(weir__stack_pool_init(&pool, (size_t)64 * 1024 + 1), WEIR_OK);
    assert_int_equal(pool.stride % page, 0);
    assert_true(pool.stride >= (size_t)64 * 1024 + page);
    assert_int_equal(weir__stack_take(&pool, &stack), WEIR_OK);
    assert_int_equal(stack.size + page, pool.stride);
    memset(stack.low, 1, stack.size);
    weir__stack_give(&pool, &stack);
    weir__stack_pool_fini(&pool);
}

/* --- recycling --- */

static void stacks_do_not_overlap(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    open_pool(&pool);
    take(&pool, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(stacks[i].low[0], (uint8_t)i);
        assert_int_equal(stacks[i].low[stacks[i].size - 1], (uint8_t)i);
    }
    give(&pool, 0, MANY);
    weir__stack_pool_fini(&pool);
}

static void the_stack_given_back_last_is_taken_first_and_guarded_once(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    open_pool(&pool);
    take(&pool, 3);
    uint8_t *low = stacks[1].low;
    weir__stack_give(&pool, &stacks[0]);
    weir__stack_give(&pool, &stacks[1]);
    size_t guards = kernel.guards + kernel.protects;
    assert_int_equal(weir__stack_take(&pool, &stacks[1]), WEIR_OK);
    assert_ptr_equal(stacks[1].low, low);
    assert_int_equal(weir__stack_take(&pool, &stacks[0]), WEIR_OK);
    assert_int_equal(kernel.guards + kernel.protects, guards);
    give(&pool, 0, 3);
    weir__stack_pool_fini(&pool);
}

static void slabs_go_back_to_the_kernel_but_for_one(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    open_pool(&pool);
    take(&pool, (size_t)5 * SLAB);
    assert_int_equal(kernel.mapped, 5 * SLAB * pool.stride);
    give(&pool, 0, (size_t)5 * SLAB);
    assert_int_equal(kernel.mapped, SLAB * pool.stride);
    assert_int_equal(pool.idle_count, SLAB);
    take(&pool, (size_t)2 * SLAB);
    give(&pool, 0, (size_t)2 * SLAB);
    weir__stack_pool_fini(&pool);
    assert_int_equal(kernel.mapped, 0);
}

static void of_many_idle_stacks_the_pages_are_let_go(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    open_pool(&pool);
    take(&pool, MANY);
    /* All but one of each slab, so that none goes back as a whole. */
    for (size_t i = 0; i < MANY; i++)
        if (i % SLAB != 0)
            weir__stack_give(&pool, &stacks[i]);
    assert_true(pool.idle_count > 256);
    assert_int_equal(kernel.discards, pool.idle_count - 256);
    for (size_t i = 0; i < MANY; i += SLAB)
        weir__stack_give(&pool, &stacks[i]);
    weir__stack_pool_fini(&pool);
}

static void any_order_of_taking_and_giving_keeps_count(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    struct dice dice = {1};
    size_t in_use = 0;
    open_pool(&pool);
    for (int i = 0; i < 20000; i++) {
        size_t at = roll_below(&dice, MANY / 2);
        bool taken = at < in_use;
        if (taken) {
            weir__stack_give(&pool, &stacks[at]);
            stacks[at] = stacks[--in_use];
        } else {
            assert_int_equal(weir__stack_take(&pool, &stacks[in_use]), WEIR_OK);
            stacks[in_use].low[stacks[in_use].size - 1] = 1;
            in_use++;
        }
    }
    give(&pool, 0, in_use);
    assert_int_equal(kernel.mapped, SLAB * pool.stride);
    weir__stack_pool_fini(&pool);
}

/* --- guards --- */

static bool touching_ends_in_a_fault(volatile uint8_t *at)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)signal(SIGBUS, SIG_DFL);
        *at = 1;
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void check_guards(void)
{
    struct weir__stack_pool pool;
    open_pool(&pool);
    take(&pool, SLAB + 1);
    static const size_t some[] = {0, 1, SLAB - 1, SLAB};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        assert_true(touching_ends_in_a_fault(stacks[some[i]].low - 1));
        assert_true(touching_ends_in_a_fault(stacks[some[i]].low - pool.page));
        assert_false(touching_ends_in_a_fault(stacks[some[i]].low));
    }
    give(&pool, 0, SLAB + 1);
    weir__stack_pool_fini(&pool);
}

static void below_every_stack_lies_a_guard(void **state)
{
    (void)state;
    check_guards();
}

static void a_kernel_without_light_guards_gets_mprotect(void **state)
{
    (void)state;
    kernel.guard_error = EINVAL;
    check_guards();
    assert_int_equal(kernel.guards, 0);
    assert_int_equal(kernel.protects, SLAB + 1);
}

/* --- refusals --- */

static void a_guard_refused_for_want_of_memory_is_told(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    open_pool(&pool);
    kernel.guard_error = ENOMEM;
    assert_int_equal(weir__stack_take(&pool, &stacks[0]), WEIR_ENOMEM);
    assert_int_equal(kernel.protects, 0);
    kernel.guard_error = 0;
    take(&pool, 1);
    give(&pool, 0, 1);
    weir__stack_pool_fini(&pool);
}

static void a_refused_stack_leaves_the_others_and_may_be_had_later(void **state)
{
    (void)state;
    struct weir__stack_pool pool;
    open_pool(&pool);
    kernel.guard_error = EINVAL;
    kernel.protect_fails_at = 71;
    kernel.map_fails_at = 3;
    take(&pool, 70);
    assert_int_equal(weir__stack_take(&pool, &stacks[70]), WEIR_ENOMEM); /* its guard */
    for (size_t i = 70; i < (size_t)2 * SLAB; i++)
        assert_int_equal(weir__stack_take(&pool, &stacks[i]), WEIR_OK);
    assert_int_equal(weir__stack_take(&pool, &stacks[2 * SLAB]), WEIR_ENOMEM); /* its slab */
    assert_int_equal(weir__stack_take(&pool, &stacks[2 * SLAB]), WEIR_OK);
    for (size_t i = 0; i < 70; i++)
        assert_int_equal(stacks[i].low[0], (uint8_t)i);
    give(&pool, 0, (size_t)2 * SLAB + 1);
    weir__stack_pool_fini(&pool);
}

static int idle(void *arg)
{
    (void)arg;
    return weir_sleep(1000);
}

static int start_until_refused(void *arg)
{
    weir_scope scope;
    size_t started = 0;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    int status;
    while ((status = weir_go(&scope, "idle", idle, NULL)) == WEIR_OK)
        started++;
    assert_int_equal(status, WEIR_ENOMEM);
    assert_int_equal(started, 99); /* and this one */
    assert_int_equal(weir_go(&scope, "idle", idle, NULL), WEIR_OK);
    return weir_scope_join(&scope);
}

static void a_coroutine_without_a_stack_is_an_error_of_its_start_alone(void **state)
{
    (void)state;
    kernel.guard_error = EINVAL;
    kernel.protect_fails_at = 101;
    assert_int_equal(rig_play(start_until_refused, NULL), WEIR_OK);
}

/* --- more than the kernel has mappings for --- */

enum { CROWD = 34000 };

static size_t mappings_allowed(void)
{
    unsigned long allowed = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    if (file == NULL || fscanf(file, "%lu", &allowed) != 1)
        allowed = 65530;
    if (file != NULL)
        (void)fclose(file);
    return allowed;
}

/* Takes up to CROWD stacks, gives all back, and says how many there were. */
static size_t crowd(int *status)
{
    struct weir__stack_pool pool;
    struct weir__stack *all = calloc(CROWD, sizeof *all);
    size_t count = 0;
    assert_non_null(all);
    open_pool(&pool);
    *status = WEIR_OK;
    while (count < CROWD && (*status = weir__stack_take(&pool, &all[count])) == WEIR_OK)
        count++;
    for (size_t i = 0; i < count; i++)
        weir__stack_give(&pool, &all[i]);
    take(&pool, SLAB);
    give(&pool, 0, SLAB);
    weir__stack_pool_fini(&pool);
    free(all);
    return count;
}

static void light_guards_need_no_mappings(void **state)
{
    (void)state;
    int status;
    size_t count = crowd(&status);
    if (kernel.protects > 0)
        skip(); /* a kernel before Linux 6.13 */
    assert_int_equal(status, WEIR_OK);
    assert_int_equal(count, CROWD);
}

static void guards_by_mprotect_end_with_the_mappings_and_leave_all_working(void **state)
{
    (void)state;
    int status;
    kernel.guard_error = EINVAL;
    size_t count = crowd(&status);
    if (mappings_allowed() / 2 > CROWD)
        skip();
    assert_int_equal(status, WEIR_ENOMEM);
    assert_in_range(count, mappings_allowed() / 2 - 2000, mappings_allowed() / 2);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, watch_kernel, leave_kernel)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(sizes_are_rounded_up_and_bounded),
        FACT(stacks_do_not_overlap),
        FACT(the_stack_given_back_last_is_taken_first_and_guarded_once),
        FACT(slabs_go_back_to_the_kernel_but_for_one),
        FACT(of_many_idle_stacks_the_pages_are_let_go),
        FACT(any_order_of_taking_and_giving_keeps_count),
        FACT(below_every_stack_lies_a_guard),
        FACT(a_kernel_without_light_guards_gets_mprotect),
        FACT(a_guard_refused_for_want_of_memory_is_told),
        FACT(a_refused_stack_leaves_the_others_and_may_be_had_later),
        FACT(a_coroutine_without_a_stack_is_an_error_of_its_start_alone),
        FACT(light_guards_need_no_mappings),
        FACT(guards_by_mprotect_end_with_the_mappings_and_leave_all_working),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
