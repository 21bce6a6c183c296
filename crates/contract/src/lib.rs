//! What the browser and the server agree on. Everything here compiles for the browser, holds no
//! secret and does no I/O: identifiers, roles and permissions, the shapes that pages show, the
//! inputs that forms send, and [`UiError`], the only error that crosses the wire.
#![warn(missing_docs)]

mod account;
mod activity;
mod audit;
mod billing;
mod cluster;
mod error;
mod ids;
mod input;
mod installation;
mod inventory;
mod notification;
mod page;
mod plan;
mod policy;
mod privacy;
mod provider;
mod retention;
mod role;
mod strength;
mod team;
mod timestamp;
mod vulnerability;
mod waiver;

pub use account::{
    AcceptedPolicy, Account, AuthenticatorSetup, OrganisationRef, OrganisationSettings, PasskeyRow, SecondFactors,
    SecondProofs, SessionRow, Viewer, Ways,
};
pub use activity::{Action, ActivityQuery, ActivityRow, LogFault, Verdict};
pub use audit::{
    AuditRun, AuditSummary, AuditedCluster, Audits, BySeverity, ClusterAudit, CompareQuery, ComparedFinding,
    ComparedRule, ComparedSide, Comparison, Control, Difference, Every, FindingDetail, FindingRow, FindingSpan,
    FindingState, FindingsQuery, NotAssessable, OnlyThere, RuleText, RunChoice, RunState, Schedule, ScheduleRow,
    Schedules, Severity, Share,
};
pub use billing::{
    BillingDetails, BillingDifference, BillingNotice, BillingOverview, InstallationBilling, InvoiceRow, Money, Payment,
    StripeEventRow, Subscription, SubscriptionStatus,
};
pub use cluster::{
    ClusterDetail, ClusterStatus, ClusterSummary, InstallInfo, KindCount, LiveEvent, Overview, UnreadableKind,
};
pub use error::{Field, FieldError, Problem, UiError};
pub use ids::{
    ClusterId, DeliveryId, ExportId, InvitationId, NotificationId, OrgId, OrgSlug, Pseudonym, ResourceUid, TokenId,
    UserId, WaiverId,
};
pub use input::{
    ClusterName, EmailAddress, NotificationName, OrganisationName, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, PasskeyName,
    PersonName, TokenName,
};
pub use installation::{DeadJobRow, InstallationAccount, InstallationOrganisation, JobHealth, QueueHealth};
pub use inventory::{
    AppSource, ApplicationRow, Health, ImageRow, NamespaceRow, NodeRow, ResourceDetail, ResourceRef, ResourceRow,
    SearchRow, WorkloadRow,
};
pub use notification::{
    Channel, DeliveryEvent, DeliveryRow, DeliveryState, Ended, MemberChoice, NotificationDetail, NotificationRow,
    Notifications, Occasions, parse_namespaces,
};
pub use page::{Cursor, ListQuery, PAGE_SIZE, Page, is_found_anywhere};
pub use plan::{Entitlements, Limit, Most, NodeDay, Plan, PlanLimit};
pub use policy::{Choice, ClusterPolicy, Decided, DecidedRule, ParametersInput, Policies};
pub use privacy::{DeletionRow, ExportRow, ExportState, OrganisationData, Privacy};
pub use provider::{LinkedIdentity, Provider, ProviderRefusal};
pub use retention::{About, HISTORY_DAYS, Retention, StatedTime};
pub use role::{Access, Permission, Permissions, Role};
pub use strength::{Strength, Weakness};
pub use team::{ClusterChoice, InvitationRow, Invited, JoinRule, Joinable, Member, MemberRow, Team, TokenRow};
pub use timestamp::Timestamp;
pub use vulnerability::{
    ImageScan, ImageUse, Scan, VulnerabilitiesOf, VulnerabilitiesQuery, VulnerabilityCounts, VulnerabilityRow,
    VulnerabilitySeverity, VulnerablePlace,
};
pub use waiver::{Waived, WaiverChoices, WaiverInput, WaiverRow, WaiverState, Waivers, WaiversQuery, WaiversShown};
