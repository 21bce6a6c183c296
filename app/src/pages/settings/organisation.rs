//! `/o/{org}/settings`: whoever answers for an organisation wants to decide what it is called and what it asks of its
//! members. Shortest way: each section says what it does before it does it.

use kubewise_contract::{Field, OrganisationName, OrganisationSettings as Shown, Role};
use leptos::prelude::*;

use super::SettingsHead;
use crate::{
    api::{RenameOrganisation, RequireSecondFactor, SetJoinRule, organisation_settings},
    parts::{FormError, Post, PostForm, Skeleton, Submit, TextField, count, done_note, failure, use_done},
    place::use_org,
};

#[derive(Clone, Copy)]
struct Forms {
    rename: Post,
    factor: Post,
    joining: Post,
    done: Memo<String>,
}

/// The organisation.
#[component]
pub(crate) fn OrganisationSettings() -> impl IntoView {
    let org = use_org();
    let forms = Forms {
        rename: Post::to::<RenameOrganisation>(),
        factor: Post::to::<RequireSecondFactor>(),
        joining: Post::to::<SetJoinRule>(),
        done: use_done(),
    };
    let settings = Resource::new(
        move || (org.get(), forms.rename.version(), forms.factor.version(), forms.joining.version()),
        |(org, ..)| organisation_settings(org),
    );
    view! {
        <Transition fallback=Skeleton>
            {move || Suspend::new(async move {
                match settings.await {
                    Ok(settings) => page(&org.get_untracked(), &settings, forms),
                    Err(error) => failure(&error),
                }
            })}
        </Transition>
    }
}

fn page(org: &str, settings: &Shown, forms: Forms) -> AnyView {
    view! {
        <SettingsHead here="/settings" sentence="What the organisation is called, and what it asks of its members."/>
        <div class="card">
            {name(org, settings, forms)}
            {second_factor(org, settings, forms)}
            {joining(org, settings, forms)}
        </div>
    }
    .into_any()
}

fn name(org: &str, settings: &Shown, forms: Forms) -> AnyView {
    let trouble = forms.rename.trouble();
    let (org, name) = (org.to_owned(), settings.name.clone());
    view! {
        <section class="setting">
            <div><h2>"Name"</h2><p>"What members see. The address of its pages stays, so that links go on working."</p></div>
            <PostForm post=forms.rename>
                <div class="form">
                    <FormError trouble/>
                    {done_note(forms.done, "name", "The name was changed.")}
                    <input type="hidden" name="org" value=org/>
                    <TextField name="organisation" label="Name of the organisation".into_any() field=Field::Organisation trouble
                        max=OrganisationName::MAX value=name/>
                    <div class="act"><Submit pending=forms.rename.pending() class="btn">"Change the name"</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

fn second_factor(org: &str, settings: &Shown, forms: Forms) -> AnyView {
    let trouble = forms.factor.trouble();
    let required = settings.requires_second_factor;
    let (have, all) = (settings.members - settings.without_second_factor, settings.members);
    let who = match settings.without_second_factor {
        0 => format!("All members have it ({all})."),
        _ => format!(
            "{have} of {} have it. The others see nothing of the organisation until they set it up.",
            count(all, "member")
        ),
    };
    let (state, label) = if required {
        (view! { <span class="tag ok">"asked for"</span> }.into_any(), "Ask no more")
    } else {
        (view! { <span class="tag">"not asked for"</span> }.into_any(), "Ask all members for it")
    };
    let choice = (!required).then(|| view! { <input type="hidden" name="required" value="1"/> });
    let org = org.to_owned();
    view! {
        <section class="setting">
            <div>
                <h2>"Two-step sign-in"</h2>
                <p>"Whoever signs in, with a password or through another provider, proves in a second way who they are."</p>
            </div>
            <PostForm post=forms.factor>
                <div class="form">
                    <FormError trouble/>
                    {done_note(forms.done, "second-factor", "It is set.")}
                    <input type="hidden" name="org" value=org/>
                    {choice}
                    <div class="known">{state}</div>
                    <div class="hint">{who}</div>
                    <div class="act"><Submit pending=forms.factor.pending() class="btn">{label}</Submit></div>
                </div>
            </PostForm>
        </section>
    }
    .into_any()
}

/// Who joins by their address.
fn joining(org: &str, settings: &Shown, forms: Forms) -> AnyView {
    let trouble = forms.joining.trouble();
    let about = {
        let org = org.to_owned();
        move || view! { <input type="hidden" name="org" value=org.clone()/> }
    };
    let body = match (&settings.join_rule, &settings.domain) {
        (Some(rule), _) => {
            let sentence = format!("Whoever confirmed an address at {} may join, as {}.", rule.domain, rule.role);
            view! {
                <PostForm post=forms.joining>
                    <div class="form">
                        <FormError trouble/>
                        {done_note(forms.done, "joining", "It is set.")}
                        {about()}
                        <div class="known"><span class="tag ok">"open"</span></div>
                        <div class="hint">{sentence}</div>
                        <div class="act"><Submit pending=forms.joining.pending() class="btn">"Close it"</Submit></div>
                    </div>
                </PostForm>
            }
            .into_any()
        }
        (None, Some(domain)) => {
            let options: Vec<_> = [Role::Viewer, Role::Operator, Role::Billing]
                .into_iter()
                .map(|role| view! { <option value=role.as_str()>{role.to_string()}</option> })
                .collect();
            let label = format!("Let addresses at {domain} join");
            view! {
                <PostForm post=forms.joining>
                    <div class="form">
                        <FormError trouble/>
                        {done_note(forms.done, "joining", "It is set.")}
                        {about()}
                        <div class="known"><span class="tag">"closed"</span></div>
                        <div class="field">
                            <label for="join-role">"They become"</label>
                            <select id="join-role" name="role">{options}</select>
                        </div>
                        <div class="act"><Submit pending=forms.joining.pending() class="btn">{label}</Submit></div>
                    </div>
                </PostForm>
            }
            .into_any()
        }
        (None, None) => view! {
            <div class="form">
                {done_note(forms.done, "joining", "It is set.")}
                <div class="known"><span class="tag">"closed"</span></div>
                <div class="hint">"It can be opened for the domain of your own address, once you confirmed that address, and if not everybody can have one there."</div>
            </div>
        }
        .into_any(),
    };
    view! {
        <section class="setting">
            <div>
                <h2>"Joining by address"</h2>
                <p>"Colleagues join without an invitation: the organisation is offered to whoever confirmed an address of the same domain."</p>
            </div>
            {body}
        </section>
    }
    .into_any()
}
