/* SPDX-License-Identifier: Apache-2.0 */
/* A control socket that gives one prepared answer to each call, and keeps what it was asked. */
#ifndef TESTS_CTL_FIXTURE_H
#define TESTS_CTL_FIXTURE_H

#include "master/ctl/ctl_client.h"
#include "master/ctl/ctl_command.h"
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct ctl_fixture {
    struct ctl ctl;
    char *out, *err; /* what was printed; valid after ctl_fixture_call() */
    size_t out_n, err_n;
    char dir[32], path[64];
    int listener;
    const char *answer; /* raw bytes; NULL: closes without one */
    char asked[65536];
};

static inline bool ctl_fixture_listen(struct ctl_fixture *x)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    memcpy(x->dir, "/tmp/ctl-test-XXXXXX", sizeof "/tmp/ctl-test-XXXXXX");
    if (mkdtemp(x->dir) == NULL)
        return false;
    snprintf(x->path, sizeof x->path, "%s/s", x->dir);
    memcpy(at.sun_path, x->path, strlen(x->path));
    x->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    x->ctl.socket = x->path;
    return bind(x->listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(x->listener, 8) == 0;
}

static inline int ctl_fixture_make(void **state)
{
    struct ctl_fixture *x = calloc(1, sizeof *x);

    *state = x;
    return ctl_fixture_listen(x) ? 0 : 1;
}

static inline int ctl_fixture_drop(void **state)
{
    struct ctl_fixture *x = *state;

    close(x->listener);
    unlink(x->path);
    rmdir(x->dir);
    free(x->out);
    free(x->err);
    free(x);
    return 0;
}

/* Reads one request: its head, and as much body as Content-Length says. */
static inline void ctl_fixture_read(struct ctl_fixture *x, int fd)
{
    size_t n = 0;
    ssize_t got;

    while ((got = recv(fd, x->asked + n, sizeof x->asked - n - 1, 0)) > 0) {
        n += (size_t)got;
        x->asked[n] = '\0';
        const char *end = strstr(x->asked, "\r\n\r\n"),
                   *length = strstr(x->asked, "Content-Length: ");
        if (end != NULL && length != NULL &&
            n >= (size_t)(end - x->asked) + 4 + (size_t)atoi(length + 16))
            return;
    }
}

static inline void *ctl_fixture_serve(void *arg)
{
    struct ctl_fixture *x = arg;
    int fd = accept(x->listener, NULL, NULL);

    ctl_fixture_read(x, fd);
    if (x->answer != NULL)
        (void)send(fd, x->answer, strlen(x->answer), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

/* Runs a command against the prepared answer. `words` ends with NULL. */
static inline enum ctl_exit ctl_fixture_call(struct ctl_fixture *x,
                                             enum ctl_exit (*run)(struct ctl *), const char *answer,
                                             const char *const *words)
{
    pthread_t server;

    free(x->out);
    free(x->err);
    x->answer = answer;
    x->asked[0] = '\0';
    x->ctl.out = open_memstream(&x->out, &x->out_n);
    x->ctl.err = open_memstream(&x->err, &x->err_n);
    x->ctl.argv = (char *const *)(uintptr_t)words;
    for (x->ctl.argc = 0; words[x->ctl.argc] != NULL;)
        x->ctl.argc++;
    if (pthread_create(&server, NULL, ctl_fixture_serve, x) != 0)
        abort();
    enum ctl_exit result = run(&x->ctl);
    shutdown(x->listener, SHUT_RDWR); /* ends a server that nobody called */
    pthread_join(server, NULL);
    close(x->listener);
    unlink(x->path);
    rmdir(x->dir);
    fclose(x->ctl.out);
    fclose(x->ctl.err);
    if (!ctl_fixture_listen(x))
        abort();
    return result;
}

/* "HTTP/1.1 STATUS" with a body; the text lives until the next call. */
static inline const char *ctl_fixture_answer(int status, const char *body)
{
    static char text[65536];

    snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nServer: x\r\ncontent-length: %zu\r\n\r\n%s",
             status, strlen(body), body);
    return text;
}

#define CTL_WORDS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#endif
