//! What operators do during a run.

use super::event::Event;
use super::plan::OperationKind;
use super::world::World;

impl World {
    pub(super) fn begin_operations(&mut self) {
        for (index, operation) in self.topology.operations.iter().enumerate() {
            self.calendar.schedule(operation.at, Event::Operates { operation: index as u32 });
        }
    }

    pub(super) fn operates(&mut self, operation: u32) {
        let topology = self.topology.clone();
        match &topology.operations[operation as usize].action {
            OperationKind::Weights(at_balancers) => {
                for change in at_balancers {
                    let algorithm = &topology.balancers[change.balancer as usize].algorithm;
                    let balancer = &mut self.balancers[change.balancer as usize];
                    if let Some(rules) = balancer.rules_mut() {
                        change.rules.iter().for_each(|(name, weight)| rules.set_weight(name, *weight));
                    } else {
                        balancer.set_weights(&change.targets, algorithm);
                    }
                    self.dispatch_waiting(change.balancer);
                }
            }
        }
    }
}
