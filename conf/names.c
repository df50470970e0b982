/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing, at most half full. The hash is XXH3 with a random secret:
 * not a cryptographic one, but collisions cannot be prepared without the secret, which never leaves
 * the process.
 */
#include "conf/names.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { NAMES_LEAST = 16 };

static struct names_slot *slot_of(const struct names *names, const char *name, size_t n,
                                  uint64_t hash)
{
    size_t i = (size_t)hash & (names->size - 1);
    for (;; i = (i + 1) & (names->size - 1)) {
        struct names_slot *slot = &names->slots[i];
        if (!slot->what)
            return slot;
        if (slot->hash == hash && slot->name.n == n && CRYPTO_memcmp(slot->name.s, name, n) == 0)
            return slot;
    }
}

static void random_secret(uint8_t *secret)
{
    /* getrandom() of 256 bytes or less does not come back short once the kernel's pool is ready. */
    if (getrandom(secret, NAMES_SECRET, 0) != NAMES_SECRET)
        (void)RAND_bytes(secret, NAMES_SECRET);
}

static void grow(struct names *names, struct memory *memory)
{
    struct names old = *names;
    if (old.size == 0)
        random_secret(names->secret);
    names->size = old.size ? old.size * 2 : NAMES_LEAST;
    names->slots = memory_array(memory, names->size, sizeof *names->slots);
    for (size_t i = 0; i < old.size; i++) {
        const struct names_slot *slot = &old.slots[i];
        if (slot->what)
            *slot_of(names, slot->name.s, slot->name.n, slot->hash) = *slot;
    }
}

const void *names_put(struct names *names, struct memory *memory, struct conf_text name,
                      const void *what)
{
    if (names->used * 2 >= names->size)
        grow(names, memory);
    uint64_t hash = XXH3_64bits_withSecret(name.s, name.n, names->secret, NAMES_SECRET);
    struct names_slot *slot = slot_of(names, name.s, name.n, hash);
    if (slot->what)
        return slot->what;
    *slot = (struct names_slot){ name, what, hash };
    names->used++;
    return NULL;
}

const void *names_get(const struct names *names, const char *name, size_t n)
{
    if (names->size == 0)
        return NULL;
    uint64_t hash = XXH3_64bits_withSecret(name, n, names->secret, NAMES_SECRET);
    return slot_of(names, name, n, hash)->what;
}
