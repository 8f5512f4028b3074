<?php

namespace Viaduct;

/**
 * Waits until all of them have ended.
 *
 * @template T
 * @param UnaryCallInterface<T>|Task<T> ...$awaitables
 * @return list<T> what each wait() returns, in the order of the arguments
 * @throws \Throwable the first, in that order, that any wait() throws
 */
function await(UnaryCallInterface|Task ...$awaitables): array {}

/**
 * Runs a function in a fiber: at once until it first waits for something of Viaduct's (a call, a message, delay());
 * from then on whenever the thread waits. Blocking functions of PHP (sleep, PDO) block all fibers.
 *
 * A task that a handler starts has the handler's deadline, and is cancelled with its call; with the named argument
 * `detached: true`, which is not passed on, it has neither. What a task throws and nobody waits for is a warning.
 *
 * @template T
 * @param callable(mixed...): T $function
 * @return Task<T>
 * @throws RuntimeException where no fiber can be started: there is no room for its stack, or fiber.stack_size is too small
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

/**
 * Runs a function that may wait although the handler's call or the task is cancelled or its deadline has passed: to
 * clean up in `catch (CancelledException)` or `finally`.
 *
 * @template T
 * @param callable(): T $function
 * @param float $timeout seconds; waits that are not over then throw a CancelledException
 * @return T what it returned
 * @throws InvalidArgumentException where the time is negative or not finite
 * @throws \Throwable what it threw
 */
function shield(callable $function, float $timeout = 5.0): mixed {}
