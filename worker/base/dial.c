/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect() on a socket that does not block. One that a signal interrupted may have gone on by
 * itself: it is made again, and EALREADY or EISCONN are then what success says.
 */
#include "worker/base/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

static bool is_under_way(int fd, const struct conf_address *to)
{
    int rc;

    do
        rc = connect(fd, &to->u.any, to->len);
    while (rc < 0 && errno == EINTR);
    return rc == 0 || errno == EINPROGRESS || errno == EALREADY || errno == EISCONN;
}

int dial(const struct conf_address *to, bool hurry)
{
    int on = 1;
    int fd = socket(to->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (hurry && to->u.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (is_under_way(fd, to))
        return fd;
    int why = errno;
    close(fd);
    errno = why == EAGAIN ? ECONNREFUSED : why; /* a Unix socket whose queue is full */
    return -1;
}
