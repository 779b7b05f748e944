//! What operators do: names to indexes.

use super::Names;
use crate::model::plan::{BalancerPlan, OperationKind, OperationPlan, TargetRef, WeightsPlan};
use crate::policy::TargetId;
use crate::scenario::{Operation, Scenario};
use crate::units::Time;
use std::collections::BTreeMap;

/// In the order of the scenario. `made_of` tells of which balancer of the scenario each balancer of the plan is.
pub(super) fn compile_operations(
    scenario: &Scenario,
    names: &Names,
    plans: &[BalancerPlan],
    made_of: &[usize],
) -> Result<Vec<OperationPlan>, String> {
    let mut operations = Vec::new();
    for operation in &scenario.operations {
        match operation {
            Operation::Weights { balancer, set, at } => {
                let of = names.balancer(balancer)? as usize;
                let at_plans = (0..made_of.len()).filter(|index| made_of[*index] == of);
                let weights = at_plans.map(|index| weights(index, set, names, plans)).collect::<Result<_, _>>()?;
                operations.push(OperationPlan { at: Time::ZERO + *at, action: OperationKind::Weights(weights) });
            }
            // Of pods and nodes.
            Operation::Rollout { .. } | Operation::Scale { .. } | Operation::Drain { .. } => {}
        }
    }
    Ok(operations)
}

fn weights(index: usize, set: &BTreeMap<String, u32>, names: &Names, plans: &[BalancerPlan]) -> Result<WeightsPlan, String> {
    let plan = &plans[index];
    let balancer = index as u32;
    if !plan.routing.rules.is_empty() {
        let rules = set.iter().map(|(name, weight)| (name.clone(), *weight)).collect();
        return Ok(WeightsPlan { balancer, targets: Vec::new(), rules });
    }
    let mut targets = Vec::new();
    for (name, weight) in set {
        let named: Vec<TargetRef> = names.targets(name)?;
        let places = (0..plan.targets.len()).filter(|place| named.contains(&plan.targets[*place]));
        targets.extend(places.map(|place| (place as TargetId, *weight)));
    }
    Ok(WeightsPlan { balancer, targets, rules: Vec::new() })
}
