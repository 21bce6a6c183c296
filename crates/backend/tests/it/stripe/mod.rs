//! Paying through Stripe: whatever happens there, and in whichever order it is told, what is known here ends as it is there.

mod agreed;
mod amounts;
mod away;
mod buying;
mod by_hand;
mod deliveries;
mod details;
mod ending;
mod letters;
mod life;
mod many;
mod reckoning;
mod shop;
