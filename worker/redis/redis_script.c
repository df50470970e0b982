/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Redis runs, so that looking and counting is one step there too. The arithmetic is that of
 * shm/limits_rule.c. Numbers stay below 2^53, which Lua counts exactly, but for what the window
 * before weighs: of hundreds of thousands of requests it may be one too few or too many.
 *
 * REDIS_TAKE grants all claims or none. KEYS: for each claim its counter, and that of the window
 * before (only read for "s"). ARGV: us since 1970, then for each claim: shape ("w" a window, "s" a
 * sliding one, "b" a bucket), limit, cost, and with "s" the reach of the window before and a
 * window's length, with "b" us for a token and for all of them, then ms until nobody asks for the
 * counter any more. Returns 1 or 0, then what each pair of counters was.
 *
 * REDIS_ADD counts what was granted elsewhere. KEYS: the counter. ARGV: us since 1970, shape, how
 * many, us for a token, ms as above. Returns what the counter is now.
 *
 * REDIS_USE reads counters, or adds to them whatever their limits. KEYS: the counters. ARGV: none,
 * or for each key how many and ms as above. Returns what the counters are now.
 */
#include "worker/redis/redis.h"

const char *const redis_script_texts[REDIS_SCRIPTS] = {
    [REDIS_TAKE] = "local now, granted, seen = tonumber(ARGV[1]), 1, {}\n"
                   "for i = 1, #KEYS / 2 do\n"
                   "  local at = i * 6 - 4\n"
                   "  local limit, cost = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])\n"
                   "  local x, y = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])\n"
                   "  local used, before = tonumber(redis.call('GET', KEYS[i * 2 - 1]) or 0), 0\n"
                   "  if ARGV[at] == 'b' then\n"
                   "    if used > now + y + 2000000 then used = now + y end\n"
                   "    used = math.max(used, now)\n"
                   "    if used + x * cost - now > y then granted = 0 end\n"
                   "  else\n"
                   "    local weight = 0\n"
                   "    if ARGV[at] == 's' then\n"
                   "      before = tonumber(redis.call('GET', KEYS[i * 2]) or 0)\n"
                   "      weight = math.ceil(before * x / y)\n"
                   "    end\n"
                   "    if used + weight + cost > limit then granted = 0 end\n"
                   "  end\n"
                   "  seen[i * 2 - 1], seen[i * 2] = used, before\n"
                   "end\n"
                   "for i = 1, granted * #KEYS / 2 do\n"
                   "  local at, key = i * 6 - 4, KEYS[i * 2 - 1]\n"
                   "  local cost, ttl = tonumber(ARGV[at + 2]), ARGV[at + 5]\n"
                   "  if ARGV[at] == 'b' then\n"
                   "    local back = seen[i * 2 - 1] + tonumber(ARGV[at + 3]) * cost\n"
                   "    redis.call('SET', key, string.format('%.0f', back), 'PX', ttl)\n"
                   "  elseif seen[i * 2 - 1] == 0 then\n"
                   "    redis.call('SET', key, ARGV[at + 2], 'PX', ttl)\n"
                   "  else\n"
                   "    redis.call('INCRBY', key, ARGV[at + 2])\n"
                   "  end\n"
                   "end\n"
                   "table.insert(seen, 1, granted)\n"
                   "return seen\n",
    [REDIS_ADD] = "local now, n = tonumber(ARGV[1]), tonumber(ARGV[3])\n"
                  "local was = tonumber(redis.call('GET', KEYS[1]) or 0)\n"
                  "local is = was + n\n"
                  "if ARGV[2] == 'b' then is = math.max(was, now) + n * tonumber(ARGV[4]) end\n"
                  "if n > 0 then\n"
                  "  if was == 0 or ARGV[2] == 'b' then\n"
                  "    redis.call('SET', KEYS[1], string.format('%.0f', is), 'PX', ARGV[5])\n"
                  "  else\n"
                  "    redis.call('INCRBY', KEYS[1], ARGV[3])\n"
                  "  end\n"
                  "end\n"
                  "return is\n",
    [REDIS_USE] = "local seen = {}\n"
                  "for i = 1, #KEYS do\n"
                  "  local n = tonumber(ARGV[i * 2 - 1] or 0)\n"
                  "  local was = tonumber(redis.call('GET', KEYS[i]) or 0)\n"
                  "  if n > 0 and was == 0 then\n"
                  "    redis.call('SET', KEYS[i], ARGV[i * 2 - 1], 'PX', ARGV[i * 2])\n"
                  "  elseif n > 0 then\n"
                  "    redis.call('INCRBY', KEYS[i], ARGV[i * 2 - 1])\n"
                  "  end\n"
                  "  seen[i] = was + n\n"
                  "end\n"
                  "return seen\n",
};
