//! Fields that expire without being asked for.

use super::*;

impl Hash {
    /// Removes fields whose expiry is before `now_ms`, after showing each, as long as `budget` lasts, which counts
    /// down with what is looked at. True when some may be left.
    pub fn expire_step(
        &mut self,
        now_ms: i64,
        budget: &mut usize,
        on_expired: &mut dyn FnMut(Field<'_>),
    ) -> bool {
        match self.word.form_mut() {
            FormMut::Listpack(_) => false,
            FormMut::Table(members) => {
                members.expire_step(now_ms, budget, &mut |record| on_expired(record.into())).is_continue()
            }
            FormMut::Expiring(pack) => {
                let mut due = 0;
                let mut fields = pack.iter();
                while let Some(field) = small::next_expiring(&mut fields).filter(|field| field.is_due(now_ms))
                {
                    on_expired(field);
                    due += 1;
                }
                pack.remove_range(0, 3 * due);
                *budget = budget.saturating_sub(1 + due);
                false
            }
        }
    }
}
