// A server that echoes, and a channel to it.
#ifndef ECHO_H
#define ECHO_H

#include "harness.h"

#define UNARY "/t.Echo/Unary"
#define FAIL "/t.Echo/Fail"
#define LATER "/t.Echo/Later"
#define FORGET "/t.Echo/Forget"
#define HANG "/t.Echo/Hang"
#define EXPAND "/t.Echo/Expand"
#define COLLECT "/t.Echo/Collect"
#define CHAT "/t.Echo/Chat"

typedef struct echo {
    viaduct_runtime *runtime;
    viaduct_server *server;
    viaduct_channel *channel;
    char target[128];
} echo;

// With `threads`, the handlers run on threads of their own, and all methods are there; without, only those
// that need not wait.
echo echo_begin(unsigned threads);
void echo_end(echo *echo);

viaduct_bytes text(const char *text);
// The response of a unary call that must end with OK.
void echo_expect(viaduct_channel *channel, const char *request, const char *response);

#endif
