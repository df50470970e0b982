/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of known field names and its hash. A name's slot follows from its first and last two
 * letters and its length by one multiplication; the factor was searched so that no two names of
 * fields.def meet. A name that is added there works at once: two that meet share neighbouring
 * slots. The slots are filled in before main() and never written again, because a C string's
 * letters are no constant expression.
 */
#include "worker/http/field.h"

enum { NAME_MAX_KNOWN = 24, SLOTS = 256 };

/* 32 bytes, so that an id is a shift away. Text is padded with NULs: it is compared in overlapping
 * words. */
struct known {
    char text[NAME_MAX_KNOWN];
    uint8_t n, flags;
} __attribute__((aligned(32)));

static const struct known known[FIELD_IDS] = {
#define FIELD(id, name, flags) [FIELD_##id] = { name, sizeof(name) - 1, flags },
#include "worker/http/fields.def"
#undef FIELD
};

const struct slice field_digests[FIELD_DIGESTS] = {
    { "Content-MD5", 11 }, { "Digest", 6 }, { "Content-Digest", 14 }, { "Repr-Digest", 11 }
};

static uint8_t slots[SLOTS];

_Static_assert(FIELD_IDS < 128, "half of the slots stay free, and ids fit a byte");

static inline uint64_t load8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    return x;
}

static inline uint32_t load4(const char *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof(x));
    return x;
}

static inline uint16_t load2(const char *p)
{
    uint16_t x;
    memcpy(&x, p, sizeof(x));
    return x;
}

static inline unsigned slot_of(const char *p, size_t n)
{
    uint32_t ends = (uint32_t)load2(p) | (uint32_t)load2(p + n - 2) << 16;
    return (((ends | 0x20202020u) + (uint32_t)n) * 0x83868a29u) >> 24;
}

/* Equal but for the case bit of every byte: for tokens that means letters, since no token has a
 * byte below 0x20, which alone could pass for '-' or a digit. */
static inline bool same8(const char *p, const char *k)
{
    return ((load8(p) ^ load8(k)) & 0xdfdfdfdfdfdfdfdfu) == 0;
}

static inline bool same4(const char *p, const char *k)
{
    return ((load4(p) ^ load4(k)) & 0xdfdfdfdfu) == 0;
}

static inline bool same2(const char *p, const char *k)
{
    return ((load2(p) ^ load2(k)) & 0xdfdfu) == 0;
}

/* The text of a known name, of equal length n >= 2. */
static inline bool same(const char *p, const char *k, size_t n)
{
    if (n >= 8)
        return same8(p, k) && same8(p + n - 8, k + n - 8) && (n <= 16 || same8(p + 8, k + 8));
    if (n >= 4)
        return same4(p, k) && same4(p + n - 4, k + n - 4);
    return same2(p, k) && same2(p + n - 2, k + n - 2);
}

/* `p` is a token. */
static inline __attribute__((always_inline)) enum field_id find(const char *p, size_t n)
{
    if (n - 2 > NAME_MAX_KNOWN - 2)
        return FIELD_OTHER;
    for (unsigned i = slot_of(p, n); slots[i]; i = (i + 1) % SLOTS) {
        const struct known *k = &known[slots[i]];
        if (k->n == n && same(p, k->text, n))
            return (enum field_id)slots[i];
    }
    return FIELD_OTHER;
}

__attribute__((constructor(101))) static void fill_slots(void)
{
    for (unsigned id = 1; id < FIELD_IDS; id++) {
        unsigned i = slot_of(known[id].text, known[id].n);
        while (slots[i])
            i = (i + 1) % SLOTS;
        slots[i] = (uint8_t)id;
    }
}

enum field_id field_lookup(const char *name, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < ' ')
            return FIELD_OTHER;
    return find(name, n);
}

struct slice field_name(enum field_id id)
{
    return slice_of(known[id].text, known[id].n);
}

unsigned field_flags(enum field_id id)
{
    return known[id].flags;
}

bool field_tells_who(enum field_id id, struct slice name)
{
    if (id != FIELD_OTHER || name.n < 11 || (name.p[2] | 0x20) != 'c')
        return known[id].flags & FIELD_WHO;
    return slice_begins_nocase(name, SLICE("X-Consumer-")) ||
           slice_begins_nocase(name, SLICE("X-Credential-"));
}

struct slice field_alike(struct slice name, char room[FIELD_ALIKE_MAX])
{
    if (name.n > FIELD_ALIKE_MAX || !memchr(name.p, '_', name.n))
        return name;
    for (size_t i = 0; i < name.n; i++)
        room[i] = name.p[i] == '_' ? '-' : name.p[i];
    return slice_of(room, name.n);
}

enum field_id field_identify(struct field *fields, unsigned n, uint8_t first[FIELD_IDS])
{
    enum field_id twice = FIELD_OTHER;
    for (unsigned i = 0; i < n; i++) {
        enum field_id id = find(fields[i].name, fields[i].name_n);
        fields[i].id = (uint8_t)id;
        if (!first[id])
            first[id] = (uint8_t)(i + 1);
        else if (known[id].flags & FIELD_SINGLE)
            twice = id;
    }
    first[FIELD_OTHER] = 0;
    return twice;
}

/* Where the next `mark` outside quotes is, or end. An open quote runs to the end. */
static const char *mark_in(const char *p, const char *end, char mark, bool escapes)
{
    bool quoted = false;
    for (; p < end; p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (*p == '\\' && quoted && escapes && p + 1 < end)
            p++;
        else if (*p == mark && !quoted)
            break;
    }
    return p;
}

static struct slice cut(struct slice *rest, char mark, bool escapes)
{
    const char *p = rest->p, *end = rest->n ? p + rest->n : p;
    const char *at = mark_in(p, end, mark, escapes);
    *rest = slice_of(at < end ? at + 1 : end, at < end ? (size_t)(end - at - 1) : 0);
    return slice_of(p, (size_t)(at - p));
}

struct slice field_cut(struct slice *rest, char mark)
{
    return cut(rest, mark, true);
}

struct slice field_cut_tag(struct slice *rest)
{
    return cut(rest, ',', false);
}

bool field_list_next(struct slice *rest, struct slice *element)
{
    while (rest->n) {
        *element = field_trim(field_cut(rest, ','));
        if (element->n)
            return true;
    }
    return false;
}

struct slice field_trim(struct slice text)
{
    while (text.n && (text.p[0] == ' ' || text.p[0] == '\t'))
        text = slice_from(text, 1);
    while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

struct slice field_credentials(struct slice value, struct slice scheme)
{
    if (value.n <= scheme.n || !slice_begins_nocase(value, scheme))
        return slice_of(NULL, 0);
    struct slice rest = slice_from(value, scheme.n), text = field_trim(rest);
    return text.p > rest.p && text.n ? text : slice_of(NULL, 0);
}
