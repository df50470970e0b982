/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 client: one connection a call, closed by the gateway after the answer, so that
 * the answer ends where the stream ends; its Content-Length then says whether it came whole.
 */
#include "master/ctl/ctl_client.h"
#include "conf/hex.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static long long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum ctl_exit unreachable(struct ctl *ctl, const char *what)
{
    fprintf(ctl->err, "gatewayctl: %s: %s: %s\n", ctl->socket, what, strerror(errno));
    return CTL_UNREACHABLE;
}

/* Waits until `fd` is ready for `events`. False: the time is up. */
static bool wait_for(int fd, short events, long long until)
{
    for (;;) {
        long long left = until - now_ms();
        struct pollfd p = { .fd = fd, .events = events };
        int n = poll(&p, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n < 0 && errno == EINTR)
            continue;
        errno = ETIMEDOUT;
        return false;
    }
}

static int connect_to(struct ctl *ctl, long long until)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };

    if (strlen(ctl->socket) >= sizeof to.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(to.sun_path, ctl->socket, strlen(ctl->socket));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    while (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        int error = errno;
        /* EAGAIN: the accept queue is full; there is nothing to wait on but time */
        if (error == EAGAIN && now_ms() < until) {
            poll(NULL, 0, 20);
            continue;
        }
        if (error == EINTR)
            continue;
        close(fd);
        errno = error == EAGAIN ? ETIMEDOUT : error;
        return -1;
    }
    return fd;
}

static bool write_all(int fd, const char *p, size_t n, long long until)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent >= 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (!wait_for(fd, POLLOUT, until))
                return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Reads to the end of the stream, terminated; NULL: errno says why. */
static char *read_all(int fd, size_t *n, long long until)
{
    size_t cap = 16384;
    char *bytes = malloc(cap);

    *n = 0;
    while (bytes != NULL && wait_for(fd, POLLIN, until)) {
        if (cap - *n < 4096) {
            char *more = cap < CTL_CLIENT_ANSWER_MAX ? realloc(bytes, cap * 2) : NULL;
            if (more == NULL) {
                errno = EMSGSIZE;
                break;
            }
            bytes = more;
            cap *= 2;
        }
        ssize_t got = recv(fd, bytes + *n, cap - *n - 1, 0);
        if (got > 0) {
            *n += (size_t)got;
        } else if (got == 0) {
            bytes[*n] = '\0';
            return bytes;
        } else if (errno != EINTR && errno != EAGAIN) {
            break;
        }
    }
    free(bytes);
    return NULL;
}

/* The value of Content-Length in a head, or -1. */
static long long content_length(const char *head, size_t n)
{
    static const char name[] = "\r\nContent-Length:";
    const char *at = head, *end = head + n;

    while ((at = memchr(at, '\r', (size_t)(end - at))) != NULL) {
        if ((size_t)(end - at) > sizeof name && strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoll(at + sizeof name - 1, NULL, 10);
        at++;
    }
    return -1;
}

bool ctl_client_parse(const char *bytes, size_t n, int *status, size_t *body_at)
{
    static const char version[] = "HTTP/1.1 ";
    const char *stop = memmem(bytes, n, "\r\n\r\n", 4);

    if (stop == NULL || n < sizeof version + 3 || memcmp(bytes, version, sizeof version - 1) != 0)
        return false;
    const char *digits = bytes + sizeof version - 1;
    *status = 0;
    for (int i = 0; i < 3; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        *status = *status * 10 + digits[i] - '0';
    }
    *body_at = (size_t)(stop - bytes) + 4;
    long long length = content_length(bytes, (size_t)(stop - bytes) + 2);
    if (*status == 204)
        return *body_at == n;
    return length >= 0 && (size_t)length == n - *body_at;
}

static bool write_call(int fd, const struct ctl_client_call *call, long long until)
{
    size_t body_n = call->body != NULL ? strlen(call->body) : 0;
    char *head = NULL;
    int n = asprintf(
        &head,
        "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gatewayctl/%s\r\nConnection: close\r\n"
        "Content-Length: %zu\r\n\r\n",
        call->method, call->path, GATEWAY_VERSION, body_n);

    if (n < 0)
        return false;
    bool sent = write_all(fd, head, (size_t)n, until) &&
                (body_n == 0 || write_all(fd, call->body, body_n, until));
    /* A refusal may come before all was read: it is still to be read. */
    if (!sent && errno == EPIPE)
        sent = true;
    free(head);
    return sent;
}

enum ctl_exit ctl_client_send(struct ctl *ctl, const struct ctl_client_call *call,
                              struct ctl_client_answer *answer)
{
    long long until = now_ms() + call->patience;
    size_t n, body_at;
    int fd = connect_to(ctl, until);

    *answer = (struct ctl_client_answer){ 0 };
    if (fd < 0)
        return unreachable(ctl, "cannot connect");
    char *bytes = write_call(fd, call, until) ? read_all(fd, &n, until) : NULL;
    int error = errno;
    close(fd);
    errno = error;
    if (bytes == NULL)
        return unreachable(ctl, "no answer");
    if (!ctl_client_parse(bytes, n, &answer->status, &body_at)) {
        fprintf(ctl->err, "gatewayctl: %s: the answer is %s\n", ctl->socket,
                n == 0 ? "empty" : "cut or malformed");
        free(bytes);
        return CTL_UNREACHABLE;
    }
    answer->body_n = n - body_at;
    memmove(bytes, bytes + body_at, answer->body_n + 1);
    answer->body = bytes;
    return CTL_OK;
}

void ctl_client_free(struct ctl_client_answer *answer)
{
    free(answer->body);
    *answer = (struct ctl_client_answer){ 0 };
}

/* Why the gateway refused: its message, then its errors, one a line. */
static void say_why(struct ctl *ctl, int status, const json_t *value)
{
    const char *message = json_string_value(json_object_get(value, "message"));
    const json_t *errors = json_object_get(value, "errors");

    if (message != NULL)
        fprintf(ctl->err, "gatewayctl: %s\n", message);
    else
        fprintf(ctl->err, "gatewayctl: the gateway answered %d\n", status);
    for (size_t i = 0; i < json_array_size(errors); i++)
        if (json_is_string(json_array_get(errors, i)))
            fprintf(ctl->err, "%s\n", json_string_value(json_array_get(errors, i)));
}

enum ctl_exit ctl_client_ask(struct ctl *ctl, const struct ctl_client_call *call, json_t **value)
{
    struct ctl_client_answer answer;
    enum ctl_exit result = ctl_client_send(ctl, call, &answer);

    *value = NULL;
    if (result != CTL_OK)
        return result;
    if (answer.body_n > 0)
        *value = json_loadb(answer.body, answer.body_n, 0, NULL);
    if (ctl->json && answer.body_n > 0)
        fprintf(ctl->out, "%s\n", answer.body);
    if (answer.status < 200 || answer.status > 299) {
        say_why(ctl, answer.status, *value);
        json_decref(*value);
        *value = NULL;
        result = CTL_REFUSED;
    } else if (answer.body_n > 0 && *value == NULL) {
        fprintf(ctl->err, "gatewayctl: %s: the answer is not JSON\n", ctl->socket);
        result = CTL_UNREACHABLE;
    }
    ctl_client_free(&answer);
    return result;
}

enum ctl_exit ctl_client_get(struct ctl *ctl, const char *path, json_t **value)
{
    const struct ctl_client_call call = { .method = "GET",
                                          .path = path,
                                          .patience = CTL_CLIENT_PATIENCE };

    return ctl_client_ask(ctl, &call, value);
}

bool ctl_client_encode(const char *text, char *out, size_t cap)
{
    char *end = out + cap;

    for (; *text != '\0'; text++) {
        bool keep = hex_is_unreserved((unsigned char)*text);
        if (end - out <= (keep ? 1 : HEX_ESCAPE))
            return false;
        if (keep)
            *out++ = *text;
        else
            out = hex_escape(out, (unsigned char)*text);
    }
    if (out == end)
        return false;
    *out = '\0';
    return true;
}
