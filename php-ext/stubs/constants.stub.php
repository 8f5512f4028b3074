<?php

namespace Viaduct;

/** Viaduct's own version. `Grpc\VERSION` and `phpversion('grpc')` are that of the official extension, for who compares it. */
const VERSION = '0.1.0';
