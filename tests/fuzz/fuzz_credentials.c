/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an Authorization field of hmac-auth and of basic-auth, and as a template: what is
 * read lies in what was given, and nothing overflows. */
#include "conf/template.h"
#include "worker/plugins/basic_claim.h"
#include "worker/plugins/hmac_claim.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool expression)
{
    if (!expression)
        abort();
}

static void check_inside(struct slice part, struct slice whole)
{
    check(part.p >= whole.p && part.n <= whole.n && part.p + part.n <= whole.p + whole.n);
    check(!memchr(part.p, '"', part.n) && !memchr(part.p, '\\', part.n));
}

static void check_claim(struct slice text)
{
    struct hmac_claim claim;
    struct slice name;
    size_t steps = 0;
    if (!hmac_claim_read(text, &claim))
        return;
    check_inside(claim.username, text);
    check_inside(claim.algorithm, text);
    check_inside(claim.headers, text);
    check_inside(claim.signature, text);
    for (struct slice rest = claim.headers; hmac_claim_next(&rest, &name);) {
        check(name.n > 0 && ++steps <= claim.headers.n);
        check(hmac_claim_covers(&claim, name));
    }
}

/* The scratch is as small as the contract allows. */
static void check_basic(struct slice text)
{
    struct basic_claim claim;
    char *scratch = malloc(text.n ? text.n : 1);
    if (scratch && basic_claim_read(text, scratch, &claim)) {
        check(claim.username.p == scratch && !memchr(scratch, ':', claim.username.n));
        check(claim.password.p == scratch + claim.username.n + 1 && claim.password.p[-1] == ':');
        check(claim.username.n + 1 + claim.password.n <= text.n);
    }
    free(scratch);
}

static void check_template(const char *text, size_t n)
{
    struct memory memory = { 0 };
    jmp_buf no_memory;
    char why[128] = "";
    memory.no_memory = &no_memory;
    if (setjmp(no_memory) == 0) {
        const struct conf_template *t =
            template_read(&memory, (struct conf_text){ text, n }, why, sizeof why);
        check((t != NULL) == (why[0] == '\0'));
        for (size_t i = 0; t && i < t->n; i++) {
            check(t->n <= TEMPLATE_PIECES && t->pieces[i].text.n <= n);
            check(!t->pieces[i].or_next || i + 1 < t->n);
        }
    }
    memory_free(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 13)
        return 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_claim(slice_of(text, size));
    check_basic(slice_of(text, size));
    /* what is on this machine is nobody's business, and a secret that is made up is longer */
    if (!memmem(text, size, "$(file:", 7) && !memmem(text, size, "$(env:", 6) &&
        !memmem(text, size, "$(hidden:", 9))
        check_template(text, strlen(text));
    free(text);
    return 0;
}
