//! Migrations are compiled in: a new one makes a new program.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
