/* muster sign: signs a request to the HTTP API on the command line, so that it can be
 * made with curl (PROTOCOL.md 6). */
#ifndef MUSTER_SERVER_SIGN_H
#define MUSTER_SERVER_SIGN_H

/** Runs the subcommand; argv[0] is its name. Prints the request's path with its signed
 * query. Returns the exit status: 0; 1 where the body can't be read; 2 for wrong usage.
 * What was wrong is said on standard error. */
int sign_main(int argc, char **argv);

#endif
