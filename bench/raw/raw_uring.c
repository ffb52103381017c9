/* bench/raw/raw_uring.c - the yardstick on io_uring: sends back whatever comes. A connection either
 * receives, into a buffer that the kernel takes from a ring, or sends that buffer. All that is
 * ready goes to the kernel in one call a turn. */
#include "listen.h"

#include <errno.h>
#include <liburing.h>
#include <stdint.h>

#define ENTRIES      4096
#define BUFFER_COUNT 256 /* power of two */
#define BUFFER_SIZE  ((size_t)64 * 1024)
#define GROUP        1

struct connection {
    int fd;
    unsigned buffer; /* of what is being sent */
    size_t size;     /* bytes of it; 0: it receives */
};

static char buffers[BUFFER_COUNT][BUFFER_SIZE];
static struct io_uring ring;
static struct io_uring_buf_ring *free_buffers;

static struct io_uring_sqe *next_entry(void *data)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
    if (entry == NULL) {
        need(io_uring_submit(&ring) >= 0, "io_uring_submit");
        entry = io_uring_get_sqe(&ring);
    }
    io_uring_sqe_set_data(entry, data);
    return entry;
}

static void give_buffer(unsigned id)
{
    io_uring_buf_ring_add(free_buffers, buffers[id], BUFFER_SIZE, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(free_buffers, 1);
}

static void set_up(void)
{
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                              IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
                                     .cq_entries = 4 * ENTRIES};
    int error = io_uring_queue_init_params(ENTRIES, &ring, &params);
    errno = -error;
    need(error == 0, "io_uring");
    need(posix_memalign((void **)&free_buffers, 4096, BUFFER_COUNT * sizeof(struct io_uring_buf)) ==
             0,
         "memory");
    struct io_uring_buf_reg registration = {
        .ring_addr = (__u64)(uintptr_t)free_buffers, .ring_entries = BUFFER_COUNT, .bgid = GROUP};
    error = io_uring_register_buf_ring(&ring, &registration, 0);
    errno = -error;
    need(error == 0, "a ring of buffers");
    io_uring_buf_ring_init(free_buffers);
    for (unsigned i = 0; i < BUFFER_COUNT; i++)
        give_buffer(i);
}

static void receive(struct connection *connection)
{
    struct io_uring_sqe *entry = next_entry(connection);
    connection->size = 0;
    io_uring_prep_recv(entry, connection->fd, NULL, BUFFER_SIZE, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = GROUP;
}

static void on_connection(int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    need(connection != NULL, "memory");
    set_no_delay(fd);
    connection->fd = fd;
    receive(connection);
}

static void on_received(struct connection *connection, const struct io_uring_cqe *done)
{
    if (done->res == -ENOBUFS) { /* other connections hold all buffers, and return them */
        receive(connection);
        return;
    }
    if (done->res <= 0) {
        io_uring_prep_close(next_entry(NULL), connection->fd);
        free(connection);
        return;
    }
    connection->buffer = done->flags >> IORING_CQE_BUFFER_SHIFT;
    connection->size = (size_t)done->res;
    io_uring_prep_send(next_entry(connection), connection->fd, buffers[connection->buffer],
                       connection->size, MSG_WAITALL | MSG_NOSIGNAL);
}

/* All was sent, or the peer is gone, which the next receive reports. */
static void on_sent(struct connection *connection)
{
    give_buffer(connection->buffer);
    receive(connection);
}

int main(void)
{
    struct connection listener = {.fd = listen_on_loopback(0)};
    set_up();
    io_uring_prep_multishot_accept(next_entry(&listener), listener.fd, NULL, NULL, 0);
    for (;;) {
        struct io_uring_cqe *done;
        unsigned head;
        unsigned count = 0;
        int error = io_uring_submit_and_wait(&ring, 1);
        need(error >= 0 || error == -EINTR, "io_uring_submit_and_wait");
        io_uring_for_each_cqe(&ring, head, done)
        {
            struct connection *connection = io_uring_cqe_get_data(done);
            count++;
            if (connection == &listener && done->res >= 0)
                on_connection(done->res);
            else if (connection != NULL && connection != &listener && connection->size > 0)
                on_sent(connection);
            else if (connection != NULL && connection != &listener)
                on_received(connection, done);
        }
        io_uring_cq_advance(&ring, count);
    }
}
