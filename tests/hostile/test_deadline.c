/* ctest: loops */
/* The opening handshake has one deadline, and no byte extends it: requests that come a byte at a
 * time, that stop, that never begin, and an upgrade hook that never decides. The server is in
 * another process, and serves another session meanwhile. */
#include "support/victim.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 800
#define DRIP_MS     40 /* at this pace no request here is whole in time */

static const weir_serve_options options = {.handler = victim_echo,
                                           .handshake_timeout_ms = DEADLINE_MS};

/* Sends a byte every DRIP_MS until the server sends or closes. Returns how many were sent. */
static size_t drip(int fd, const char *text, size_t size)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    size_t sent = 0;
    while (sent < size && poll(&answer, 1, DRIP_MS) == 0)
        if (send(fd, text + sent++, 1, MSG_NOSIGNAL) != 1)
            break;
    return sent;
}

static void expect_408(int fd)
{
    char answer[1024];
    (void)attacker_read_all(fd, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 408 Request Timeout\r\n", 30);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nRequest Timeout ("));
}

/* The deadline holds for any bytes: a request line, fields, and a head that never ends. */
static void a_trickled_request_is_refused_at_the_deadline(void **state)
{
    static char endless[4096];
    const struct {
        const char *text;
        size_t size;
        size_t at_once; /* what comes before, in one piece */
    } cases[] = {
        {attacker_request, strlen(attacker_request), 0},
        {attacker_request, strlen(attacker_request), strlen(attacker_request) - 60},
        {endless, sizeof endless, 30},
    };
    struct victim victim;
    (void)state;
    memset(endless, 'a', sizeof endless);
    memcpy(endless, "GET / HTTP/1.1\r\nName: ", 22);
    victim_start(&victim, &options, 0);
    int other = attacker_open(&victim);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t start = attacker_now_ms();
        int fd = attacker_connect(&victim);
        attacker_send(fd, cases[i].text, cases[i].at_once);
        size_t sent = drip(fd, cases[i].text + cases[i].at_once, cases[i].size - cases[i].at_once);
        assert_true(sent > 0); /* it was in progress at the deadline */
        assert_true(sent + cases[i].at_once < cases[i].size);
        expect_408(fd);
        assert_in_range(attacker_now_ms() - start, DEADLINE_MS - 1, 30000);
        attacker_expect_echo(other, "meanwhile");
        close(fd);
    }
    close(other);
    victim_stop(&victim);
}

static void a_request_that_comes_in_time_byte_by_byte_is_served(void **state)
{
    struct victim victim;
    char answer[1024];
    (void)state;
    victim_start(&victim, &(weir_serve_options){.handler = victim_echo}, 0);
    int fd = attacker_connect(&victim);
    for (const char *at = attacker_request; *at != '\0'; at++)
        attacker_send(fd, at, 1);
    attacker_send_frame(fd, 0x88, "\x03\xe8", 2);
    (void)attacker_read_all(fd, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    close(fd);
    victim_stop(&victim);
}

/* A peer that has sent nothing gets no answer. */
static void who_says_nothing_is_dropped_at_the_deadline(void **state)
{
    struct victim victim;
    char answer[64];
    (void)state;
    victim_start(&victim, &options, 0);
    uint64_t start = attacker_now_ms();
    int fd = attacker_connect(&victim);
    assert_int_equal(attacker_read_all(fd, answer, sizeof answer), 0);
    assert_in_range(attacker_now_ms() - start, DEADLINE_MS - 1, 30000);
    close(fd);
    victim_stop(&victim);
}

/* A refused peer that neither closes nor stops sending is dropped at the deadline, too. */
static void who_stays_after_a_refusal_is_dropped(void **state)
{
    static const char text[] = "POST / HTTP/1.1\r\n";
    struct victim victim;
    char answer[1024];
    (void)state;
    victim_start(&victim, &options, 0);
    int other = attacker_open(&victim);
    size_t before = victim_descriptors(&victim);
    int refused = attacker_connect(&victim);
    attacker_send(refused, text, sizeof text - 1);
    (void)attacker_read_all(refused, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 405 ", 13);
    int late = attacker_connect(&victim);
    attacker_send(late, text, 3);
    expect_408(late);
    for (size_t sent = 1; sent > 0;) /* all of it is drained, for a while */
        sent = attacker_push(refused, text, sizeof text - 1, 100);
    assert_soon(victim_descriptors(&victim) == before);
    close(refused);
    close(late);
    close(other);
    victim_stop(&victim);
}

static int never_decide(weir_upgrade *upgrade, void *arg)
{
    (void)arg;
    if (!weir_view_equal(weir_upgrade_path(upgrade), "/"))
        return WEIR_OK;
    return weir_sleep(1000000);
}

static void a_hook_that_never_decides_is_cancelled_at_the_deadline(void **state)
{
    struct victim victim;
    char answer[64];
    weir_serve_options with_hook = options;
    (void)state;
    with_hook.on_upgrade = never_decide;
    victim_start(&victim, &with_hook, 0);
    int fd = attacker_connect(&victim);
    attacker_send(fd, attacker_request, strlen(attacker_request));
    assert_int_equal(attacker_read_all(fd, answer, sizeof answer), 0);
    close(fd);
    victim_stop(&victim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trickled_request_is_refused_at_the_deadline),
        cmocka_unit_test(a_request_that_comes_in_time_byte_by_byte_is_served),
        cmocka_unit_test(who_says_nothing_is_dropped_at_the_deadline),
        cmocka_unit_test(who_stays_after_a_refusal_is_dropped),
        cmocka_unit_test(a_hook_that_never_decides_is_cancelled_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
