/* The order of what runs in a turn: what is ready, what is late, what is to be flushed, the
 * last. */
#include "rt_rig.h"

#include <string.h>

enum queue { NONE, READY, LATE, FLUSH, LAST };

/* Writes down its name when it runs, and posts another task then. */
struct step {
    weir__task task;
    weir_loop *loop;
    char name;
    enum queue posts;
    struct step *next;
};

static char trail[32];

static void post(weir_loop *loop, enum queue queue, struct step *step)
{
    switch (queue) {
    case NONE:
        break;
    case READY:
        weir__task_post(loop, &step->task);
        break;
    case LATE:
        weir__task_post_late(loop, &step->task);
        break;
    case FLUSH:
        weir__task_post_flush(loop, &step->task);
        break;
    case LAST:
        weir__task_post_last(loop, &step->task);
        break;
    }
}

static void run_step(weir__task *task)
{
    struct step *step = WEIR__CONTAINER(task, struct step, task);
    size_t length = strlen(trail);
    assert_true(length < sizeof trail - 1);
    trail[length] = step->name;
    post(step->loop, step->posts, step->next);
    step->posts = NONE; /* once */
}

static void init_step(struct step *step, weir_loop *loop, char name)
{
    *step = (struct step){.loop = loop, .name = name};
    weir__task_init(&step->task, run_step);
}

static void open_steps(struct rig *rig, struct step *steps, size_t count)
{
    rig_open(rig);
    memset(trail, 0, sizeof trail);
    for (size_t i = 0; i < count; i++)
        init_step(&steps[i], rig->loop, (char)('a' + i));
}

static void a_turn_runs_its_queues_in_order(void **state)
{
    struct rig rig;
    struct step steps[5];
    (void)state;
    open_steps(&rig, steps, 5);
    post(rig.loop, LAST, &steps[4]);
    post(rig.loop, FLUSH, &steps[3]);
    post(rig.loop, LATE, &steps[2]);
    post(rig.loop, READY, &steps[0]);
    post(rig.loop, READY, &steps[1]);
    post(rig.loop, LATE, &steps[0]); /* it is queued already */
    assert_true(weir_loop_turn(rig.loop, 0) >= 0);
    assert_string_equal(trail, "abcde");
    rig_close(&rig);
}

static void what_late_tasks_flush_is_flushed_in_the_same_pass(void **state)
{
    struct rig rig;
    struct step steps[4];
    (void)state;
    open_steps(&rig, steps, 4);
    steps[0].posts = steps[1].posts = FLUSH;
    steps[0].next = steps[1].next = &steps[2]; /* the same: it joins both */
    post(rig.loop, LAST, &steps[3]);
    post(rig.loop, LATE, &steps[0]);
    post(rig.loop, LATE, &steps[1]);
    assert_true(weir_loop_turn(rig.loop, 0) >= 0);
    assert_string_equal(trail, "abcd");
    rig_close(&rig);
}

/* A task that posts itself again and again would keep the loop from its sockets. */
static void what_a_rank_posts_to_itself_waits_for_the_next_pass(void **state)
{
    static const enum queue ranks[] = {LATE, FLUSH};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        struct step steps[3];
        open_steps(&rig, steps, 3);
        steps[0].posts = ranks[i];
        steps[0].next = &steps[0];
        post(rig.loop, ranks[i], &steps[0]);
        post(rig.loop, ranks[i], &steps[1]);
        post(rig.loop, LAST, &steps[2]);
        assert_true(weir_loop_turn(rig.loop, 0) >= 0);
        assert_string_equal(trail, "abca");
        rig_close(&rig);
    }
}

static void a_queued_task_is_not_waited_upon(void **state)
{
    static const enum queue queues[] = {READY, LATE, FLUSH, LAST};
    (void)state;
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        struct rig rig;
        struct step step;
        open_steps(&rig, &step, 1);
        assert_int_equal(weir_loop_timeout(rig.loop), -1);
        post(rig.loop, queues[i], &step);
        assert_int_equal(weir_loop_timeout(rig.loop), 0);
        weir__task_cancel(&step.task);
        assert_int_equal(weir_loop_timeout(rig.loop), -1);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_runs_its_queues_in_order),
        cmocka_unit_test(what_late_tasks_flush_is_flushed_in_the_same_pass),
        cmocka_unit_test(what_a_rank_posts_to_itself_waits_for_the_next_pass),
        cmocka_unit_test(a_queued_task_is_not_waited_upon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
