//! A network delay in one direction, drawn from a stream of its own.

use crate::dist::Sampler;
use crate::rng::Rng;
use crate::sim::{Calendar, Lane};
use crate::units::Span;

/// How long a message takes.
pub struct Link {
    delay: Delay,
    rng: Rng,
}

enum Delay {
    None,
    Constant(Span, Lane),
    Random(Sampler),
    /// What stands at the ends has a say, too: this is the part of the link itself.
    Placed(Sampler),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Its arrival is scheduled.
    Scheduled,
    /// There is no delay, and nothing was scheduled.
    AtOnce,
    /// The way depends on where its ends stand: nothing was scheduled, see `data_plane/travel.rs`.
    ByPlace,
}

impl Link {
    pub fn new<E: Copy + Default>(latency: &Sampler, rng: Rng, calendar: &mut Calendar<E>) -> Link {
        let delay = match latency.constant() {
            Some(Span::ZERO) => Delay::None,
            Some(span) => Delay::Constant(span, calendar.delay_lane(span)),
            None => Delay::Random(latency.clone()),
        };
        Link { delay, rng }
    }

    /// The same link between places that lie apart.
    pub fn between_places(self, latency: &Sampler) -> Link {
        Link { delay: Delay::Placed(latency.clone()), ..self }
    }

    /// Schedules the arrival of a message sent now.
    #[inline(always)]
    pub fn carry<E: Copy + Default, M: Into<E>>(&mut self, event: impl FnOnce() -> M, calendar: &mut Calendar<E>) -> Carried {
        match &self.delay {
            Delay::None => return Carried::AtOnce,
            Delay::Constant(span, lane) => calendar.schedule_in(*lane, calendar.now() + *span, event()),
            Delay::Random(sampler) => {
                let span = sampler.sample(&mut self.rng);
                calendar.schedule(calendar.now() + span, event());
            }
            Delay::Placed(_) => return Carried::ByPlace,
        }
        Carried::Scheduled
    }

    /// How long a message sent now takes over the link and, where its ends lie apart, the way between them.
    pub fn draw(&mut self, way: Option<&Sampler>) -> Span {
        let own = match &self.delay {
            Delay::None => Span::ZERO,
            Delay::Constant(span, _) => *span,
            Delay::Random(sampler) | Delay::Placed(sampler) => sampler.sample(&mut self.rng),
        };
        own + way.map_or(Span::ZERO, |way| way.sample(&mut self.rng))
    }
}
