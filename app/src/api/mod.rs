//! The server functions. Each body has four steps: who asks, what it is about (the lookup is the authorization), do it,
//! answer. What reads speaks JSON; what a form sends takes what forms send, so that it works without JavaScript.

mod account;
mod activity;
mod answers;
mod audits;
mod billing;
mod clusters;
mod decisions;
mod factors;
mod identity;
mod install;
mod installation;
mod inventory;
mod notifications;
mod organisation;
mod passkeys;
mod privacy;
mod provider;
mod read;
mod team;
mod tokens;
mod vulnerabilities;

pub(crate) use account::{CreateAccount, LogIn, frame, home, password_strength};
pub(crate) use activity::{activity, verify_activity};
pub(crate) use answers::{At, Frame, InstallStatus, KeptData, Listing, TokenChoices, Tokens};
pub(crate) use audits::{
    Compared, EndAuditSchedule, Findings, RunAudit, RunAudits, SetAuditSchedule, audits, comparison, finding, findings,
    schedules,
};
pub(crate) use billing::{AskStripe, SetBillingDetails, billing};
pub(crate) use clusters::{
    CreateCluster, DeleteCluster, RenameCluster, RevokeToken, RotateToken, cluster_detail, clusters, may_manage,
    may_manage_cluster, overview,
};
pub(crate) use decisions::{
    AddWaiver, AllowWaiver, DecideRule, EndWaiver, SetAuditParameters, SetClusterPolicy, SetWaiverPolicy, policies,
    waiver_choices, waivers,
};
pub(crate) use factors::{
    BeginAuthenticator, ConfirmAuthenticator, ConfirmIdentity, EnterCode, NewRecoveryCodes, RemoveAuthenticator,
    authenticator_setup, pending, recovery_codes, second_factors,
};
pub(crate) use identity::{
    ChangeAddress, ChangeName, ChangePassword, EndOtherSessions, EndSession, RequestReset, ResendVerification,
    ResetPassword, VerifyAddress, account, sessions,
};
pub(crate) use install::{install, install_status};
pub(crate) use installation::{
    DisableAccount, ReplayStripeEvent, RetryJob, installation_accounts, installation_billing,
    installation_organisations, job_health,
};
pub(crate) use inventory::{applications, images, namespaces, nodes, resource, resources, search, workloads};
pub(crate) use notifications::{
    MakeNotification, RemoveNotification, ResumeNotification, ShownNotification, TestNotification, notification,
    notifications,
};
pub(crate) use organisation::{RenameOrganisation, RequireSecondFactor, SetJoinRule, organisation_settings};
pub(crate) use passkeys::{Purpose, RemovePasskey, add_passkey, answer_passkey, ask_passkey, begin_passkey};
pub(crate) use privacy::{
    DeleteAccount, DeleteOrganisation, KeepOrganisation, RequestExport, SetHistory, SetPolicyMails, organisation_data,
    privacy,
};
pub(crate) use provider::{SetPassword, UnlinkGoogle, ways};
pub(crate) use read::{Answer, FORM, ask};
pub(crate) use team::{
    AcceptInvitation, ChangeMember, CreateOrganisation, Invite, JoinOrganisation, LeaveOrganisation, RemoveMember,
    ResendInvitation, RevokeInvitation, SignUpInvited, TransferOwnership, invitation, invitations, joinable, member,
    team,
};
pub(crate) use tokens::{MakeApiToken, RevokeApiToken, api_tokens, token_choices};
pub(crate) use vulnerabilities::{Known, vulnerabilities, vulnerable};
