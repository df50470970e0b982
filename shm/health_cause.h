/* SPDX-License-Identifier: Apache-2.0 */
/* Why a target failed, or changed its state: one list for shared memory, logs and the API. */
#ifndef SHM_HEALTH_CAUSE_H
#define SHM_HEALTH_CAUSE_H

/* X(name, text) */
#define HEALTH_CAUSES(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(RESOLVE, "no address")                                                                       \
    X(REFUSED, "connection refused")                                                               \
    X(UNREACHABLE, "no route to host")                                                             \
    X(CONNECT, "connect failed")                                                                   \
    X(CONNECT_TIMEOUT, "connect timed out")                                                        \
    X(TLS, "TLS handshake failed")                                                                 \
    X(TLS_TIMEOUT, "TLS handshake timed out")                                                      \
    X(SEND_TIMEOUT, "request not taken in time")                                                   \
    X(READ_TIMEOUT, "no response in time")                                                         \
    X(RESET, "connection reset")                                                                   \
    X(CLOSED, "connection closed without a response")                                              \
    X(CUT, "response cut short")                                                                   \
    X(MALFORMED, "malformed response")                                                             \
    X(OTHER, "failed")                                                                             \
    X(STATUS, "status")                                                                            \
    X(TRIAL, "trial request")                                                                      \
    X(HAND, "set by hand")                                                                         \
    X(NEW, "new again")                                                                            \
    X(SETTINGS, "health checks are off")

enum health_cause {
#define HEALTH_CAUSE_ENUM(name, text) HEALTH_CAUSE_##name,
    HEALTH_CAUSES(HEALTH_CAUSE_ENUM)
#undef HEALTH_CAUSE_ENUM
        HEALTH_CAUSES_N
};

/* "connection refused"; of a number from anywhere. Holds for ever. */
const char *health_cause_text(unsigned cause);
/* The cause with that text; OTHER when there is none. */
enum health_cause health_cause_of(const char *text);

#endif
