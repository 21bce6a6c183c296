//! What of the description all routes have in common: the token, its rate, and every status that can come. It is
//! written here once, and not beside each route.

use http::StatusCode;
use kubewise_contract::Permission;
use serde_json::json;
use utoipa::{
    PartialSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, Header, HeaderBuilder, Info, InfoBuilder, LicenseBuilder, ObjectBuilder,
        OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response, ResponseBuilder, SecurityRequirement, Type,
        path::{Operation, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
        tag::TagBuilder,
    },
};

use super::problem::{Kind, MEDIA_TYPE, Problem};

/// The security scheme's name.
const TOKEN: &str = "token";

const ABOUT: &str = "\
What scripts need of Kubewise. Every request carries a token, `Authorization: Bearer kw_…`, which is made on the
settings page *API tokens* of an organisation and speaks for that organisation alone.

Lists come in pages of 50: send the `next` of one as `after` for the one behind it, until it is null. Parameters and
fields that are not known are refused. Moments are RFC 3339, in UTC.

Whatever is refused is answered with `application/problem+json` (RFC 9457); a method that a path does not have with
405. Each answer to a token that is accepted says in `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` how
many requests it may make in a minute, how many are left of that, and in how many seconds the next minute begins.";

/// The description, without any route.
pub(super) fn base() -> OpenApi {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("kw_…")
        .description(Some("An API token, of a person or of the organisation."))
        .build();
    let mut components = ComponentsBuilder::new()
        .schema("Problem", Problem::schema())
        .security_scheme(TOKEN, SecurityScheme::Http(token));
    for kind in Kind::ALL {
        components = components.response(kind.slug(), refusal(kind));
    }
    let tags = [
        ("clusters", "Clusters and their agents' tokens."),
        ("resources", "What runs in clusters."),
        ("members", "Who is in the organisation."),
        ("activity", "Who did what."),
        ("description", "This description."),
    ];
    OpenApiBuilder::new()
        .info(info())
        .components(Some(components.build()))
        .tags(Some(tags.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build())))
        .build()
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Kubewise")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build()
}

/// How a kind of problem is answered.
fn refusal(kind: Kind) -> Response {
    let example = json!({
        "type": format!("/docs/api#{}", kind.slug()),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "detail": kind.sentence(),
    });
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(example)).build();
    let mut response = ResponseBuilder::new().description(kind.title()).content(MEDIA_TYPE, content);
    if kind == Kind::Unauthorized {
        response =
            response.header("WWW-Authenticate", text("`Bearer`, and what is wrong with the token that was sent."));
    } else if kind != Kind::Internal && kind != Kind::Unavailable {
        for (name, header) in rate() {
            response = response.header(name, header);
        }
    }
    if kind == Kind::RateLimited {
        response = response.header("Retry-After", number("In how many seconds to go on."));
    }
    response.build()
}

fn rate() -> [(&'static str, Header); 3] {
    [
        ("RateLimit-Limit", number("Requests that the token may make in a minute.")),
        ("RateLimit-Remaining", number("How many of them are left.")),
        ("RateLimit-Reset", number("In how many seconds the next minute begins.")),
    ]
}

fn number(about: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

fn text(about: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
}

/// Completes the description of routes that a token is needed for.
pub(super) fn complete(paths: &mut Paths, needs: &[Permission]) {
    for item in paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            complete_operation(operation, needs);
        }
    }
}

fn complete_operation(operation: &mut Operation, needs: &[Permission]) {
    let names: Vec<&str> = needs.iter().map(|permission| permission.as_str()).collect();
    let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let said = operation.description.take().map(|said| format!("{said}\n\n")).unwrap_or_default();
    operation.description = Some(format!("{said}Needs {listed}."));
    // The roles of a requirement (OpenAPI 3.1.1 §4.8.30.1): what the token must have been given.
    operation.security = Some(vec![SecurityRequirement::new(TOKEN, names)]);

    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.headers.extend(rate().map(|(name, header)| (name.to_owned(), RefOr::T(header))));
        }
    }
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let has_path = parameters.iter().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Path,
        RefOr::Ref(_) => false,
    });
    let has_body = operation.request_body.is_some();
    let mut refusals = vec![Kind::Unauthorized, Kind::Forbidden, Kind::RateLimited, Kind::Internal, Kind::Unavailable];
    if has_body || !parameters.is_empty() {
        refusals.push(Kind::BadRequest);
    }
    if has_path {
        refusals.push(Kind::NotFound);
    }
    if has_body {
        refusals.extend([Kind::TooLarge, Kind::UnsupportedMediaType, Kind::Invalid, Kind::Conflict]);
    }
    for kind in refusals {
        let status = StatusCode::as_str(&kind.status()).to_owned();
        operation.responses.responses.insert(status, Ref::from_response_name(kind.slug()).into());
    }
}
