<?php

namespace Viaduct;

/**
 * The four kinds of method. Needed only where a handler's signature does not tell.
 */
enum MethodKind: int
{
    /** One request, one response. */
    case Unary = 0;
    /** One request, many responses: the handler returns an iterable (a generator). */
    case ServerStream = 1;
    /** Many requests, one response: the handler takes a RequestStream. */
    case ClientStream = 2;
    /** Many of both, in any order: the handler takes a RequestStream and returns an iterable. */
    case Bidi = 3;
}
