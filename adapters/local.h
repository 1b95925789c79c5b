/* The adapter of a node by itself: the embedded default, no other service needed. */
#ifndef MUSTER_ADAPTERS_LOCAL_H
#define MUSTER_ADAPTERS_LOCAL_H

#include "adapters/adapter.h"

/** For a node with this many homes. kept_bytes bounds what cache channels keep, all
 * together; the least recently published goes first. End with adapter_free. */
struct adapter *local_adapter_alloc(unsigned homes, size_t kept_bytes);

#endif
