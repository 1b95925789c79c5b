/* The results that Muster's own functions return. What a client may see has its Pusher
 * code in protocol/refusal.h instead. */
#ifndef MUSTER_BASE_ERR_H
#define MUSTER_BASE_ERR_H

enum err {
    ERR_NONE = 0,
    ERR_INVALID = -1,  /* the input breaks a rule; the caller says which */
    ERR_TOO_LONG = -2, /* over a limit */
    ERR_SYSTEM = -3,   /* a system call failed; errno says how */
    ERR_LIBRARY = -4,  /* a library refused; it was logged */
    ERR_NOT_FOUND = -5,
};

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
