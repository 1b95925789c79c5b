/* What --version prints and the log names. */
#ifndef MUSTER_SERVER_VERSION_H
#define MUSTER_SERVER_VERSION_H

#define MUSTER_VERSION "0.1.0"

#endif
