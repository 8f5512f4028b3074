<?php

namespace Viaduct;

/**
 * Waits until all of them have ended.
 *
 * @param UnaryCall|Task ...$awaitables
 * @return list<mixed> what each wait() returns, in the order of the arguments
 * @throws \Throwable the first, in that order, that any wait() throws
 */
function await(UnaryCall|Task ...$awaitables): array {}

/**
 * Runs a function in a fiber: at once until it first waits for something of Viaduct's (a call, a message, delay());
 * from then on whenever the thread waits. Blocking functions of PHP (sleep, PDO) block all fibers.
 *
 * @throws \RuntimeException where no fiber can be started: there is no room for its stack, or fiber.stack_size is too small
 */
function async(callable $function, mixed ...$arguments): Task {}

/**
 * Waits, and lets other fibers run meanwhile.
 *
 * @param float $seconds
 * @throws InvalidArgumentException where it is negative or not finite
 * @throws CancelledException where the handler's call or the task is cancelled meanwhile
 */
function delay(float $seconds): void {}
