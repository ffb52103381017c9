/* examples/chat.c - a chat room: what one guest says goes to all others. Each session has a mailbox
 * and two coroutines: one receives from the peer, the other sends what is in the mailbox. A slow
 * reader loses the oldest messages and does not hold up the room.
 *
 *     chat [URL]      weir connect URL from several terminals; "/who", "/ping" and "/quit" are
 * commands */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

#define MAILBOX  64
#define NEWCOMER 5    /* lines that a guest has to send before longer ones are allowed */
#define LINE_MAX 1000 /* bytes of a line that are passed on */

struct guest {
    struct guest *next;
    weir_session *session;
    weir_channel *mailbox; /* of weir_frame: what the others say */
    unsigned lines;        /* said so far */
    char name[16];
};

static struct guest *guests; /* used on one loop alone, so no lock is needed */
static weir_server *server;

static void drop_frame(void *item, void *arg)
{
    (void)arg;
    weir_frame_release(item);
}

static void send_to_others(const struct guest *from, const weir_frame *said)
{
    for (struct guest *guest = guests; guest != NULL; guest = guest->next) {
        weir_frame copy;
        if (guest == from || weir_channel_is_closed(guest->mailbox) ||
            weir_frame_copy(&copy, said, NULL) != WEIR_OK)
            continue;
        if (weir_channel_try_send(guest->mailbox, &copy) == WEIR_EAGAIN)
            weir_frame_release(&copy);
    }
}

/* Sends what is in the mailbox to the peer, without a wait as long as there is more. */
static int deliver(void *arg)
{
    struct guest *guest = arg;
    weir_frame frame;
    int status;
    while ((status = weir_channel_receive(guest->mailbox, &frame)) == WEIR_OK) {
        do
            status = weir_send(guest->session, &frame);
        while (status == WEIR_OK && weir_channel_try_receive(guest->mailbox, &frame) == WEIR_OK);
        if (status != WEIR_OK)
            break;
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int say_who(const struct guest *guest)
{
    char text[160];
    snprintf(text, sizeof text,
             "you are %s; %zu here, %zu messages wait for you, up to %llu bytes a line",
             guest->name, weir_server_session_count(server), weir_channel_count(guest->mailbox),
             (unsigned long long)weir_session_max_frame_size(guest->session));
    return weir_send_text(guest->session, text);
}

static int take_line(struct guest *guest, weir_frame *frame)
{
    char line[sizeof guest->name + 2 + LINE_MAX];
    weir_view text;
    if (weir_frame_text_get(&text, frame) != WEIR_OK)
        return weir_close(guest->session, WEIR_CLOSE_CANNOT_ACCEPT, "only text is spoken here");
    if (weir_view_equal(text, "/who"))
        return say_who(guest);
    if (weir_view_equal(text, "/ping"))
        return weir_send_ping(guest->session, "are you there?", 14);
    if (weir_view_equal(text, "/quit"))
        return WEIR_CLOSED;
    if (text.size == 0)
        return WEIR_OK;
    int length = snprintf(line, sizeof line, "%s: ", guest->name);
    size_t size = weir_utf8_cut(text.data, text.size, LINE_MAX); /* at the end of a character */
    memcpy(line + length, text.data, size);
    weir_frame said = weir_frame_text(line, (size_t)length + size);
    send_to_others(guest, &said);
    if (++guest->lines == NEWCOMER)
        weir_session_set_max_frame_size(guest->session, LINE_MAX);
    return WEIR_OK;
}

static int listen_to(struct guest *guest)
{
    weir_frame frame;
    int status = say_who(guest);
    while (status == WEIR_OK && (status = weir_receive(guest->session, &frame)) == WEIR_OK) {
        status = take_line(guest, &frame);
        while (status == WEIR_OK && weir_try_receive(guest->session, &frame) == WEIR_OK)
            status = take_line(guest, &frame); /* more came with it */
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static void leave(struct guest *guest)
{
    struct guest **slot = &guests;
    while (*slot != guest)
        slot = &(*slot)->next;
    *slot = guest->next;
    weir_channel_cancel(guest->mailbox); /* the other coroutine ends, what is queued is dropped */
}

static int visit(weir_session *session, void *arg)
{
    (void)arg;
    unsigned char number;
    struct guest guest = {.session = session};
    weir_scope scope;
    weir_channel_options mailbox = {.item_size = sizeof(weir_frame),
                                    .capacity = MAILBOX,
                                    .overflow = WEIR_OVERFLOW_DROP_OLDEST,
                                    .drop = drop_frame};
    int status = weir_channel_new(&guest.mailbox, weir_session_loop(session), &mailbox);
    if (status != WEIR_OK)
        return status;
    weir_loop_random(&number, sizeof number, weir_session_loop(session));
    snprintf(guest.name, sizeof guest.name, "guest-%u", number);
    guest.next = guests;
    guests = &guest;
    status = weir_scope_open(&scope);
    if (status == WEIR_OK) {
        status = weir_go(&scope, "deliver", deliver, &guest);
        if (status == WEIR_OK)
            status = listen_to(&guest);
        leave(&guest);
        int joined = weir_scope_join(&scope);
        status = status == WEIR_OK ? joined : status;
    } else {
        leave(&guest);
    }
    printf("%s %s\n", guest.name,
           weir_scope_is_cancelled(weir_session_scope(session)) ? "was sent home" : "left");
    fflush(stdout);
    weir_channel_free(guest.mailbox);
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int run(void *arg)
{
    /* A longer line closes the session with 1009. */
    weir_serve_options options = {.url = arg, .handler = visit, .session.max_frame_size = 100};
    int status = weir_server_start(&server, weir_scope_current(), &options);
    if (status == WEIR_OK)
        printf("listening on %s\n", weir_server_url(server));
    fflush(stdout);
    return status;
}

int main(int argc, char **argv)
{
    static char here[] = "ws://127.0.0.1:9001/chat";
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "chat", run, argc > 1 ? argv[1] : here);
        weir_server_free(server);
        weir_loop_free(loop);
    }
    fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
