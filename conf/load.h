/* Loading from memory, for tests and the fuzzer; conf_load is the way in for the program.
 */
#ifndef MUSTER_CONF_LOAD_H
#define MUSTER_CONF_LOAD_H

#include "conf/conf.h"
#include "conf/text.h"

/** As conf_load, with a file's bytes (borrowed for the call) instead of a file; name is
 * what messages and conf->source call it. */
enum err conf_load_memory(struct conf **out, struct slice bytes, enum text_form form,
                          const char *name, char **environment,
                          struct buf *problems) MUST_CHECK;

#endif
