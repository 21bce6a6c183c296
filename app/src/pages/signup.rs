//! `/signup`: somebody decided to try Kubewise. Shortest way: four fields, then their organisation.

use kubewise_contract::{Field, OrganisationName, PersonName};
use leptos::{form::ActionForm, prelude::*};
use leptos_meta::Title;

use super::outside::Outside;
use crate::{
    api::CreateAccount,
    parts::{FormError, NewPassword, Submit, TextField},
};

/// Making an account.
#[component]
pub(crate) fn SignUp() -> impl IntoView {
    let action = ServerAction::<CreateAccount>::new();
    let trouble = Signal::derive(move || action.value().get().and_then(Result::err));
    view! {
        <Title text="Create an account"/>
        <Outside>
            <div class="door">
                <h1>"Create an account"</h1>
                <div class="sub">"You and your organisation. Others can join later."</div>
                <div class="card">
                    <ActionForm action>
                        <div class="form">
                            <FormError trouble/>
                            <TextField name="name" label="Your name".into_any() field=Field::Name trouble
                                autocomplete="name" max=PersonName::MAX focus=true/>
                            <TextField name="email" label="E-mail address".into_any() field=Field::Email trouble
                                kind="email" autocomplete="email" max=254/>
                            <TextField name="organisation" label="Organisation".into_any() field=Field::Organisation trouble
                                autocomplete="organization" max=OrganisationName::MAX/>
                            <NewPassword label="Password" trouble/>
                            <Submit pending=action.pending()>"Create account"</Submit>
                        </div>
                    </ActionForm>
                </div>
                <div class="else">"Already have one? "<a class="link" href="/login">"Sign in"</a></div>
            </div>
        </Outside>
    }
}
