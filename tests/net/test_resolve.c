/* ctest: loops
 * Names to addresses. The C library's resolver is replaced by one that says what a
 * test wants, when it wants it. */
#include "net/net_place.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

/* --- the resolver --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_held; /* questions wait */
    int error;
    int error_errno;
    size_t asked;
    size_t answered;
    char host[300];
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void resolver_reset(bool is_held, int error, int error_errno)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.is_held = is_held;
    resolver.error = error;
    resolver.error_errno = error_errno;
    resolver.asked = resolver.answered = 0;
    pthread_mutex_unlock(&resolver.lock);
}

static void resolver_release(void)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.is_held = false;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static size_t resolver_count(const size_t *count)
{
    pthread_mutex_lock(&resolver.lock);
    size_t result = *count;
    pthread_mutex_unlock(&resolver.lock);
    return result;
}

/* Three answers, of which one is of no use. */
struct answer {
    struct addrinfo info[3];
    struct sockaddr_in6 in6;
    struct sockaddr_in in;
    struct sockaddr other;
};

static struct addrinfo *make_answer(void)
{
    struct answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    answer->in6.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8::7", &answer->in6.sin6_addr);
    answer->in.sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.7", &answer->in.sin_addr);
    answer->other.sa_family = AF_UNIX;
    answer->info[0] = (struct addrinfo){.ai_family = AF_INET6,
                                        .ai_addr = (struct sockaddr *)&answer->in6,
                                        .ai_addrlen = sizeof answer->in6,
                                        .ai_next = &answer->info[1]};
    answer->info[1] = (struct addrinfo){.ai_family = AF_UNIX,
                                        .ai_addr = &answer->other,
                                        .ai_addrlen = sizeof answer->other,
                                        .ai_next = &answer->info[2]};
    answer->info[2] = (struct addrinfo){.ai_family = AF_INET,
                                        .ai_addr = (struct sockaddr *)&answer->in,
                                        .ai_addrlen = sizeof answer->in};
    return answer->info;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)hints;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    snprintf(resolver.host, sizeof resolver.host, "%s%s", host, service != NULL ? service : "");
    while (resolver.is_held)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    int error = resolver.error;
    int error_errno = resolver.error_errno;
    resolver.answered++;
    pthread_mutex_unlock(&resolver.lock);
    if (error == 0)
        *out = make_answer();
    errno = error_errno;
    return error;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

/* --- without asking --- */

static void expect_address(const weir_address *address, const char *text)
{
    char got[WEIR_ADDRESS_ROOM];
    assert_true(weir_address_describe(got, sizeof got, address) > 0);
    assert_string_equal(got, text);
}

static int resolve_numeric(void *arg)
{
    weir_address addresses[4];
    size_t count;
    (void)arg;
    assert_int_equal(weir_resolve(addresses, 4, &count, "192.0.2.1", 80), WEIR_OK);
    assert_int_equal(count, 1);
    expect_address(&addresses[0], "192.0.2.1:80");
    assert_int_equal(weir_resolve(addresses, 4, &count, "2001:db8::1", 443), WEIR_OK);
    assert_int_equal(count, 1);
    expect_address(&addresses[0], "[2001:db8::1]:443");
    return WEIR_OK;
}

static void numbers_are_taken_as_they_are(void **state)
{
    resolver_reset(false, 0, 0);
    assert_int_equal(resolve_numeric(NULL), WEIR_OK); /* it need not be a coroutine */
    place_run(*state, resolve_numeric, NULL);
    assert_int_equal(resolver_count(&resolver.asked), 0);
}

static int resolve_localhost(void *arg)
{
    static const char *const hosts[] = {"localhost", "LocalHost", "localhost.", "a.localhost",
                                        "a.b.LOCALHOST."};
    weir_address addresses[4];
    size_t count;
    (void)arg;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_int_equal(weir_resolve(addresses, 4, &count, hosts[i], 80), WEIR_OK);
        assert_int_equal(count, 2);
        expect_address(&addresses[0], "[::1]:80");
        expect_address(&addresses[1], "127.0.0.1:80");
        assert_int_equal(weir_resolve(addresses, 1, &count, hosts[i], 80), WEIR_OK);
        assert_int_equal(count, 1);
    }
    return WEIR_OK;
}

static void localhost_is_the_own_machine_whatever_anybody_says(void **state)
{
    resolver_reset(false, 0, 0);
    place_run(*state, resolve_localhost, NULL);
    assert_int_equal(resolver_count(&resolver.asked), 0);
}

static int resolve_in_sim(void *arg)
{
    static const char *const hosts[] = {"example.org", "notlocalhost", "localhost.example", "."};
    weir_address addresses[4];
    size_t count = 9;
    (void)arg;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(weir_resolve(addresses, 4, &count, hosts[i], 80), WEIR_ERESOLVE);
    assert_int_equal(count, 0);
    return WEIR_OK;
}

static void the_simulated_world_has_no_other_names(void **state)
{
    resolver_reset(false, 0, 0);
    place_run(*state, resolve_in_sim, NULL);
    assert_int_equal(resolver_count(&resolver.asked), 0);
}

/* --- asking --- */

static int resolve_name(void *arg)
{
    weir_address addresses[4];
    size_t count;
    (void)arg;
    assert_int_equal(weir_resolve(addresses, 4, &count, "example.org", 8080), WEIR_OK);
    assert_int_equal(count, 2);
    expect_address(&addresses[0], "[2001:db8::7]:8080");
    expect_address(&addresses[1], "192.0.2.7:8080");
    assert_string_equal(resolver.host, "example.org");
    assert_int_equal(weir_resolve(addresses, 1, &count, "example.org", 8080), WEIR_OK);
    assert_int_equal(count, 1);
    return WEIR_OK;
}

static void a_name_has_the_addresses_that_the_system_says(void **state)
{
    resolver_reset(false, 0, 0);
    place_run(*state, resolve_name, NULL);
    assert_int_equal(resolver_count(&resolver.asked), 2);
}

static int resolve_status(void *arg)
{
    weir_address addresses[4];
    size_t count = 9;
    int *status = arg;
    *status = weir_resolve(addresses, 4, &count, "example.org", 80);
    assert_true((count == 0) == (*status != WEIR_OK));
    return WEIR_OK;
}

static void a_failure_of_the_system_is_told(void **state)
{
    static const struct {
        int error, error_errno, status;
    } cases[] = {
        {EAI_NONAME, 0, WEIR_ERESOLVE}, {EAI_AGAIN, 0, WEIR_ERESOLVE},
        {EAI_MEMORY, 0, WEIR_ENOMEM},   {EAI_SYSTEM, EMFILE, WEIR_SYSTEM(EMFILE)},
        {EAI_SYSTEM, 0, WEIR_ERESOLVE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = WEIR_OK;
        resolver_reset(false, cases[i].error, cases[i].error_errno);
        place_run(*state, resolve_status, &status);
        assert_int_equal(status, cases[i].status);
    }
}

static int tick(void *arg)
{
    size_t *ticks = arg;
    for (; *ticks < 5; ++*ticks)
        if (weir_sleep(2) != WEIR_OK)
            break;
    resolver_release();
    return WEIR_OK;
}

static int resolve_slowly(void *arg)
{
    size_t ticks = 0;
    int status = WEIR_EINVAL;
    (void)arg;
    assert_int_equal(weir_go(weir_scope_current(), "ticker", tick, &ticks), WEIR_OK);
    assert_int_equal(resolve_status(&status), WEIR_OK);
    assert_int_equal(status, WEIR_OK);
    assert_int_equal(ticks, 5);
    return WEIR_OK;
}

static void the_loop_goes_on_while_somebody_asks(void **state)
{
    resolver_reset(true, 0, 0);
    place_run(*state, resolve_slowly, NULL);
}

/* The threads end by themselves; only then may the next test count them. */
static void await_answers(size_t count)
{
    while (resolver_count(&resolver.answered) < count)
        usleep(1000);
    usleep(20000);
}

static int resolve_and_report(void *arg)
{
    int status;
    (void)arg;
    (void)resolve_status(&status);
    return status;
}

static int give_up(void *arg)
{
    (void)arg;
    assert_int_equal(weir_with_deadline(20, resolve_and_report, NULL), WEIR_ETIMEDOUT);
    return WEIR_OK;
}

static void a_cancelled_question_is_forgotten(void **state)
{
    resolver_reset(true, 0, 0);
    place_run(*state, give_up, NULL);
    resolver_release();
    await_answers(1);
}

static void the_loop_may_be_freed_before_the_answer_comes(void **state)
{
    struct place once;
    (void)state;
    resolver_reset(true, 0, 0);
    assert_int_equal(place_try_open(&once, false, 0), WEIR_OK);
    assert_int_equal(weir_go(weir_loop_scope(once.loop), "asker", resolve_and_report, NULL),
                     WEIR_OK);
    assert_true(weir_loop_turn(once.loop, 0) >= 0);
    place_close(&once);
    resolver_release();
    await_answers(1);
}

/* The answer is in the mailbox, and nobody has looked, when the loop is freed, or the question
 * forgotten. */
static void an_answer_that_nobody_takes_leaves_nothing(void **state)
{
    struct place once;
    (void)state;
    resolver_reset(false, 0, 0);
    assert_int_equal(place_try_open(&once, false, 0), WEIR_OK);
    assert_int_equal(weir_go(weir_loop_scope(once.loop), "asker", resolve_and_report, NULL),
                     WEIR_OK);
    assert_true(weir_loop_turn(once.loop, 0) >= 0);
    await_answers(1);
    weir_scope_cancel(weir_loop_scope(once.loop));
    place_close(&once);
}

#define MANY 300

struct crowd {
    size_t refused;
    size_t served;
};

static int join_crowd(void *arg)
{
    struct crowd *crowd = arg;
    int status;
    (void)resolve_status(&status);
    crowd->refused += status == WEIR_ELIMIT;
    crowd->served += status == WEIR_OK;
    return WEIR_OK;
}

static int ask_by_many(void *arg)
{
    struct crowd *crowd = arg;
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_go(&scope, "asker", join_crowd, crowd), WEIR_OK);
    while (crowd->refused < MANY - 256)
        assert_int_equal(weir_sleep(1), WEIR_OK);
    resolver_release();
    return weir_scope_join(&scope);
}

static void at_most_256_names_are_asked_for_at_once(void **state)
{
    struct crowd crowd = {0, 0};
    resolver_reset(true, 0, 0);
    place_run(*state, ask_by_many, &crowd);
    assert_int_equal(crowd.refused, MANY - 256);
    assert_int_equal(crowd.served, 256);
    await_answers(256);
}

/* --- refusals --- */

static void bad_arguments_are_refused(void **state)
{
    char host[257];
    weir_address address;
    size_t count = 9;
    (void)state;
    memset(host, 'h', sizeof host);
    host[256] = '\0';
    assert_int_equal(weir_resolve(&address, 1, &count, host, 1), WEIR_EINVAL);
    assert_int_equal(count, 0);
    assert_int_equal(weir_resolve(&address, 1, &count, "", 1), WEIR_EINVAL);
    assert_int_equal(weir_resolve(&address, 1, &count, NULL, 1), WEIR_EINVAL);
    assert_int_equal(weir_resolve(NULL, 1, &count, "::1", 1), WEIR_EINVAL);
    assert_int_equal(weir_resolve(&address, 0, &count, "::1", 1), WEIR_EINVAL);
    assert_int_equal(weir_resolve(&address, 1, NULL, "::1", 1), WEIR_EINVAL);
}

static void outside_of_a_coroutine_nobody_asks(void **state)
{
    weir_address address;
    size_t count;
    (void)state;
    resolver_reset(false, 0, 0);
    assert_int_equal(weir_resolve(&address, 1, &count, "example.org", 1), WEIR_ESTATE);
    assert_int_equal(resolver_count(&resolver.asked), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(numbers_are_taken_as_they_are),
        ON_BOTH(localhost_is_the_own_machine_whatever_anybody_says),
        IN_SIM(the_simulated_world_has_no_other_names),
        ON_KERNEL(a_name_has_the_addresses_that_the_system_says),
        ON_KERNEL(a_failure_of_the_system_is_told),
        ON_KERNEL(the_loop_goes_on_while_somebody_asks),
        ON_KERNEL(a_cancelled_question_is_forgotten),
        ON_KERNEL(the_loop_may_be_freed_before_the_answer_comes),
        ON_KERNEL(an_answer_that_nobody_takes_leaves_nothing),
        ON_KERNEL(at_most_256_names_are_asked_for_at_once),
        ON_KERNEL(bad_arguments_are_refused),
        ON_KERNEL(outside_of_a_coroutine_nobody_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
