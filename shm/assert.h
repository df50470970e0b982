/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions stay on in release, in unprivileged processes; the text lands in the process's row on
 * the board. */
#ifndef SHM_ASSERT_H
#define SHM_ASSERT_H

/* Leaves "file:line: expression" as last words and aborts. Defined in board.c. */
_Noreturn void board_fail(const char *file, int line, const char *expression);

#define must(expression)                                                                           \
    (__builtin_expect(!(expression), 0) ? board_fail(__FILE__, __LINE__, #expression) : (void)0)

#endif
