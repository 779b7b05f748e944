//! The kinds of events, packed into 16 bytes each, grouped by whom they concern. A stale event (the timeout of an answered request) is
//! recognised by its generation number and dropped; nothing is ever cancelled.

use super::cluster::ClusterEvent;

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
    Finished { attempt: Ref, server: u32 },
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

    /// The first packet of a connection reaches the next thing on its way. Of a connection.
    FirstPacket(Ref),
    /// The first packet of a try that makes a connection of its own is sent again.
    FlowAgain { attempt: Ref, repeats: u32 },
    /// The handshake of a connection is done.
    Established(Ref),
    /// A try reaches the end of its connection.
    OnConnection(Ref),
    /// The result of a try is back at who opened its connection.
    ResultOnConnection(Ref),
    /// Who opened a connection hears that it has ended.
    OpenerIsTold(Ref),
    /// A time limit of a connection passes, unless something happened on it.
    ConnectionTimer(Ref),
    /// An operator does something.
    Operates { operation: u32 },
    /// Something happens to pods, nodes, or who is told of them.
    Cluster(ClusterEvent),

    /// Counting begins.
    WarmupEnds,
}

/// An event as the calendar keeps it, in one number, which is copied as two words. (An enum is copied as a byte and fifteen more, a
/// pair of words at once, and the processor stalls where it reads together what was written apart.) From below: the kind in a
/// byte, a flag in the next, a number in the fifth to eighth, the index of a slot and its generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed(u128);

/// Kinds that are asked for by themselves.
const ARRIVE: u8 = 0;
const FINISHED: u8 = 8;

impl Packed {
    #[inline(always)]
    fn new(kind: u8, flag: bool, number: u32, slot: Ref) -> Packed {
        let head = u64::from(kind) | u64::from(flag) << 8 | u64::from(number) << 32;
        let slot = u64::from(slot.index) | u64::from(slot.generation) << 32;
        Packed(u128::from(head) | u128::from(slot) << 64)
    }

    /// The client, if it is an arrival. This and [`Packed::finished`] spare the two most frequent kinds the look at all others.
    #[inline(always)]
    pub fn arrival(self) -> Option<u32> {
        (self.0 as u8 == ARRIVE).then_some((self.0 >> 32) as u32)
    }

    /// The try and the server, if a FIFO server has finished it.
    #[inline(always)]
    pub fn finished(self) -> Option<(Ref, u32)> {
        (self.0 as u8 == FINISHED).then_some((self.slot(), (self.0 >> 32) as u32))
    }

    #[inline(always)]
    fn slot(self) -> Ref {
        Ref { index: (self.0 >> 64) as u32, generation: (self.0 >> 96) as u32 }
    }

    #[inline(always)]
    pub fn unpack(self) -> Event {
        let slot = self.slot();
        let (number, flag) = ((self.0 >> 32) as u32, self.0 & 0x100 != 0);
        match self.0 as u8 {
            ARRIVE => Event::Arrive { client: number },
            1 => Event::ActorSends { actor: number },
            2 => Event::ClientTimeout(slot),
            3 => Event::ClientRetry(slot),
            4 => Event::AtBalancer(slot),
            5 => Event::BalancerRetry(slot),
            6 => Event::BalancerTimeout { request: slot, token: number, is_connect: flag },
            7 => Event::AtServer(slot),
            FINISHED => Event::Finished { attempt: slot, server: number },
            9 => Event::ShareFinished { server: number, generation: slot.generation },
            10 => Event::ResultAtBalancer(slot),
            11 => Event::ResultAtClient(slot),
            12 => Event::CheckStarts { checker: number },
            13 => Event::CheckAtTarget { check: slot },
            14 => Event::CheckEnds { check: slot, passed: flag },
            15 => Event::FaultBegins { strike: number },
            16 => Event::FaultEnds { strike: number },
            30 => Event::FirstPacket(slot),
            31 => Event::Established(slot),
            32 => Event::OnConnection(slot),
            33 => Event::ResultOnConnection(slot),
            34 => Event::OpenerIsTold(slot),
            35 => Event::ConnectionTimer(slot),
            36 => Event::FlowAgain { attempt: slot, repeats: number },
            40 => Event::Operates { operation: number },
            kind @ ClusterEvent::FIRST..=ClusterEvent::LAST => Event::Cluster(ClusterEvent::unpack(kind, number, slot)),
            _ => Event::WarmupEnds,
        }
    }
}

impl From<Event> for Packed {
    #[inline(always)]
    fn from(event: Event) -> Packed {
        const NO_SLOT: Ref = Ref { index: 0, generation: 0 };
        let of_number = |kind, number| Packed::new(kind, false, number, NO_SLOT);
        let of_slot = |kind, slot| Packed::new(kind, false, 0, slot);
        match event {
            Event::Arrive { client } => of_number(ARRIVE, client),
            Event::ActorSends { actor } => of_number(1, actor),
            Event::ClientTimeout(request) => of_slot(2, request),
            Event::ClientRetry(request) => of_slot(3, request),
            Event::AtBalancer(attempt) => of_slot(4, attempt),
            Event::BalancerRetry(attempt) => of_slot(5, attempt),
            Event::BalancerTimeout { request, token, is_connect } => Packed::new(6, is_connect, token, request),
            Event::AtServer(attempt) => of_slot(7, attempt),
            Event::Finished { attempt, server } => Packed::new(FINISHED, false, server, attempt),
            Event::ShareFinished { server, generation } => Packed::new(9, false, server, Ref { index: 0, generation }),
            Event::ResultAtBalancer(attempt) => of_slot(10, attempt),
            Event::ResultAtClient(attempt) => of_slot(11, attempt),
            Event::CheckStarts { checker } => of_number(12, checker),
            Event::CheckAtTarget { check } => of_slot(13, check),
            Event::CheckEnds { check, passed } => Packed::new(14, passed, 0, check),
            Event::FaultBegins { strike } => of_number(15, strike),
            Event::FaultEnds { strike } => of_number(16, strike),
            Event::Cluster(event) => {
                let (kind, number, slot) = event.pack();
                Packed::new(kind, false, number, slot)
            }
            Event::WarmupEnds => of_number(17, 0),
            Event::FirstPacket(connection) => of_slot(30, connection),
            Event::Established(connection) => of_slot(31, connection),
            Event::OnConnection(attempt) => of_slot(32, attempt),
            Event::ResultOnConnection(attempt) => of_slot(33, attempt),
            Event::OpenerIsTold(connection) => of_slot(34, connection),
            Event::ConnectionTimer(connection) => of_slot(35, connection),
            Event::FlowAgain { attempt, repeats } => Packed::new(36, false, repeats, attempt),
            Event::Operates { operation } => of_number(40, operation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let slot = Ref { index: u32::MAX - 1, generation: 0x8000_0001 };
        let number = 0xdead_beef;
        let events = [
            Event::Arrive { client: number },
            Event::ActorSends { actor: number },
            Event::ClientTimeout(slot),
            Event::ClientRetry(slot),
            Event::AtBalancer(slot),
            Event::BalancerRetry(slot),
            Event::BalancerTimeout { request: slot, token: number, is_connect: true },
            Event::BalancerTimeout { request: slot, token: number, is_connect: false },
            Event::AtServer(slot),
            Event::Finished { attempt: slot, server: number },
            Event::ShareFinished { server: number, generation: 7 },
            Event::ResultAtBalancer(slot),
            Event::ResultAtClient(slot),
            Event::CheckStarts { checker: number },
            Event::CheckAtTarget { check: slot },
            Event::CheckEnds { check: slot, passed: true },
            Event::CheckEnds { check: slot, passed: false },
            Event::FaultBegins { strike: number },
            Event::FaultEnds { strike: number },
            Event::Operates { operation: number },
            Event::WarmupEnds,
            Event::FirstPacket(slot),
            Event::Established(slot),
            Event::OnConnection(slot),
            Event::ResultOnConnection(slot),
            Event::OpenerIsTold(slot),
            Event::ConnectionTimer(slot),
            Event::FlowAgain { attempt: slot, repeats: number },
        ];
        assert!(events.iter().all(|event| Packed::from(*event).unpack() == *event));
    }

    #[test]
    fn an_event_has_sixteen_bytes() {
        assert_eq!(size_of::<Packed>(), 16);
    }
}
