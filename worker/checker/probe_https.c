/* SPDX-License-Identifier: Apache-2.0 */
/* https: the exchange of http, over a connection whose handshake probe.c makes. */
#include "worker/checker/probe_http.h"

const struct probe_kind probe_https_kind = { .name = "https",
                                             .tls = true,
                                             .step = probe_http_step };
