//! Who is billed.

use kubewise_contract::{Field, Payment};
use leptos::prelude::*;

use super::Forms;
use crate::parts::{FormError, PostForm, Submit, TextField, done_note};

pub(super) fn form(org: &str, payment: &Payment, forms: Forms) -> AnyView {
    let trouble = forms.details.trouble();
    let is = payment.details.clone().unwrap_or_default();
    let org = org.to_owned();
    view! {
        <section class="card next" aria-labelledby="details">
            <section class="setting">
                <div>
                    <h2 id="details">"Who is billed"</h2>
                    <p>
                        "Goes to Stripe, for invoices and taxes. A VAT id and a card are typed there alone. "
                        <a class="link" href="/docs/data-sent" rel="external">"All that Stripe is sent"</a>"."
                    </p>
                </div>
                <PostForm post=forms.details>
                    <div class="form">
                        <FormError trouble/>
                        {done_note(forms.done, "details", "It is kept, and Stripe is told.")}
                        <input type="hidden" name="org" value=org/>
                        <TextField name="email" kind="email" label="Billing e-mail".into_any() field=Field::Email trouble
                            autocomplete="email" max=254 value=is.email/>
                        <TextField name="line1" label="Street and number".into_any() field=Field::AddressLine trouble spare=true
                            autocomplete="address-line1" max=200 value=is.line1/>
                        <TextField name="line2" label="More of the address".into_any() field=Field::AddressLine trouble spare=true
                            autocomplete="address-line2" max=200 value=is.line2/>
                        <TextField name="postal_code" label="Postal code".into_any() field=Field::PostalCode trouble spare=true
                            autocomplete="postal-code" max=20 value=is.postal_code/>
                        <TextField name="city" label="Town".into_any() field=Field::City trouble spare=true
                            autocomplete="address-level2" max=100 value=is.city/>
                        <TextField name="state" label="State or county".into_any() field=Field::State trouble spare=true
                            autocomplete="address-level1" max=100 value=is.state/>
                        <TextField name="country" label="Country, in two letters".into_any() field=Field::Country trouble spare=true
                            autocomplete="country" hint="As ISO 3166 has it, like FR" max=2 value=is.country/>
                        <div class="act"><Submit pending=forms.details.pending() class="btn">"Save"</Submit></div>
                    </div>
                </PostForm>
            </section>
        </section>
    }
    .into_any()
}
