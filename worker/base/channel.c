/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message is one packet: the fixed fields as they lie in the struct, then the text. Both ends
 * are the same binary on the same machine, but a child may have been taken over: every length and
 * number is checked on receipt.
 */
#include "worker/base/channel.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CHANNEL_HEAD = offsetof(struct channel_message, text),
    CHANNEL_PATIENCE = 64,
    CHANNEL_ERRORS = 8, /* in a row */
    CHANNEL_TRIES = 20,
    CHANNEL_TRY_MS = 2
};

_Static_assert(CHANNEL_HEAD == 20, "layout");

/* Sends a packet, with a little patience for a queue that is full. */
static bool channel_post(int fd, const struct msghdr *packet)
{
    struct pollfd room = { .fd = fd, .events = POLLOUT };
    int tries = 0;

    while (sendmsg(fd, packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN || tries++ == CHANNEL_TRIES)
            return false;
        (void)poll(&room, 1, CHANNEL_TRY_MS);
    }
    return true;
}

struct channel_head {
    uint32_t op, number;
    uint64_t id;
    uint32_t text_n;
};

/* Room for one descriptor along with a packet. */
union channel_room {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool channel_send(int fd, enum channel_op op, uint32_t number, uint64_t id, const char *text,
                  size_t text_n)
{
    struct channel_head head = { (uint32_t)op, number, id, 0 };
    struct iovec iov[2] = { { &head, CHANNEL_HEAD }, { 0 } };
    struct msghdr packet = { .msg_iov = iov, .msg_iovlen = 2 };

    if (text && text_n > 0) {
        if (text_n > CHANNEL_TEXT_MAX - 1)
            text_n = CHANNEL_TEXT_MAX - 1;
        iov[1] = (struct iovec){ (void *)(uintptr_t)text, text_n };
        head.text_n = (uint32_t)text_n;
    }
    return channel_post(fd, &packet);
}

bool channel_send_fd(int fd, enum channel_op op, uint32_t number, int passed)
{
    struct channel_head head = { (uint32_t)op, number, 0, 0 };
    struct iovec iov = { &head, CHANNEL_HEAD };
    union channel_room room = { 0 };
    struct msghdr packet = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = sizeof room.bytes };

    room.head.cmsg_level = SOL_SOCKET;
    room.head.cmsg_type = SCM_RIGHTS;
    room.head.cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(&room.head), &passed, sizeof passed);
    return channel_post(fd, &packet);
}

static bool channel_well_formed(const struct channel_message *m, size_t n)
{
    return n >= CHANNEL_HEAD && n < CHANNEL_HEAD + CHANNEL_TEXT_MAX &&
           m->text_n == n - CHANNEL_HEAD && m->op >= CHANNEL_READY && m->op < CHANNEL_OPS;
}

static void channel_take_fd(struct msghdr *packet, int *passed)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(packet);

    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof *passed))
        memcpy(passed, CMSG_DATA(c), sizeof *passed);
}

static void channel_drop_fd(int *passed)
{
    if (passed && *passed >= 0)
        (void)close(*passed);
    if (passed)
        *passed = -1;
}

/* Without room for descriptors the kernel closes those that come along. */
static ssize_t channel_receive_packet(int fd, struct channel_message *message, int *passed)
{
    union channel_room room = { 0 };
    struct iovec iov = { message, sizeof *message };
    struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (passed) {
        packet.msg_control = room.bytes;
        packet.msg_controllen = sizeof room.bytes;
    }
    n = recvmsg(fd, &packet, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    if (n >= 0 && passed)
        channel_take_fd(&packet, passed);
    return n;
}

int channel_receive_fd(int fd, struct channel_message *message, int *passed)
{
    int errors = 0;

    if (passed)
        *passed = -1;
    for (int i = 0; i < CHANNEL_PATIENCE; i++) {
        ssize_t n = channel_receive_packet(fd, message, passed);
        if (n == 0)
            return -1;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR && ++errors > CHANNEL_ERRORS)
            return -1;
        if (n < 0)
            continue; /* short of memory, perhaps: whoever is gone is gone the next time too */
        if (channel_well_formed(message, (size_t)n)) {
            message->text[message->text_n] = '\0';
            return 1;
        }
        channel_drop_fd(passed);
    }
    return 0;
}

int channel_receive(int fd, struct channel_message *message)
{
    return channel_receive_fd(fd, message, NULL);
}
