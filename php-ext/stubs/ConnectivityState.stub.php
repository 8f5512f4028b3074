<?php

namespace Viaduct;

/**
 * What a channel's connection is doing.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/connectivity-semantics-and-api.md
 */
enum ConnectivityState: int
{
    /** No connection, and none is being made: the next call makes one. */
    case Idle = 0;
    /** A connection is being made. */
    case Connecting = 1;
    /** The connection stands. */
    case Ready = 2;
    /** The last attempt failed; the next follows after a pause that grows from 1 s to 120 s. */
    case TransientFailure = 3;
    /** The channel was closed. */
    case Shutdown = 4;
}
