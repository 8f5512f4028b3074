<?php

namespace Viaduct;

/**
 * How messages that are sent are compressed. Compressed messages are always understood.
 */
enum Compression: int
{
    case None = 0;
    case Gzip = 1;
    case Deflate = 2;
}
