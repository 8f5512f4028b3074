<?php

namespace Grpc;

/**
 * A reference to a connection, which is made when the first call needs it and made again when it breaks.
 *
 * Channels are persistent: who asks for the same target with the same arguments in the same order and the same
 * credentials gets the same connection, in later requests of the process, too. At most
 * `grpc_target_persist_bound` (1) are kept for one target; when there are as many, one that no object refers to makes
 * room, else the new one is not kept.
 */
class Channel
{
    /**
     * Nothing is sent yet.
     *
     * @param string $target host:port, dns:///host:port, ipv4:address:port,…, ipv6:[address]:port,…, unix:/path,
     *        unix-abstract:name
     * @param array $args `credentials`: a ChannelCredentials; null, or left out: plaintext. `force_new` (bool): a
     *        connection of its own. `grpc_target_persist_bound` (int): how many connections to the target are kept.
     *        All others are channel arguments with int or string values: grpc.max_receive_message_length,
     *        grpc.keepalive_time_ms, …
     * @throws \InvalidArgumentException where one of them cannot be used
     */
    public function __construct($target, $args) {}

    /**
     * @return string the target as it was given
     * @throws \RuntimeException where the channel is closed
     */
    public function getTarget() {}

    /**
     * @param bool $try_to_connect begin to connect where there is no connection
     * @return int one of the CHANNEL_…
     * @throws \InvalidArgumentException
     * @throws \RuntimeException where the channel is closed
     */
    public function getConnectivityState($try_to_connect = false) {}

    /**
     * Waits until the state is another one.
     *
     * @param int $last_state one of the CHANNEL_…
     * @param Timeval $deadline
     * @return bool whether it was another one before the deadline
     * @throws \InvalidArgumentException
     * @throws \RuntimeException where the channel is closed
     */
    public function watchConnectivityState($last_state, $deadline) {}

    /**
     * Gives the reference up. Other objects that refer to the connection, and calls on it, live on.
     *
     * @return void
     */
    public function close() {}
}
