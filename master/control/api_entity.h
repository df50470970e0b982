/* SPDX-License-Identifier: Apache-2.0 */
/* Entities as the API shows them, for the other files of the API. */
#ifndef MASTER_API_ENTITY_H
#define MASTER_API_ENTITY_H

#include "master/control/api.h"

json_t *api_entity_peer(const struct api *api, const struct peer *peer);
json_t *api_entity_service(const struct api *api, const struct conf_service *service);

/* True: the target's host is a name, which is a slice of `text`. */
bool api_entity_name(struct conf_text text, struct conf_text *host, int *port);

#endif
