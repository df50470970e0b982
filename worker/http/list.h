/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a field's value that is a list (RFC 9110 section 5.6.1). Pure; slices point into the
 * value. */
#ifndef HTTP_LIST_H
#define HTTP_LIST_H

#include "worker/base/slice.h"

/* What comes before the next `mark` outside quotes; *rest becomes what follows it, empty at the
 * end. */
struct slice list_cut(struct slice *rest, char mark);

#endif
