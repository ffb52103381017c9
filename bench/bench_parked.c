/* What does a parked coroutine hold? Parks many in one process, each with one page of its stack
 * touched, counts resident memory, and wakes them all. Then it does the same where the kernel
 * refuses MADV_GUARD_INSTALL. Guards made by mprotect() end at vm.max_map_count with WEIR_ENOMEM,
 * and the coroutines that are parked by then go on working. Exits 1 when something does not work.
 *
 *     bench_parked [COROUTINES]      default: 200000 */
#include "rt/coroutine.h"

#include <weir/channel.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAR_KIB 4.6

struct park {
    size_t wanted;
    size_t parked;
    size_t woken;
    int refused; /* why no more could be parked */
    double kib_each;
    double table_kib_each;
    weir_deferred *morning;
};

static size_t own_kib(const char *field)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoul(line + strlen(field), NULL, 10);
    if (file != NULL)
        (void)fclose(file);
    return kib;
}

static int sleep_there(void *arg)
{
    struct park *park = arg;
    int status = weir_deferred_await(park->morning, NULL);
    if (status == WEIR_OK)
        park->woken++;
    return status;
}

/* Parks in batches: each batch has run, and so touched its pages, before the next is made. */
static void fill(struct park *park, weir_scope *scope)
{
    while (park->parked < park->wanted && park->refused == WEIR_OK) {
        park->refused = weir_go(scope, "sleeper", sleep_there, park);
        if (park->refused == WEIR_OK)
            park->parked++;
        if (park->parked % 1000 == 0)
            (void)weir_yield();
    }
    (void)weir_yield();
}

static int run(void *arg)
{
    struct park *park = arg;
    weir_scope scope;
    int status = weir_deferred_new(&park->morning, weir_loop_current());
    if (status != WEIR_OK)
        return status;
    status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        goto done;
    size_t before = own_kib("VmRSS:");
    size_t tables_before = own_kib("VmPTE:");
    fill(park, &scope);
    park->kib_each = (double)(own_kib("VmRSS:") - before) / (double)park->parked;
    park->table_kib_each = (double)(own_kib("VmPTE:") - tables_before) / (double)park->parked;
    (void)weir_deferred_complete(park->morning, WEIR_OK, NULL);
    status = weir_scope_join(&scope);
done:
    weir_deferred_free(park->morning);
    return status;
}

/* Whether all that were parked woke up. */
static bool park_all(struct park *park, size_t wanted)
{
    weir_loop *loop;
    *park = (struct park){.wanted = wanted};
    if (weir_loop_new(&loop, NULL) != WEIR_OK)
        return false;
    int status = weir_loop_run(loop, "main", run, park);
    weir_loop_free(loop);
    return status == WEIR_OK && park->parked > 0 && park->woken == park->parked;
}

static void report(const char *name, const struct park *park)
{
    printf("%-38s n=%zu  KiB resident each %.2f  bar %g: %s  (page tables, not resident: %.2f)\n",
           name, park->parked, park->kib_each, BAR_KIB,
           park->kib_each <= BAR_KIB ? "held" : "missed", park->table_kib_each);
    if (park->parked < park->wanted)
        printf("%-38s stopped at %zu of %zu: %s\n", "", park->parked, park->wanted,
               weir_strerror(park->refused));
}

static int refuse(void *at, size_t size)
{
    (void)at;
    (void)size;
    return EINVAL;
}

int main(int argc, char **argv)
{
    size_t wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000;
    struct park park;
    bool works = park_all(&park, wanted);
    report("parked, guards as the kernel has them", &park);
    weir__stack_sys.guard = refuse;
    works = park_all(&park, wanted) && works;
    report("parked, guards by mprotect()", &park);
    bool ended_well = park.parked == wanted || park.refused == WEIR_ENOMEM;
    return works && ended_well ? 0 : 1;
}
