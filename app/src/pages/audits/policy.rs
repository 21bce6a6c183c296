//! `/o/{org}/audits/policy`: somebody finds that a rule is not for them, or judges too mildly, or that a cluster is to be judged for
//! the version that comes. Shortest way: from a finding the rule is chosen already; one choice and one button.

use kubewise_contract::{
    Choice, ClusterPolicy, Decided, DecidedRule, Field, ListQuery, ParametersInput, Policies, Severity,
};
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::tabs::tabs;
use crate::{
    api::{DecideRule, SetAuditParameters, SetClusterPolicy, SetWaiverPolicy, policies},
    parts::{
        FieldWrong, FormError, Head, Pager, Post, PostForm, Skeleton, Submit, TextField, done_note, failure,
        row_button, severity_tag, use_done,
    },
    place::{org_href, use_list_query, use_org},
};

#[derive(Clone, Copy)]
struct Forms {
    rule: Post,
    parameters: Post,
    waivers: Post,
    cluster: Post,
    done: Memo<String>,
}

/// How clusters are judged.
#[component]
pub(crate) fn AuditPolicy() -> impl IntoView {
    let (org, query, params) = (use_org(), use_list_query(), use_query_map());
    let forms = Forms {
        rule: Post::to::<DecideRule>(),
        parameters: Post::to::<SetAuditParameters>(),
        waivers: Post::to::<SetWaiverPolicy>(),
        cluster: Post::to::<SetClusterPolicy>(),
        done: use_done(),
    };
    let (rule, parameters) = (forms.rule.times_done(), forms.parameters.times_done());
    let (waivers, cluster) = (forms.waivers.times_done(), forms.cluster.times_done());
    let found = Resource::new(
        move || (org.get(), query.get(), rule.get(), parameters.get(), waivers.get(), cluster.get()),
        |(org, query, ..)| policies(org, query),
    );
    view! {
        <Head title="Audits" tab="Policy · Audits"
            sentence="How clusters are judged. What is changed here has them judged again.".into_any()/>
        {tabs("/audits/policy")}
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match found.await {
                    Ok(found) => {
                        let chosen = params.with_untracked(|params| params.get("rule")).unwrap_or_default();
                        page(&org.get_untracked(), &query.get_untracked(), found, &chosen, &forms)
                    }
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, query: &ListQuery, found: Policies, chosen: &str, forms: &Forms) -> AnyView {
    view! {
        <div class="grid">
            <div class="card">
                {rules(org, &found, chosen, forms)}
                {parameters(org, &found, forms)}
                {waivers(org, &found, forms)}
            </div>
            {clusters(org, query, &found, forms)}
        </div>
    }
    .into_any()
}

/// What was decided about a rule, as people read it.
fn word(decided: Decided) -> AnyView {
    match decided {
        Decided::Off => view! { <span class="tag">"not judged"</span> }.into_any(),
        Decided::Severity(severity) => severity_tag(severity),
    }
}

fn rules(org: &str, found: &Policies, chosen: &str, forms: &Forms) -> AnyView {
    let can_set = found.can_set;
    let lines: Vec<_> = found.rules.iter().map(|rule| decided(org, rule, can_set, forms)).collect();
    let lines = if lines.is_empty() {
        view! { <p class="muted">"Every rule is as the catalogue has it."</p> }.into_any()
    } else {
        view! { <ul class="lines">{lines}</ul> }.into_any()
    };
    let form = can_set.then(|| decide(org, &found.catalogue, chosen, forms));
    view! {
        <section class="setting">
            <div>
                <h2>"Rules"</h2>
                <p>"A rule that is not judged finds nothing, and what it found is closed without counting as fixed. "
                    <a class="link" href="/docs/rules" rel="external">"All rules"</a></p>
            </div>
            <div class="form">
                {done_note(forms.done, "rule", "Decided. Clusters are being judged again.")}
                {lines}
                {form}
            </div>
        </section>
    }
    .into_any()
}

fn decided(org: &str, rule: &DecidedRule, can_set: bool, forms: &Forms) -> AnyView {
    let usual = rule.usual.map(|severity| format!(", by the catalogue {severity}"));
    let button = can_set.then(|| {
        let fields = [("org", org.to_owned()), ("rule", rule.rule.clone())];
        row_button(forms.rule, &fields, "Undo", format!("Have the rule {} as the catalogue has it", rule.rule))
    });
    view! {
        <li>
            <div>{rule.title.clone()}<div class="second"><code>{rule.rule.clone()}</code>{usual}</div></div>
            <span class="right">{word(rule.decided)}</span>
            {button}
        </li>
    }
    .into_any()
}

fn decide(org: &str, catalogue: &[Choice], chosen: &str, forms: &Forms) -> AnyView {
    let post = forms.rule;
    let trouble = post.trouble();
    let rules: Vec<_> = catalogue
        .iter()
        .map(|rule| {
            let selected = rule.value == chosen;
            view! { <option value=rule.value.clone() selected=selected>{format!("{}: {}", rule.value, rule.title)}</option> }
        })
        .collect();
    let severities = Severity::WORST_FIRST.map(|severity| (severity.as_str(), format!("finds what is {severity}")));
    let choices: Vec<_> = std::iter::once(("off", "is not judged".to_owned()))
        .chain(severities)
        .map(|(value, title)| view! { <option value=value>{title}</option> })
        .collect();
    let org = org.to_owned();
    view! {
        <PostForm post>
            <div class="form">
                <FormError trouble/>
                <input type="hidden" name="org" value=org/>
                <div class="field">
                    <label for="policy-rule">"The rule"</label>
                    <select id="policy-rule" name="rule">{rules}</select>
                    <FieldWrong field=Field::Rule trouble/>
                </div>
                <div class="field">
                    <label for="policy-decided">"Here"</label>
                    <select id="policy-decided" name="decided">{choices}</select>
                </div>
                <div class="act"><Submit pending=post.pending() class="btn">"Decide"</Submit></div>
            </div>
        </PostForm>
    }
    .into_any()
}

fn parameters(org: &str, found: &Policies, forms: &Forms) -> AnyView {
    let p = &found.parameters;
    let body = if found.can_set { parameters_form(org, p, forms) } else { parameters_shown(p) };
    view! {
        <section class="setting">
            <div>
                <h2>"Parameters"</h2>
                <p>"What rules leave open. Where nothing is said, the rules that need it do not judge."</p>
            </div>
            {body}
        </section>
    }
    .into_any()
}

fn parameters_shown(p: &ParametersInput) -> AnyView {
    let said = |text: &str| if text.is_empty() { "nothing is said".to_owned() } else { text.to_owned() };
    view! {
        <dl class="facts">
            <dt>"Images come from"</dt><dd>{said(&p.allowed_registries)}</dd>
            <dt>"Replicas at least"</dt><dd>{p.minimum_replicas.clone()}</dd>
            <dt>"Limits of requests"</dt><dd>{format!("{} %", p.maximum_limit_ratio_percent)}</dd>
            <dt>"Labels of workloads"</dt><dd>{said(&p.required_labels)}</dd>
            <dt>"Kubernetes' own namespaces"</dt><dd>{said(&p.system_namespaces)}</dd>
            <dt>"Seconds to stop at most"</dt><dd>{p.maximum_grace_seconds.clone()}</dd>
        </dl>
    }
    .into_any()
}

fn parameters_form(org: &str, p: &ParametersInput, forms: &Forms) -> AnyView {
    let (post, done) = (forms.parameters, forms.done);
    let trouble = post.trouble();
    let p = p.clone();
    let org = org.to_owned();
    view! {
        <PostForm post>
            <div class="form">
                <FormError trouble/>
                {done_note(done, "parameters", "Set. Clusters are being judged again.")}
                <input type="hidden" name="org" value=org/>
                <TextField name="parameters[allowed_registries]" label="Images come from".into_any() field=Field::Registries trouble
                    code=true spare=true value=p.allowed_registries hint="Such as registry.example.com, ghcr.io/acme. Empty: from anywhere."/>
                <TextField name="parameters[minimum_replicas]" label="Replicas of what serves requests, at least".into_any()
                    field=Field::Replicas trouble kind="number" value=p.minimum_replicas/>
                <TextField name="parameters[maximum_limit_ratio_percent]" label="Limits, in percent of the request, at most".into_any()
                    field=Field::LimitRatio trouble kind="number" value=p.maximum_limit_ratio_percent/>
                <TextField name="parameters[required_labels]" label="Labels that every workload has".into_any()
                    field=Field::RequiredLabels trouble code=true spare=true value=p.required_labels
                    hint="Keys, such as app.kubernetes.io/name, example.com/team."/>
                <TextField name="parameters[system_namespaces]" label="Namespaces that are Kubernetes' own".into_any()
                    field=Field::SystemNamespaces trouble code=true spare=true value=p.system_namespaces
                    hint="Rules about how applications are set up leave them out."/>
                <TextField name="parameters[maximum_grace_seconds]" label="Seconds that a pod may take to stop".into_any()
                    field=Field::Grace trouble kind="number" value=p.maximum_grace_seconds/>
                <div class="act"><Submit pending=post.pending() class="btn">"Set the parameters"</Submit></div>
            </div>
        </PostForm>
    }
    .into_any()
}

fn waivers(org: &str, found: &Policies, forms: &Forms) -> AnyView {
    let (post, done) = (forms.waivers, forms.done);
    let trouble = post.trouble();
    let fixed = !found.can_set;
    let (asked, annotations) = (found.waivers_are_asked, found.annotations_waive);
    let button = found.can_set.then(|| {
        view! { <div class="act"><Submit pending=post.pending() class="btn">"Set"</Submit></div> }
    });
    let org = org.to_owned();
    view! {
        <section class="setting">
            <div><h2>"Waivers"</h2><p>"Who decides what is lived with."</p></div>
            <PostForm post>
                <div class="form">
                    <FormError trouble/>
                    {done_note(done, "waivers", "Set.")}
                    <input type="hidden" name="org" value=org/>
                    <label class="option">
                        <input type="checkbox" name="asked" value="1" checked=asked disabled=fixed/>
                        <span><b>"Waivers are asked for"</b><span class="muted">"What Operators waive holds once an Owner or Admin allows it."</span></span>
                    </label>
                    <label class="option">
                        <input type="checkbox" name="annotations" value="1" checked=annotations disabled=fixed/>
                        <span><b>"Annotations waive"</b><span class="muted">"Who writes a manifest may waive named rules in it: "
                            <code>"kubewise.io/waive"</code>", with "<code>"kubewise.io/waive-reason"</code>"."</span></span>
                    </label>
                    {button}
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

fn clusters(org: &str, query: &ListQuery, found: &Policies, forms: &Forms) -> AnyView {
    if found.clusters.is_empty() {
        return ().into_any();
    }
    let trouble = forms.cluster.trouble();
    let rows: Vec<_> = found.clusters.iter().map(|cluster| cluster_row(org, cluster, found, forms)).collect();
    let n = rows.len();
    view! {
        <section class="card list-card" aria-labelledby="policy-clusters">
            <header><h2 id="policy-clusters">"Clusters"</h2></header>
            <div class="pad">
                {done_note(forms.done, "cluster", "Set. The cluster is being judged again.")}
                <FormError trouble/>
            </div>
            <table>
                <thead><tr>
                    <th scope="col">"Cluster"</th><th scope="col">"Judged by"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
            <Pager base=org_href(org, "/audits/policy") query=query.clone() rows=n next=found.next.clone()/>
        </section>
    }
    .into_any()
}

fn cluster_row(org: &str, cluster: &ClusterPolicy, found: &Policies, forms: &Forms) -> AnyView {
    let runs = cluster.runs.clone().map(|version| format!("runs {version}"));
    let body = if found.can_set { cluster_form(org, cluster, found, forms) } else { cluster_shown(cluster, found) };
    view! {
        <tr><td><div class="first">{cluster.name.clone()}</div><div class="second">{runs}</div></td><td>{body}</td></tr>
    }
    .into_any()
}

fn cluster_shown(cluster: &ClusterPolicy, found: &Policies) -> AnyView {
    let title = found.profiles.iter().find(|profile| profile.value == cluster.profile);
    let title = title.map_or_else(|| cluster.profile.clone(), |profile| profile.title.clone());
    let version = cluster.kubernetes_version.clone().map(|version| format!(", for {version}"));
    view! { {title}{version} }.into_any()
}

fn cluster_form(org: &str, cluster: &ClusterPolicy, found: &Policies, forms: &Forms) -> AnyView {
    let post = forms.cluster;
    let profiles: Vec<_> = found
        .profiles
        .iter()
        .map(|profile| {
            let selected = profile.value == cluster.profile;
            view! { <option value=profile.value.clone() selected=selected>{profile.title.clone()}</option> }
        })
        .collect();
    let versions: Vec<_> = found
        .versions
        .iter()
        .map(|version| {
            let selected = Some(version) == cluster.kubernetes_version.as_ref();
            view! { <option value=version.clone() selected=selected>{format!("for {version}")}</option> }
        })
        .collect();
    let (org, id, name) = (org.to_owned(), cluster.id.to_string(), cluster.name.clone());
    view! {
        <PostForm post>
            <div class="filters">
                <input type="hidden" name="org" value=org/>
                <input type="hidden" name="cluster" value=id/>
                <span class="chip"><select name="profile" aria-label=format!("Rules for {name}")>{profiles}</select></span>
                <span class="chip">
                    <select name="version" aria-label=format!("Version that {name} is judged for")>
                        <option value="">"for the version that it runs"</option>{versions}
                    </select>
                </span>
                <button type="submit" class="btn small" aria-label=format!("Set how {name} is judged") disabled=post.pending()>"Set"</button>
            </div>
        </PostForm>
    }
    .into_any()
}
