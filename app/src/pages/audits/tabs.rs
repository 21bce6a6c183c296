use kubewise_contract::Permission;
use leptos::prelude::*;

use crate::pages::frame::{self, Tab};

/// The pages about audits, and what one must hold for each.
const TABS: [Tab; 5] = [
    ("/audits", "Clusters", Permission::ViewInventory),
    ("/audits/schedules", "Schedules", Permission::ViewInventory),
    ("/audits/waivers", "Waivers", Permission::ViewInventory),
    ("/audits/policy", "Policy", Permission::ViewInventory),
    ("/audits/compare", "Compare", Permission::ViewInventory),
];

/// The tabs of the pages about audits; `here` is the one that is shown.
pub(super) fn tabs(here: &'static str) -> AnyView {
    frame::tabs("Of audits", &TABS, here)
}
