/* Trees of scopes that grow, fail, are cancelled and run out of time at random. */
#include "rt/rt_rig.h"

enum { TREE_SEEDS = 300, BRANCHES_MAX = 600, DEPTH_MAX = 4 };

struct branch {
    struct tree *tree;
    int depth;
};

struct tree {
    struct dice dice;
    struct branch branches[BRANCHES_MAX];
    size_t started, ended;
};

static int grow(void *arg);

static void branch_off(struct tree *tree, weir_scope *scope, int depth)
{
    assert_in_range(tree->started, 0, BRANCHES_MAX - 1);
    struct branch *branch = &tree->branches[tree->started];
    *branch = (struct branch){tree, depth};
    int status = weir_go(scope, "branch", grow, branch);
    assert_true(status == WEIR_OK || weir_scope_is_cancelled(scope));
    tree->started += status == WEIR_OK;
}

static int grow_inside(void *arg)
{
    struct branch *branch = arg;
    struct tree *tree = branch->tree;
    weir_scope *here = weir_scope_current();
    for (uint32_t i = roll_below(&tree->dice, 4); i > 0 && branch->depth > 0; i--)
        branch_off(tree, here, branch->depth - 1);
    int status = weir_sleep(roll_below(&tree->dice, 50));
    switch (roll_below(&tree->dice, 12)) {
    case 0:
        weir_scope_cancel(here);
        return status;
    case 1:
        return WEIR_ELOST;
    case 2:
        return WEIR_CLOSED;
    default:
        return status;
    }
}

static int grow_in_own_scope(struct branch *branch)
{
    weir_scope scope;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    int inside = grow_inside(branch);
    status = weir_scope_join(&scope);
    return status == WEIR_OK ? inside : status;
}

static int grow(void *arg)
{
    struct branch *branch = arg;
    struct tree *tree = branch->tree;
    int status = roll_below(&tree->dice, 2) == 0
                     ? weir_with_deadline(roll_below(&tree->dice, 80), grow_inside, branch)
                     : grow_in_own_scope(branch);
    tree->ended++;
    return status;
}

static int grow_tree(void *arg)
{
    struct tree *tree = arg;
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (int i = 0; i < 3; i++)
        branch_off(tree, &scope, DEPTH_MAX);
    (void)weir_scope_join(&scope);
    assert_int_equal(tree->ended, tree->started);
    assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 1);
    return WEIR_OK;
}

static void whatever_fails_or_is_cancelled_nothing_outlives_its_scope(void **state)
{
    (void)state;
    static struct tree tree;
    size_t started = 0;
    for (uint64_t seed = 0; seed < TREE_SEEDS; seed++) {
        tree = (struct tree){.dice = {seed}};
        assert_int_equal(rig_play(grow_tree, &tree), WEIR_OK);
        started += tree.started;
    }
    assert_true(started > (size_t)TREE_SEEDS * 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_fails_or_is_cancelled_nothing_outlives_its_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
