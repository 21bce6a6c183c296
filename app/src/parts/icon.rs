//! Icons: Lucide's, drawn in the colour of the text beside them. They never stand alone for a word.

use icondata_lu as lu;
use leptos::prelude::*;

/// The icons in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    Alert,
    ArrowRight,
    Book,
    Boxes,
    Card,
    Check,
    Close,
    Copy,
    Dashboard,
    Eye,
    Key,
    LogOut,
    Plus,
    Refresh,
    Search,
    Settings,
    Shield,
    Trash,
    UpDown,
    User,
    UserPlus,
    Users,
}

impl Icon {
    const fn lines(self) -> &'static str {
        match self {
            Self::Alert => lu::LuTriangleAlert.data,
            Self::ArrowRight => lu::LuArrowRight.data,
            Self::Book => lu::LuBookOpen.data,
            Self::Boxes => lu::LuBoxes.data,
            Self::Card => lu::LuCreditCard.data,
            Self::Check => lu::LuCheck.data,
            Self::Close => lu::LuX.data,
            Self::Copy => lu::LuCopy.data,
            Self::Dashboard => lu::LuLayoutDashboard.data,
            Self::Eye => lu::LuEye.data,
            Self::Key => lu::LuKeyRound.data,
            Self::LogOut => lu::LuLogOut.data,
            Self::Plus => lu::LuPlus.data,
            Self::Refresh => lu::LuRefreshCw.data,
            Self::Search => lu::LuSearch.data,
            Self::Settings => lu::LuSettings.data,
            Self::Shield => lu::LuShieldCheck.data,
            Self::Trash => lu::LuTrash2.data,
            Self::UpDown => lu::LuChevronsUpDown.data,
            Self::User => lu::LuUser.data,
            Self::UserPlus => lu::LuUserPlus.data,
            Self::Users => lu::LuUsers.data,
        }
    }

    /// The icon as an element that screen readers skip.
    pub(crate) fn show(self) -> AnyView {
        drawing(self.lines())
    }
}

/// Kubewise's mark.
#[component]
pub(crate) fn Logo() -> impl IntoView {
    drawing(
        "<path d=\"M12 2 21 7v10l-9 5-9-5V7z\"/><circle cx=\"9\" cy=\"11\" r=\"2\"/><circle cx=\"15\" cy=\"11\" r=\"2\"/>\
         <path d=\"m12 13 0 2.5\"/>",
    )
}

fn drawing(lines: &'static str) -> AnyView {
    view! {
        <svg
            class="icon"
            // For a page whose stylesheet did not arrive; the stylesheet has the last word.
            width="16"
            height="16"
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="2"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
            inner_html=lines
        ></svg>
    }
    .into_any()
}
