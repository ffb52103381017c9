#include <weir/base.h>

#include <errno.h>

/* Above every errno: a larger number is no system error. */
#define ERRNO_MAX 4095

int weir_status_errno(int status)
{
    if (status >= WEIR_SYSTEM_BASE || status < WEIR_SYSTEM_BASE - ERRNO_MAX)
        return 0;
    return WEIR_SYSTEM_BASE - status;
}

/* The errors of streams and files. The C library's own table is not thread-safe everywhere. */
static const char *describe_errno(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "permission denied";
    case EADDRINUSE:
        return "the address is in use";
    case EADDRNOTAVAIL:
        return "the address is not available here";
    case ECONNABORTED:
        return "the connection was aborted";
    case ECONNREFUSED:
        return "the connection was refused";
    case ECONNRESET:
        return "the peer reset the connection";
    case EHOSTUNREACH:
        return "the host cannot be reached";
    case ENETUNREACH:
        return "the network cannot be reached";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ENOBUFS:
        return "the system has no buffer space";
    case ENOENT:
        return "no such file";
    case EPIPE:
        return "the peer has closed its end";
    case ETIMEDOUT:
        return "the connection timed out";
    default:
        return "the system reported an error";
    }
}

const char *weir_strerror(int status)
{
    if (weir_status_errno(status) != 0)
        return describe_errno(weir_status_errno(status));
    switch ((enum weir_status)status) {
    case WEIR_OK:
        return "success";
    case WEIR_CLOSED:
        return "closed normally";
    case WEIR_CANCELLED:
        return "cancelled";
    case WEIR_ETIMEDOUT:
        return "a deadline passed";
    case WEIR_EINVAL:
        return "bad argument";
    case WEIR_ENOMEM:
        return "out of memory";
    case WEIR_EAGAIN:
        return "not possible without waiting";
    case WEIR_EPROTOCOL:
        return "the peer broke the protocol";
    case WEIR_EUTF8:
        return "the peer sent text that is not UTF-8";
    case WEIR_ETOOBIG:
        return "over the size limit";
    case WEIR_EREFUSED:
        return "the opening handshake was refused";
    case WEIR_ESTATE:
        return "not allowed in this state";
    case WEIR_ENOTSUP:
        return "not supported here";
    case WEIR_ELOST:
        return "the connection ended without a Close";
    case WEIR_ELIMIT:
        return "a limit on a count was reached";
    case WEIR_ERESOLVE:
        return "the host name could not be resolved";
    case WEIR_EDEADLOCK:
        return "nothing is left that could wake the caller";
    }
    return "unknown status";
}

const char *weir_status_name(int status)
{
    if (weir_status_errno(status) != 0)
        return "WEIR_SYSTEM";
    switch ((enum weir_status)status) {
    case WEIR_OK:
        return "WEIR_OK";
    case WEIR_CLOSED:
        return "WEIR_CLOSED";
    case WEIR_CANCELLED:
        return "WEIR_CANCELLED";
    case WEIR_ETIMEDOUT:
        return "WEIR_ETIMEDOUT";
    case WEIR_EINVAL:
        return "WEIR_EINVAL";
    case WEIR_ENOMEM:
        return "WEIR_ENOMEM";
    case WEIR_EAGAIN:
        return "WEIR_EAGAIN";
    case WEIR_EPROTOCOL:
        return "WEIR_EPROTOCOL";
    case WEIR_EUTF8:
        return "WEIR_EUTF8";
    case WEIR_ETOOBIG:
        return "WEIR_ETOOBIG";
    case WEIR_EREFUSED:
        return "WEIR_EREFUSED";
    case WEIR_ESTATE:
        return "WEIR_ESTATE";
    case WEIR_ENOTSUP:
        return "WEIR_ENOTSUP";
    case WEIR_ELOST:
        return "WEIR_ELOST";
    case WEIR_ELIMIT:
        return "WEIR_ELIMIT";
    case WEIR_ERESOLVE:
        return "WEIR_ERESOLVE";
    case WEIR_EDEADLOCK:
        return "WEIR_EDEADLOCK";
    }
    return "WEIR_UNKNOWN";
}
