#include "rt/backend.h"

#include "rt/loop.h"

#include <stdlib.h>
#include <string.h>

/* --- choosing --- */

static int open_named(weir_loop *loop, const struct weir__loop_ops *backend,
                      const weir_loop_options *options)
{
    loop->backend = backend;
    loop->backend_state = NULL;
    return backend->open(loop, options);
}

static int open_uring(weir_loop *loop, const weir_loop_options *options)
{
#ifdef WEIR_HAVE_URING
    return open_named(loop, &weir__backend_uring, options);
#else
    (void)loop;
    (void)options;
    return WEIR_ENOTSUP;
#endif
}

/* io_uring where the kernel allows it, unless the environment says otherwise. */
static int open_default(weir_loop *loop, const weir_loop_options *options)
{
    const char *asked = getenv("WEIR_LOOP");
    if (asked != NULL && strcmp(asked, "epoll") == 0)
        return open_named(loop, &weir__backend_epoll, options);
    if (asked != NULL && strcmp(asked, "io_uring") == 0)
        return open_uring(loop, options);
    if (asked != NULL && *asked != '\0')
        return WEIR_EINVAL;
    int status = open_uring(loop, options);
    return status == WEIR_ENOTSUP ? open_named(loop, &weir__backend_epoll, options) : status;
}

int weir__backend_open(weir_loop *loop, const weir_loop_options *options)
{
    switch (options->backend) {
    case WEIR_BACKEND_DEFAULT:
        return open_default(loop, options);
    case WEIR_BACKEND_EPOLL:
        return open_named(loop, &weir__backend_epoll, options);
    case WEIR_BACKEND_IO_URING:
        return open_uring(loop, options);
    case WEIR_BACKEND_SIM:
        return options->sim == NULL ? WEIR_EINVAL : open_named(loop, &weir__backend_sim, options);
    }
    return WEIR_EINVAL;
}

/* --- opening --- */

/* Of an io that is to be opened. */
static int check_address(const weir__io *io, const struct sockaddr *address, socklen_t size)
{
    if (address == NULL || size < sizeof address->sa_family ||
        size > sizeof(struct sockaddr_storage))
        return WEIR_EINVAL;
    return io->flags == 0 ? WEIR_OK : WEIR_ESTATE;
}

int weir__io_listen(weir__io *io, const struct sockaddr *address, socklen_t size, bool share_port)
{
    int status = check_address(io, address, size);
    if (status != WEIR_OK)
        return status;
    status = io->loop->backend->listen(io, address, size, share_port);
    if (status == WEIR_OK)
        io->flags |= WEIR__IO_OPEN | WEIR__IO_LISTENING;
    return status;
}

int weir__io_adopt(weir__io *io, struct weir__accepted *accepted)
{
    if (io->flags != 0) {
        weir__accepted_drop(io->loop, accepted);
        return WEIR_ESTATE;
    }
    int status = io->loop->backend->adopt(io, accepted);
    if (status == WEIR_OK)
        io->flags |= WEIR__IO_OPEN;
    return status;
}

void weir__accepted_drop(weir_loop *loop, struct weir__accepted *accepted)
{
    loop->backend->drop(loop, accepted);
}

int weir__io_connect(weir__io *io, const struct sockaddr *address, socklen_t size)
{
    int status = check_address(io, address, size);
    if (status != WEIR_OK)
        return status;
    io->flags |= WEIR__IO_CONNECTING;
    status = io->loop->backend->connect(io, address, size);
    if (status == WEIR_OK)
        io->flags |= WEIR__IO_OPEN;
    else
        io->flags = 0;
    return status;
}

/* --- accepting --- */

static bool is_listening(const weir__io *io)
{
    return (io->flags & (WEIR__IO_LISTENING | WEIR__IO_CLOSING)) == WEIR__IO_LISTENING;
}

int weir__io_accept_start(weir__io *io)
{
    if (!is_listening(io))
        return WEIR_ESTATE;
    if ((io->flags & WEIR__IO_ACCEPTING) != 0)
        return WEIR_OK;
    io->flags |= WEIR__IO_ACCEPTING;
    int status = io->loop->backend->accept_start(io);
    if (status != WEIR_OK)
        io->flags &= ~(uint32_t)WEIR__IO_ACCEPTING;
    return status;
}

void weir__io_accept_stop(weir__io *io)
{
    if ((io->flags & WEIR__IO_ACCEPTING) == 0)
        return;
    io->flags &= ~(uint32_t)WEIR__IO_ACCEPTING;
    io->loop->backend->accept_stop(io);
}
