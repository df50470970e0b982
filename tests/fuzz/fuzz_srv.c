/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a name server's answer: it ends, and what comes out is records with host names. */
#include "worker/checker/srv.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct srv_record out[SRV_RECORDS];
    int n = srv_parse(data, size, out);
    if (n < -1 || n > SRV_RECORDS)
        abort();
    for (int i = 0; i < n; i++) {
        size_t length = strnlen(out[i].host, SRV_NAME);
        if (length == SRV_NAME ||
            strspn(out[i].host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != length)
            abort();
    }
    return 0;
}
