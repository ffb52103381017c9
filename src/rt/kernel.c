#include "rt/kernel.h"

#include "rt/loop.h"
#include "rt/socket.h"
#include "rt/sys.h"

int weir__kernel_init(struct weir__kernel *kernel)
{
    kernel->wake_fd = -1;
    atomic_init(&kernel->woken, false);
    int status = weir__random_init(&kernel->random);
    if (status != WEIR_OK)
        return status;
    kernel->wake_fd = weir__sys_eventfd();
    return kernel->wake_fd < 0 ? WEIR_SYSTEM(-kernel->wake_fd) : WEIR_OK;
}

void weir__kernel_fini(struct weir__kernel *kernel)
{
    if (kernel->wake_fd >= 0)
        weir__sys_close(kernel->wake_fd);
    kernel->wake_fd = -1;
}

void weir__kernel_wake(weir_loop *loop)
{
    struct weir__kernel *kernel = loop->backend_state;
    if (atomic_exchange(&kernel->woken, true))
        return;
    while (weir__sys_eventfd_write(kernel->wake_fd) < 0)
        ; /* a wake-up that is lost is a loop that hangs, and the counter cannot be full */
}

uint64_t weir__kernel_clock_ms(weir_loop *loop)
{
    (void)loop;
    return weir__sys_clock_ms();
}

void weir__kernel_random(weir_loop *loop, void *out, size_t size)
{
    struct weir__kernel *kernel = loop->backend_state;
    weir__random_fill(&kernel->random, out, size);
}

void weir__kernel_drop(weir_loop *loop, struct weir__accepted *accepted)
{
    (void)loop;
    if (accepted->fd >= 0)
        weir__sys_close(accepted->fd);
    accepted->fd = -1;
}

int weir__kernel_address(weir__io *io, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    return weir__socket_address(io->fd, peer, address, size);
}

int weir__kernel_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s)
{
    return weir__socket_keep_alive(io->fd, idle_s, interval_s);
}
