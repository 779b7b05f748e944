//! The kinds of events, 16 bytes each, grouped by whom they concern. A stale event (the timeout of an answered request) is
//! recognised by its generation number and dropped; nothing is ever cancelled.

/// A slot of a slab with the generation that it had when the event was scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ref {
    pub index: u32,
    pub generation: u32,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The next arrival of a client's stream.
    Arrive { client: u32 },
    /// A session or a closed-loop user sends its next request.
    ActorSends { actor: u32 },
    /// A client gives up waiting for the answer to a try. Of a request.
    ClientTimeout(Ref),
    /// A client tries again after its back-off. Of a request.
    ClientRetry(Ref),

    /// A try reaches the balancer of its current hop.
    AtBalancer(Ref),
    /// A balancer tries again after its back-off.
    BalancerRetry(Ref),
    /// A balancer gives up waiting, for the connection or for the answer.
    BalancerTimeout { request: Ref, token: u32, is_connect: bool },
    /// A try reaches its server.
    AtServer(Ref),
    /// A FIFO server has finished a try.
    Finished(Ref),
    /// A processor-sharing server has finished its next try, unless its load changed since.
    ShareFinished { server: u32, generation: u32 },
    /// The result of a try reaches the balancer of its current hop.
    ResultAtBalancer(Ref),
    /// The result of a try reaches the client.
    ResultAtClient(Ref),

    /// A health check starts.
    CheckStarts { checker: u32 },
    /// A health check reaches its target.
    CheckAtTarget { check: Ref },
    /// The outcome of a check reaches the balancer.
    CheckEnds { check: Ref, passed: bool },

    /// A fault begins on its servers, or on one of them.
    FaultBegins { strike: u32 },
    /// It ends.
    FaultEnds { strike: u32 },

    /// Counting begins.
    WarmupEnds,
    /// A bin of the timeline is full.
    TimelineTick,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_sixteen_bytes() {
        assert!(size_of::<Event>() <= 16);
    }
}
