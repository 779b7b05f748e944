//! The life of a request, in its order: clients send, balancers route, servers work, answers return, and on the way somebody
//! may give up or try again. Wiring only: the parts decide, and what they decide is scheduled and recorded here.

mod answer;
mod connect;
mod disconnect;
mod express;
mod find;
mod flow;
mod give_up;
mod on_connection;
mod route;
mod send;
mod serve;
mod trace;
mod travel;

pub(in crate::model) use disconnect::Ending;
pub(crate) use express::is_open_road;
pub(in crate::model) use trace::Ways;

use super::event::Ref;
use super::world::World;

impl World {
    /// Calls a handler with an attempt unless the event is stale.
    #[inline]
    pub(super) fn if_current(&mut self, attempt: Ref, handler: impl FnOnce(&mut World, u32)) {
        if self.attempts.is_current(attempt) {
            handler(self, attempt.index);
        }
    }
}
