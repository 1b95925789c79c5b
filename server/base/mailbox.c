#include "server/base/mailbox.h"

#include <assert.h>
#include <stdbool.h>

void mailbox_init(struct mailbox *m, void (*wake)(void *), void *context)
{
    pthread_mutex_init(&m->lock, NULL);
    m->first = NULL;
    m->end = &m->first;
    m->wake = wake;
    m->context = context;
}

void mailbox_fini(struct mailbox *m)
{
    assert(!m->first);
    pthread_mutex_destroy(&m->lock);
}

void mailbox_post(struct mailbox *m, struct letter *letter)
{
    bool was_empty;

    letter->next = NULL;
    pthread_mutex_lock(&m->lock);
    was_empty = !m->first;
    *m->end = letter;
    m->end = &letter->next;
    pthread_mutex_unlock(&m->lock);
    if (was_empty)
        m->wake(m->context);
}

struct letter *mailbox_take(struct mailbox *m)
{
    struct letter *batch;

    pthread_mutex_lock(&m->lock);
    batch = m->first;
    m->first = NULL;
    m->end = &m->first;
    pthread_mutex_unlock(&m->lock);
    return batch;
}
