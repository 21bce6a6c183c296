//! The activity log.

use axum::{Json, extract::State};
use kubewise_backend::{Web, permission::ViewActivity};
use kubewise_contract::{ActivityQuery as Wanted, ActivityRow, Cursor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    asks::Asks,
    input::{Day, Query},
    page::{List, Moment},
    problem::Problem,
};

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityQuery {
    /// Only this action, or those that begin with it: `cluster.add`, `cluster`.
    #[param(nullable = false, example = "cluster")]
    action: Option<String>,
    /// Only what this person did, by themselves or by a token of theirs: a `person_id` of the log, or a member's id.
    #[param(nullable = false)]
    person: Option<Uuid>,
    /// From this day on (UTC).
    #[param(nullable = false, value_type = Option<String>, format = Date)]
    from: Option<Day>,
    /// To this day (UTC), with it.
    #[param(nullable = false, value_type = Option<String>, format = Date)]
    to: Option<Day>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
}

/// A line of the activity log.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    /// 1, 2, 3 … within the organisation.
    seq: i64,
    /// When.
    at: Moment,
    /// Who did it, as the log knows them: a pseudonym in this organisation, and not the member's id; null for a token of the
    /// organisation.
    #[schema(required)]
    person_id: Option<Uuid>,
    /// Who did it, by name; `former account` and a number when the account is gone.
    #[schema(required, example = "Maya Duran")]
    person: Option<String>,
    /// The API token that it was done by, if it was one.
    #[schema(required, example = "nightly report")]
    token: Option<String>,
    /// From which network.
    #[schema(example = "198.51.100.0/24")]
    place: String,
    /// What was done.
    #[schema(example = "cluster.add")]
    action: String,
    /// To what: the name of a person, a cluster or a token; `(forgotten)` when that is not kept any more.
    #[schema(required, example = "eu-prod")]
    subject: Option<String>,
    /// The cluster that it is about, by id.
    #[schema(required)]
    cluster: Option<Uuid>,
    /// What was before; null where there was nothing.
    #[schema(required)]
    before: Value,
    /// What was then; null where there was nothing.
    #[schema(required)]
    after: Value,
}

impl From<ActivityRow> for Line {
    fn from(row: ActivityRow) -> Self {
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self {
            seq: row.seq,
            at: row.at.into(),
            person_id: row.person_id.map(|person| person.0),
            person: row.person,
            token: row.token,
            place: row.place,
            action: row.action,
            subject: row.subject,
            cluster: row.cluster.map(|cluster| cluster.0),
            before: json(row.before),
            after: json(row.after),
        }
    }
}

/// Reads the activity log
///
/// Latest first. A token that sees chosen clusters only is told what was done to those.
#[utoipa::path(
    get,
    path = "/v1/activity",
    tag = "activity",
    params(ActivityQuery),
    responses((status = 200, description = "One page of it.", body = List<Line>)),
)]
pub(super) async fn list_activity(
    State(web): State<Web>,
    Asks(organisation): Asks<ViewActivity>,
    Query(query): Query<ActivityQuery>,
) -> Result<Json<List<Line>>, Problem> {
    let query = Wanted {
        action: query.action,
        person: query.person.map(|person| person.to_string()),
        from: query.from.map(|Day(day)| day.to_string()),
        to: query.to.map(|Day(day)| day.to_string()),
        after: query.after.map(Cursor),
    };
    let page = web.activity(&organisation, &query).await?;
    Ok(Json(List::of(page, Line::from)))
}
