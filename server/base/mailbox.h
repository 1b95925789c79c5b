/* The way between threads: many senders, one receiver, and the only mutex in the program.
 * The receiver takes the whole batch at once. A sender wakes the receiver only when the
 * box goes from empty to non-empty. Letters of one sender arrive in the order they were
 * posted. */
#ifndef MUSTER_BASE_MAILBOX_H
#define MUSTER_BASE_MAILBOX_H

#include <pthread.h>

/* The head of everything that is posted; the letter's type is the receiver's business. */
struct letter {
    struct letter *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct letter *first, **end;
    struct letter *rest;         /* the receiver's: taken, for a later turn */
    void (*wake)(void *context); /* called by a sender, outside the lock */
    void *context;
};

/** wake must be callable from any thread until mailbox_fini. */
void mailbox_init(struct mailbox *m, void (*wake)(void *), void *context);
/** The box must be empty and without senders. */
void mailbox_fini(struct mailbox *m);
/** Takes the letter. Any thread. */
void mailbox_post(struct mailbox *m, struct letter *letter);
/** The receiver: all letters so far, oldest first, linked by next; NULL if none. They are
 * the receiver's now. */
struct letter *mailbox_take(struct mailbox *m);
/** The receiver: hands letters to f, which takes them, for about ms at the most; wakes
 * the receiver again where some may be left. */
void mailbox_receive(struct mailbox *m, unsigned ms, void (*f)(struct letter *, void *),
                     void *context);

#endif
