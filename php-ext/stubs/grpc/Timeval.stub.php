<?php

namespace Grpc;

/** A span, or a point in time, in microseconds. Calculations saturate at the infinities. */
class Timeval
{
    /**
     * A span.
     *
     * @param int|float $microseconds
     * @throws \InvalidArgumentException
     */
    public function __construct($microseconds) {}

    /**
     * @param Timeval $timeval
     * @return Timeval
     * @throws \InvalidArgumentException
     */
    public function add($timeval) {}

    /**
     * @param Timeval $a_timeval
     * @param Timeval $b_timeval
     * @return int below 0, 0 or above 0
     * @throws \InvalidArgumentException
     */
    public static function compare($a_timeval, $b_timeval) {}

    /** @return Timeval the infinite future: no deadline */
    public static function infFuture() {}

    /** @return Timeval the infinite past */
    public static function infPast() {}

    /** @return Timeval now, counted from 1970 */
    public static function now() {}

    /**
     * @param Timeval $a_timeval
     * @param Timeval $b_timeval
     * @param Timeval $threshold_timeval
     * @return bool whether the two are not further apart than the threshold
     * @throws \InvalidArgumentException
     */
    public static function similar($a_timeval, $b_timeval, $threshold_timeval) {}

    /**
     * Sleeps until this point in time.
     *
     * @return void
     */
    public function sleepUntil() {}

    /**
     * @param Timeval $timeval
     * @return Timeval
     * @throws \InvalidArgumentException
     */
    public function subtract($timeval) {}

    /** @return Timeval */
    public static function zero() {}
}
