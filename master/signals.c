/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd, so that signals come in turn with everything else that the master waits for. */
#include "master/signals.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int signals_heeded[] = { SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD };
static const int signals_ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };

enum {
    SIGNALS_HEEDED = sizeof signals_heeded / sizeof signals_heeded[0],
    SIGNALS_IGNORED = sizeof signals_ignored / sizeof signals_ignored[0]
};

int signals_open(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (int i = 0; i < SIGNALS_HEEDED; i++) {
        (void)signal(signals_heeded[i], SIG_DFL); /* an ignored SIGCHLD would reap by itself */
        (void)sigaddset(&set, signals_heeded[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int signals_next(int fd, pid_t *from)
{
    struct signalfd_siginfo info;
    ssize_t n;

    do
        n = read(fd, &info, sizeof info);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof info)
        return 0;
    if (from)
        *from = info.ssi_code <= 0 ? (pid_t)info.ssi_pid : 0;
    return (int)info.ssi_signo;
}

void signals_child(void)
{
    sigset_t none;

    (void)signal(SIGTERM, SIG_DFL);
    (void)signal(SIGCHLD, SIG_DFL);
    for (int i = 0; i < SIGNALS_IGNORED; i++)
        (void)signal(signals_ignored[i], SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

const char *signals_name(int sig, char *out, unsigned long size)
{
    const char *name = sigabbrev_np(sig);
    if (name)
        (void)snprintf(out, size, "SIG%s", name);
    else
        (void)snprintf(out, size, "signal %d", sig);
    return out;
}
