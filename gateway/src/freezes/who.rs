//! Who may freeze and thaw: operators, and people who respond or approve for all that the scope covers.

use pressgate_workflow::freeze::Scope;

use crate::{
    config::{Governance, Person, Role},
    model::{BrandPath, PersonId},
};

/// People who are named to a caller.
const NAMED_MAX: usize = 5;

/// True where the person may begin a freeze of that scope, and have a say in its end.
pub fn may(governance: &Governance, person: &PersonId, scope: &Scope) -> bool {
    governance.people.get(person).is_some_and(|person| {
        let answers = |brand: &BrandPath| answers_for(person, brand);
        person.is_operator()
            || match scope {
                Scope::Brand(brand) => answers(&BrandPath::new(brand.as_str())),
                Scope::Account(account) => {
                    governance.accounts.get(account.as_str()).is_some_and(|account| answers(&account.brand))
                }
                // What goes across brands is for those who answer for all of them.
                Scope::Org | Scope::Campaign(_) => {
                    !governance.brands.is_empty() && governance.brands.keys().all(answers)
                }
            }
    })
}

fn answers_for(person: &Person, brand: &BrandPath) -> bool {
    person.has_role(Role::Responder, brand) || person.may_approve(brand)
}

/// Some of those who may lift it, for whoever is stopped. Opaque ids; operators come last.
pub fn may_lift(governance: &Governance, scope: &Scope) -> Vec<String> {
    let mut all: Vec<_> = governance.people.values().filter(|person| may(governance, &person.id, scope)).collect();
    all.sort_by_key(|person| person.is_operator());
    all.truncate(NAMED_MAX);
    all.into_iter().map(|person| format!("`{}`", person.id)).collect()
}
