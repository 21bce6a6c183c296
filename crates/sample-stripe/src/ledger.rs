//! What was billed, exactly: in node-seconds.

/// A line of an invoice, or one that waits for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// Stripe's id of the line.
    pub line: String,
    /// Stripe's id of the subscription.
    pub subscription: String,
    /// Stripe's id of the invoice; none while it waits for one.
    pub invoice: Option<String>,
    /// Whether it makes good a number that changed within a period.
    pub proration: bool,
    /// Nodes; of a credit, the nodes that are credited.
    pub quantity: i64,
    /// Seconds since 1970.
    pub period_start: i64,
    /// Seconds since 1970.
    pub period_end: i64,
    /// Nodes times seconds; negative for a credit.
    pub node_seconds: i128,
    /// Minor units of the currency; negative for a credit.
    pub amount: i64,
}

/// Everything that was billed to a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// On invoices, oldest first.
    pub billed: Vec<Billed>,
    /// On none yet.
    pub pending: Vec<Billed>,
}

impl Ledger {
    /// All of it together.
    pub fn node_seconds(&self) -> i128 {
        self.billed.iter().chain(&self.pending).map(|line| line.node_seconds).sum()
    }
}
