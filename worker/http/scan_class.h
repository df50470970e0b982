/* SPDX-License-Identifier: Apache-2.0 */
/* Which byte belongs to which class, as constant expressions: tables of all engines are made from
 * these. */
#ifndef HTTP_SCAN_CLASS_H
#define HTTP_SCAN_CLASS_H

#define SCAN_ALNUM(c)                                                                              \
    (((c) >= '0' && (c) <= '9') || ((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define SCAN_IS_TOKEN(c)                                                                           \
    (SCAN_ALNUM(c) || (c) == '!' || ((c) >= '#' && (c) <= '\'') || (c) == '*' || (c) == '+' ||     \
     (c) == '-' || (c) == '.' || ((c) >= '^' && (c) <= '`') || (c) == '|' || (c) == '~')
#define SCAN_IS_VALUE(c)  (((c) >= ' ' && (c) != 0x7f) || (c) == '\t')
#define SCAN_IS_TARGET(c) ((c) > ' ' && (c) != 0x7f && (c) != '#')
#define SCAN_IS_NAME(c)   (SCAN_ALNUM(c) || (c) == '-' || (c) == '_' || (c) == '~')
#define SCAN_IS_PLAIN(c)  (SCAN_IS_TARGET(c) && (c) < 0x80 && (c) != '/' && (c) != '?' && (c) != '%')
#define SCAN_IS_HOST(c)   (SCAN_IS_NAME(c) || (c) == '.')

/* For classes within ASCII: bit h of row l is set when the byte with high half h and low half l is
 * in the class, so that a vector shuffle by the low half and one by the high half meet in a bit. */
#define SCAN_ROW(IS, l)                                                                            \
    (char)(IS(l) | IS(16 + (l)) << 1 | IS(32 + (l)) << 2 | IS(48 + (l)) << 3 | IS(64 + (l)) << 4 | \
           IS(80 + (l)) << 5 | IS(96 + (l)) << 6 | IS(112 + (l)) << 7)
#define SCAN_ROWS(IS)                                                                              \
    SCAN_ROW(IS, 0), SCAN_ROW(IS, 1), SCAN_ROW(IS, 2), SCAN_ROW(IS, 3), SCAN_ROW(IS, 4),           \
        SCAN_ROW(IS, 5), SCAN_ROW(IS, 6), SCAN_ROW(IS, 7), SCAN_ROW(IS, 8), SCAN_ROW(IS, 9),       \
        SCAN_ROW(IS, 10), SCAN_ROW(IS, 11), SCAN_ROW(IS, 12), SCAN_ROW(IS, 13), SCAN_ROW(IS, 14),  \
        SCAN_ROW(IS, 15)
#define SCAN_HALVES 1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0

#endif
